"""Snapshots and the feature store on a small simulated bank."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.catalogue import load_catalogue
from features.compute import feature_table, spine_of
from features.errors import InputError, NotReadyError, RefusedError
from features.families import all_families
from features.history.cut import cut_history
from features.history.load import import_folder
from features.history.read import connect
from features.home import Home
from features.online import OnlineReader
from features.online.materialize import materialize
from features.settings import Settings, read_settings
from features.simulate import simulate
from features.snapshots import current_generation, read_snapshot, snapshot_path
from features.store import build, join_features, open_store

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def silent(_: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def settings() -> Settings:
    return replace(read_settings({}), threads=2, memory="1GB")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Home:
    """250 customers over 14 months, with features at three snapshots."""
    folder = tmp_path_factory.mktemp("store")
    home = Home(folder / "home")
    simulate(folder / "raw", home.truth, customers=250, months=14, seed=3, end=AS_OF, tell=silent)
    options = {"append": False, "threads": 2, "memory": "1GB", "tell": silent}
    import_folder(folder / "raw", home, None, **options)
    build(home, AS_OF, 4, settings, silent, every=2)
    return home


def test_snapshots_reach_back_and_hold_every_field(home: Home) -> None:
    generation = current_generation(home)
    assert [f"{s:%Y-%m-%d}" for s in generation.snapshots] == ["2025-09-01", "2025-11-01", "2026-01-01"]
    frame = read_snapshot(home, AS_OF)
    fields = [f for family in all_families(load_catalogue(home.catalogue)) for f in family.fields]
    assert frame.columns.tolist() == ["customer_id", "as_of", *(f.name for f in fields)]
    assert frame["customer_id"].is_unique
    assert frame["customer_id"].is_monotonic_increasing
    for field in fields:
        if field.null != "null":
            assert frame[field.name].notna().all(), field.name
        if field.dtype == "int64":
            assert pd.api.types.is_integer_dtype(frame[field.name]), field.name


def test_what_is_learned_later_changes_no_earlier_snapshot(home: Home, settings: Settings) -> None:
    """Features at a past moment, computed from the whole history, equal those of a bank that ends there."""
    moment = datetime(2025, 11, 1, tzinfo=UTC)
    connection = connect(home, 2, "1GB")
    families = all_families(load_catalogue(home.catalogue))
    cut = cut_history(connection, moment)
    whole = feature_table(cut, spine_of(cut), families).order_by("customer_id").to_pandas()
    for name, time in (("transactions", "at"), ("interactions", "at"), ("holdings", "opened_at")):
        connection.raw_sql(
            f"CREATE OR REPLACE VIEW {name} AS SELECT * REPLACE ("
            f"CASE WHEN known_until > '{moment}' THEN NULL ELSE known_until END AS known_until) "
            f"FROM '{home.history / name}.parquet' "
            f"WHERE \"{time}\" < '{moment}' AND known_at <= '{moment}'"
        )
    cut = cut_history(connection, moment)
    ended = feature_table(cut, spine_of(cut), families).order_by("customer_id").to_pandas()
    pd.testing.assert_frame_equal(whole, ended, check_exact=True)


def test_one_customer_is_computed_as_in_the_crowd(home: Home) -> None:
    cut = cut_history(connect(home, 2, "1GB"), AS_OF)
    families = all_families(load_catalogue(home.catalogue))
    crowd = read_snapshot(home, AS_OF)
    one = crowd["customer_id"].iloc[17]
    spine = spine_of(cut)
    alone = feature_table(cut, spine.filter(spine.customer_id == one), families).to_pandas()
    assert len(alone) == 1
    for name in crowd.columns.drop(["customer_id", "as_of"]):
        expected, got = crowd[name].iloc[17], alone[name].iloc[0]
        assert (pd.isna(expected) and pd.isna(got)) or expected == got, name


@pytest.mark.parametrize(
    ("as_of", "months", "error", "message"),
    [
        (AS_OF + timedelta(days=40), 0, RefusedError, "history ends 2025-12-31"),
        (AS_OF - timedelta(days=330), 0, RefusedError, "features need 180 days before as_of"),
        (AS_OF + timedelta(hours=1), 0, InputError, "must be a UTC midnight"),
        (AS_OF.replace(tzinfo=None), 0, InputError, "must be a UTC midnight"),
        (AS_OF, -1, InputError, "months at least 0"),
    ],
)
def test_what_cannot_be_built_is_refused_and_the_old_features_stay(
    home: Home, settings: Settings, as_of: datetime, months: int, error: type[Exception], message: str
) -> None:
    before = current_generation(home)
    with pytest.raises(error, match=message):
        build(home, as_of, months, settings, silent)
    assert current_generation(home) == before


def test_a_failing_build_leaves_the_last_generation(home: Home, settings: Settings) -> None:
    before = current_generation(home)

    def stop(line: str) -> None:
        if "2 of 2" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(home, AS_OF, 4, settings, stop, every=1, engine="duckdb")
    assert current_generation(home) == before
    assert len(read_snapshot(home, AS_OF))


def test_online_is_whole_and_knows_its_generation(home: Home) -> None:
    generation = materialize(home, silent)
    reader = OnlineReader(home)
    assert (reader.generation, reader.as_of) == (generation.name, AS_OF)
    ids = read_snapshot(home, AS_OF)["customer_id"].tolist()
    answer = reader.read([ids[3], "nobody", ids[0], ids[3]])
    assert answer.found == [True, False, True, True]
    assert answer.as_of == [AS_OF, None, AS_OF, AS_OF]
    assert all(values[0] == values[3] and values[1] is None for values in answer.columns.values())


def test_rows_out_are_rows_in_also_for_pairs_without_features(home: Home) -> None:
    known = read_snapshot(home, AS_OF)[["customer_id", "as_of"]].head(5)
    stranger = pd.DataFrame({"customer_id": ["nobody"], "as_of": known["as_of"].iloc[:1]})
    left = pd.concat([known, stranger], ignore_index=True)
    joined = join_features(home, left, "churn_v1")
    assert joined["customer_id"].tolist() == left["customer_id"].tolist()
    assert pd.isna(joined["tenure_days"].iloc[-1])


def anything(home: Home, seed: int, rows: int) -> pd.DataFrame:
    """Pairs at snapshots, between them, before the first and after the last; some of strangers."""
    rng = np.random.default_rng(seed)
    ids = [*read_snapshot(home, AS_OF)["customer_id"].tolist(), "nobody"]
    days = rng.integers(0, 200, rows)
    moments = pd.to_datetime([AS_OF + timedelta(days=20) - timedelta(days=int(d)) for d in days])
    left = pd.DataFrame({"customer_id": rng.choice(ids, rows), "as_of": moments, "label": rng.random(rows)})
    return left.drop_duplicates(["customer_id", "as_of"]).sample(frac=1.0, random_state=seed)


def by_feast_itself(home: Home, left: pd.DataFrame) -> pd.DataFrame:
    """Long names make our offline store hand over to Feast's."""
    store = open_store(home)
    keys = left[["customer_id", "as_of"]].rename(columns={"as_of": "event_timestamp"})
    service = store.get_feature_service("churn_v1")
    found = store.get_historical_features(
        keys, service, full_feature_names=True, filter_by_created_timestamp=True
    ).to_df()
    found.columns = [name.split("__")[-1] for name in found.columns]
    return left.merge(found.rename(columns={"event_timestamp": "as_of"}), on=["customer_id", "as_of"])


def test_one_join_of_all_views_gives_what_feast_gives_view_by_view(home: Home) -> None:
    left = anything(home, 1, 400)
    pd.testing.assert_frame_equal(join_features(home, left, "churn_v1"), by_feast_itself(home, left))


def test_a_row_that_was_known_late_is_not_joined_before(home: Home, tmp_path: Path) -> None:
    shutil.copytree(home.path, tmp_path / "home")
    late = Home(tmp_path / "home")
    learned = datetime(2025, 11, 11, tzinfo=UTC)
    moment = datetime(2025, 11, 1, tzinfo=UTC)
    path = snapshot_path(late, current_generation(late), moment)
    table = pq.read_table(path)
    column = pa.array([learned] * len(table), table.schema.field("created_at").type)
    pq.write_table(table.set_column(2, "created_at", column), path)
    customer = table["customer_id"][0].as_py()
    assert customer in set(read_snapshot(late, datetime(2025, 9, 1, tzinfo=UTC))["customer_id"])
    asked = [learned - timedelta(days=1), learned]
    left = pd.DataFrame({"customer_id": customer, "as_of": pd.to_datetime(asked)})
    before, after = join_features(late, left, "churn_v1")["tenure_days"]
    assert after - before == 61  # from the first of September to the first of November


def test_an_empty_home_says_what_to_run(tmp_path: Path) -> None:
    for read in (current_generation, OnlineReader):
        with pytest.raises(NotReadyError, match="cure: run `tenure features"):
            read(Home(tmp_path))


def test_feasts_own_command_line_sees_the_views(home: Home) -> None:
    feast = str(Path(sys.executable).with_name("feast"))
    environ = {**os.environ, "TENURE_HOME": str(home.path), "PYTHONPATH": str(ROOT)}
    command = [feast, "-c", str(ROOT / "features" / "repo"), "feature-views", "list"]
    out = subprocess.run(command, capture_output=True, text=True, env=environ, check=True).stdout
    for family in all_families(load_catalogue(home.catalogue)):
        assert family.name in out


def test_building_leaves_what_is_online_as_it_is(home: Home, settings: Settings) -> None:
    materialize(home, silent)
    before = home.online_db.read_bytes()
    build(home, AS_OF, 0, settings, silent)
    assert home.online_db.read_bytes() == before
    home.online_db.unlink()
    build(home, AS_OF, 4, settings, silent, every=2)
    with pytest.raises(NotReadyError, match="cure: run `tenure features materialize`"):
        OnlineReader(home)
