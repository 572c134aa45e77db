"""Generations: only what changed is computed, the flip is one rename, and nothing broken is served."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import load_catalogue
from features.errors import CorruptError, RefusedError
from features.families import all_families
from features.families.base import Family, Field
from features.gate import broken, removed, views_of
from features.history.load import import_folder
from features.home import Home, recover
from features.keys import SOURCES, declarations_hash, snapshot_key
from features.moments import snapshot_moments
from features.settings import Settings, read_settings
from features.simulate import simulate
from features.snapshots import (
    Build,
    build_snapshots,
    current_generation,
    generation_named,
    read_snapshot,
    snapshot_path,
)
from features.store import build, join_features, open_store
from serving.cli.main import main
from tests.features.conftest import day, write_bank
from training.datasets import mature_snapshots
from training.specs import CHURN

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
SETTINGS: Settings = replace(read_settings({}), threads=2, memory="1GB")


def silent(_: str) -> None:
    """Say nothing."""


def snapshots(home: Home, as_of: datetime = AS_OF, **options: Any) -> Build:
    return build_snapshots(home, as_of, 4, SETTINGS, silent, 2, **options)


def append(home: Home, folder: Path, **tables: list[dict[str, Any]]) -> None:
    options = {"append": True, "threads": 2, "memory": "1GB", "tell": silent}
    import_folder(write_bank(folder, **tables), home, None, accept_warnings=True, **options)


def a_booking(home: Home) -> dict[str, Any]:
    """A booking of a customer of the newest snapshot, in the month before it."""
    customers = set(read_snapshot(home, AS_OF)["customer_id"])
    rows = pq.read_table(home.history / "transactions.parquet").to_pylist()
    late = (r for r in rows if r["at"] >= day("2025-12-01") and r["known_until"] is None)
    return next(r for r in late if r["customer_id"] in customers and r["known_at"] < day("2025-12-10"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """250 customers over 14 months, with features at three snapshots. Do not write to it."""
    folder = tmp_path_factory.mktemp("generations")
    home = Home(folder / "home")
    simulate(folder / "raw", home.truth, customers=250, months=14, seed=3, end=AS_OF, tell=silent)
    options = {"append": False, "threads": 2, "memory": "1GB", "tell": silent}
    import_folder(folder / "raw", home, None, **options)
    build(home, AS_OF, 4, SETTINGS, silent, every=2)
    return home


@pytest.fixture
def home(built: Home, tmp_path: Path) -> Home:
    shutil.copytree(built.path, tmp_path / "home")
    return Home(tmp_path / "home")


def test_building_twice_writes_nothing(home: Home) -> None:
    before = {p: p.stat().st_mtime_ns for p in (home.offline, *home.offline.rglob("*"))}
    told: list[str] = []
    again = build(home, AS_OF, 4, replace(SETTINGS, threads=1), told.append, every=2)
    assert (again.generation.name, again.computed, again.linked) == ("2026-01-01.1", 0, 3)
    assert told == ["nothing changed: 2026-01-01.1 stays"]
    assert {p: p.stat().st_mtime_ns for p in (home.offline, *home.offline.rglob("*"))} == before


def test_the_command_says_what_it_computed_and_what_it_linked(home: Home) -> None:
    words = [
        "features",
        "build",
        "--as-of",
        "2026-01-01",
        "--every",
        "2",
        "--home",
        str(home.path),
        "--json",
    ]

    def run(*more: str) -> Result:
        return CliRunner().invoke(main, [*words, "--home", str(home.path), *more])

    assert json.loads(run("--months", "4").stdout) == {
        "generation": "2026-01-01.1",
        "snapshots": ["2025-09-01", "2025-11-01", "2026-01-01"],
        "computed": 0,
        "linked": 3,
    }
    found = json.loads(run("--months", "2").stdout)
    assert (found["generation"], found["computed"], found["linked"]) == ("2026-01-01.2", 0, 2)
    renamed = home.catalogue.read_text().replace("products.insurance", "products.cover")
    home.catalogue.write_text(renamed.replace('product = "insurance"', 'product = "cover"'))
    refused = run("--months", "0")
    assert (refused.exit_code, current_generation(home).name) == (4, "2026-01-01.2")
    assert run("--months", "0", "--engine", "abacus").exit_code == 2


def test_a_new_month_computes_one_snapshot(home: Home, tmp_path: Path) -> None:
    booking = a_booking(home)
    moment = day("2026-01-31")
    new = booking | {"transaction_id": "NEW", "at": moment, "known_at": moment}
    append(home, tmp_path / "january", transactions=[new])
    # One booking is all that the bank sent: `accept` says that this is meant.
    with pytest.raises(RefusedError, match="every customer has the same"):
        snapshots(home, day("2026-02-01"))
    done = snapshots(home, day("2026-02-01"), accept=True)
    assert (done.computed, done.linked) == (1, 2)
    assert [f"{s:%Y-%m-%d}" for s in done.generation.snapshots] == [
        "2025-11-01",
        "2026-01-01",
        "2026-02-01",
    ]
    old = generation_named(home, "2026-01-01.1")
    same = [snapshot_path(home, g, AS_OF) for g in (old, done.generation)]
    assert same[0].samefile(same[1])


def test_a_correction_makes_a_new_generation_and_leaves_the_old_training_set(
    home: Home, tmp_path: Path
) -> None:
    old, booking = current_generation(home), a_booking(home)
    frame = read_snapshot(home, AS_OF)
    left = frame[["customer_id", "as_of"]].assign(label=1.0)
    learned, stored = join_features(home, left, "churn_v1"), contents(home.offline / old.name)
    correction = booking | {"amount": booking["amount"] - 77_00, "known_at": day("2025-12-15")}
    append(home, tmp_path / "correction", transactions=[correction])
    done = build(home, AS_OF, 4, SETTINGS, silent, every=2)
    assert (done.generation.name, done.computed, done.linked) == ("2026-01-01.2", 1, 2)
    corrected = read_snapshot(home, AS_OF)
    differs = ~(frame.eq(corrected).fillna(False) | (frame.isna() & corrected.isna())).all(axis=1)
    assert booking["customer_id"] in frame["customer_id"][differs].tolist()
    assert contents(home.offline / old.name) == stored
    again = join_features(home, left, "churn_v1", old)
    pd.testing.assert_frame_equal(again, learned, check_exact=True)
    assert not join_features(home, left, "churn_v1").equals(learned)
    pd.testing.assert_frame_equal(read_snapshot(home, AS_OF, old), frame, check_exact=True)


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.features.test_generations import AS_OF, SETTINGS, build_snapshots
from features.home import Home

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def tell(line):
    if sys.argv[2] in line:
        die()

register = die if sys.argv[2] == "register" else None
build_snapshots(Home(Path(sys.argv[1])), AS_OF, 1, SETTINGS, tell, register=register)
"""


@pytest.mark.parametrize("moment", ["1 of 1", "register"])
def test_a_kill_leaves_the_last_generation_and_the_next_build_cleans_up(home: Home, moment: str) -> None:
    before = contents(home.offline)
    command = [sys.executable, "-c", _KILLED, str(home.path), moment]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, cwd=ROOT, env=environ).returncode == -signal.SIGKILL
    recover(home)
    assert len(list(home.offline.glob(".*.part"))) == 1
    assert current_generation(home).name == "2026-01-01.1"
    assert len(read_snapshot(home, AS_OF))
    done = build_snapshots(home, AS_OF, 1, SETTINGS, silent)
    assert (done.generation.name, done.computed, done.linked) == ("2026-01-01.2", 1, 1)
    assert list(home.offline.glob(".*")) == []
    assert contents(home.offline).items() >= (before.items() - {("current.json", before["current.json"])})


def test_a_history_that_lacks_a_column_is_not_built_on(home: Home) -> None:
    path, before = home.history / "interactions.parquet", contents(home.offline)
    table = pq.read_table(path)
    pq.write_table(table.drop_columns("rating"), path)
    with pytest.raises(CorruptError, match="missing or of another type: rating; cure: import again"):
        snapshots(home)
    pq.write_table(table.set_column(0, "interaction_id", table["at"]), path)
    with pytest.raises(CorruptError, match=r"interaction_id \(timestamp"):
        snapshots(home)
    assert contents(home.offline) == before


def test_a_snapshot_that_lost_half_its_customers_is_not_served(home: Home, tmp_path: Path) -> None:
    holdings = pq.read_table(home.history / "holdings.parquet").to_pylist()
    closed = {"closed_at": day("2025-12-19"), "close_reason": "customer", "known_at": day("2025-12-20")}
    most = [
        h | closed
        for h in holdings
        if h["known_until"] is None and h["closed_at"] is None and h["opened_at"] < day("2025-12-01")
    ]
    append(home, tmp_path / "closing", holdings=most)
    with pytest.raises(RefusedError, match=r"customers fell from .* build with --accept"):
        snapshots(home)
    assert current_generation(home).name == "2026-01-01.1"
    assert list(home.offline.glob(".*")) == []
    assert snapshots(home, accept=True).generation == current_generation(home)
    assert current_generation(home).name == "2026-01-01.2"


def test_a_product_that_leaves_the_catalogue_is_not_dropped_in_silence(home: Home) -> None:
    text = home.catalogue.read_text()
    for begins, follows in (
        ("[products.insurance]", "# What the bank may"),
        ("[offers.insurance]", "[offers.fee"),
    ):
        start, end = text.index(begins), text.index(follows)
        text = text[:start] + text[end:]
    home.catalogue.write_text(text)
    with pytest.raises(RefusedError, match=r"'holdings' has lost .*holds_insurance.* --allow-removal"):
        snapshots(home)
    done = build_snapshots(home, AS_OF, 0, SETTINGS, silent, allow_removal=True)
    assert "holds_insurance" not in read_snapshot(home, AS_OF)
    assert (done.computed, done.linked) == (1, 0)


def test_a_registry_edited_by_hand_is_not_opened_and_is_built_anew(home: Home) -> None:
    left = read_snapshot(home, AS_OF)[["customer_id", "as_of"]]
    registry = home.offline / current_generation(home).name / "registry.db"
    registry.write_bytes(registry.read_bytes().replace(b"churn_v1", b"churn_v2"))
    for use in (lambda: open_store(home), lambda: join_features(home, left, "churn_v1")):
        with pytest.raises(CorruptError, match=r"registry.db: not the registry that was built"):
            use()
    done = build(home, AS_OF, 4, SETTINGS, silent, every=2)
    assert (done.generation.name, done.computed, done.linked) == ("2026-01-01.2", 0, 3)
    assert len(join_features(home, left, "churn_v1")) == len(left)


def test_feast_reads_and_notes_without_touching_the_registry(home: Home) -> None:
    folder = home.offline / current_generation(home).name
    before = (folder / "registry.db").read_bytes()
    store = open_store(home)
    store.refresh_registry()
    views = store.list_feature_views()
    store.apply([*store.list_entities(), *views])
    store.refresh_registry()
    assert {v.batch_source.path for v in views} == {str(folder / "*.parquet")}
    assert (folder / "registry.db").read_bytes() == before


moments = st.datetimes(datetime(2001, 1, 1), datetime(2050, 1, 1)).map(
    lambda d: datetime(d.year, d.month, d.day, tzinfo=UTC)
)


@given(moments, st.integers(0, 40), st.integers(1, 12), st.integers(1, 12))
def test_a_later_as_of_shares_the_older_snapshots(as_of: datetime, back: int, every: int, on: int) -> None:
    found = snapshot_moments(as_of, back, every)
    assert found == sorted(set(found))
    assert found[-1] == as_of
    assert all((m.year * 12 + m.month - 1) % every == 0 for m in found[:-1])
    assert len(found) - 1 in (back // every, back // every + 1)
    first_of_month = as_of.replace(day=1)
    number = as_of.year * 12 + as_of.month - 1 + on
    later = datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
    known = [m for m in snapshot_moments(first_of_month, back, every) if m < first_of_month]
    assert set(snapshot_moments(later, back + on, every)) >= set(known)


def test_the_grid_of_a_whole_quarter_is_every_third_month() -> None:
    found = [f"{m:%m-%d}" for m in snapshot_moments(AS_OF, 9, every=3)]
    assert found == ["04-01", "07-01", "10-01", "01-01"]


def test_a_shorter_last_step_leaves_what_is_learned_from_as_it_is(home: Home) -> None:
    spec = replace(CHURN, gap_days=0, horizon_days=90)
    on_grid = replace(
        current_generation(home), as_of=AS_OF, snapshots=tuple(snapshot_moments(AS_OF, 24, 3))
    )
    later = day("2026-02-01")
    irregular = replace(on_grid, as_of=later, snapshots=tuple(snapshot_moments(later, 25, 3)))
    assert mature_snapshots(irregular, spec) == mature_snapshots(on_grid, spec)


def test_a_key_is_changed_by_what_the_snapshot_may_see_and_by_nothing_else() -> None:
    def key(*sources: dict[str, Any], declared: str = "d", catalogue: str = "c") -> str:
        return snapshot_key(AS_OF, declared, catalogue, {"sources": list(sources), "catalogue": "c"})

    first = {"id": "1", "earliest_known_at": "2020-01-01T00:00:00+00:00"}
    later = {"id": "2", "earliest_known_at": "2026-01-01T00:00:00.000001+00:00"}
    at_once = {"id": "2", "earliest_known_at": "2026-01-01T00:00:00+00:00"}
    nothing = {"id": "2", "earliest_known_at": None}
    base = key(first)
    assert key(first, later) == key(first, nothing) == base
    others = [
        key(first, at_once),
        key(first, {"id": "4"}),
        key(first, {"files": {}}),
        key(first | {"id": "3"}),
    ]
    others += [key(first, declared="e"), key(first, catalogue="e")]
    assert len({base, *others}) == 1 + len(others)


def test_a_changed_declaration_changes_the_hash(home: Home) -> None:
    families = all_families(load_catalogue(home.catalogue))
    [n] = [n for n, family in enumerate(families) if family.name == "activity"]
    longer = replace(families[n].windows[0], days=8, months=0)
    changed = replace(families[n], windows=(longer, *families[n].windows[1:]))
    hashes = [declarations_hash(families), declarations_hash((*families[:n], changed, *families[n + 1 :]))]
    assert hashes[0] == declarations_hash(families) != hashes[1]


def test_whatever_computes_a_value_counts_in_the_key() -> None:
    root = Path(str(files("features")))
    counted = {*SOURCES, *(f"families/{p.name}" for p in (root / "families").glob("*.py"))}
    # The catalogue, with its offers and their conditions, counts by its version; errors and the home
    # decide no value.
    apart = {
        f"features.{name}"
        for name in (
            *("catalogue", "selling.offers", "selling.stated", "selling.expressions"),
            *("errors", "home"),
        )
    }
    for name in counted - {"history/derive.py"}:
        for node in ast.walk(ast.parse((root / name).read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("features."):
                module = str(node.module)
                path = module.removeprefix("features.").replace(".", "/")
                assert (
                    {f"{path}.py", f"{path}/__init__.py"} & counted
                    or module in apart
                    or (module == "features.families")
                ), f"{name} imports {module}"


def _field(name: str, dtype: Any = "int64", null: Any = "zero") -> Field:
    return Field(name, dtype, "count", "", "", null=null)


FIELDS = (
    _field("n"),
    _field("since", null="null"),
    _field("x", "float64", "null"),
    _field("word", "string", "null"),
)


def _frame(rows: int) -> pd.DataFrame:
    n = pd.Series(range(rows))
    return pd.DataFrame({"n": n % 7, "since": n % 5, "x": n / 3, "word": n.astype(str)})


@pytest.mark.parametrize(
    ("rows", "change", "message"),
    [
        (100, lambda f: f, None),
        (100, lambda f: f.head(51), None),
        (100, lambda f: f.head(50), "customers fell from 100 to 50"),
        (100, lambda f: f.assign(n=0, x=0.5), "every customer has the same n, x"),
        (100, lambda f: f.assign(since=None, word=None), "no value is left in since, word"),
        (100, lambda f: f.drop(columns="n"), None),  # what is declared is checked elsewhere
        (15, lambda f: f.head(1).assign(since=None), None),
    ],
)
def test_the_gate_sees_what_a_broken_feed_leaves(
    tmp_path: Path, rows: int, change: Any, message: str | None
) -> None:
    before = _frame(rows)
    before.to_parquet(tmp_path / "before.parquet")
    change(before).astype({"since": "float64"}).to_parquet(tmp_path / "new.parquet")
    found = broken(tmp_path / "new.parquet", tmp_path / "before.parquet", FIELDS, SETTINGS)
    assert found == ([message] if message else [])


def test_the_gate_lets_rare_events_pass_out_of_their_window(tmp_path: Path) -> None:
    before = _frame(4_000)
    rare = before.index < 30  # below one in a hundred
    before.assign(n=rare.astype(int), since=before.since.where(rare)).to_parquet(
        tmp_path / "before.parquet"
    )
    before.assign(n=0, since=None).astype({"since": "float64"}).to_parquet(tmp_path / "new.parquet")
    assert broken(tmp_path / "new.parquet", tmp_path / "before.parquet", FIELDS, SETTINGS) == []


def test_the_gate_lets_numbers_come_to_rest_that_only_decisions_look_at(tmp_path: Path) -> None:
    _frame(100).to_parquet(tmp_path / "before.parquet")
    _frame(100).assign(n=0).to_parquet(tmp_path / "new.parquet")
    new, before = tmp_path / "new.parquet", tmp_path / "before.parquet"
    decided = (replace(FIELDS[0], use="decision"), *FIELDS[1:])
    assert broken(new, before, decided, SETTINGS) == []
    assert broken(new, before, FIELDS, SETTINGS) == ["every customer has the same n"]


def test_what_was_declared_and_is_gone_is_named() -> None:
    one, two = Family("one", "", expressed=FIELDS[:2]), Family("two", "", expressed=FIELDS[2:])
    before = views_of((one, two))
    assert removed(before, views_of((one, two, Family("three", "")))) == []
    other = Family("one", "", expressed=(_field("n", "float64"), _field("new")))
    assert removed(before, views_of((other,))) == [
        "view 'two' is gone",
        "'one' has lost since",
        "'one' has other types: n (int64 to float64)",
    ]


@given(st.integers(0, 400))
def test_what_is_known_a_day_later_never_touches_a_snapshot(days: int) -> None:
    known = AS_OF - timedelta(days=200) + timedelta(days=days)
    source = {"id": "1", "earliest_known_at": known.isoformat()}
    keys = [snapshot_key(AS_OF, "d", "c", {"sources": s, "catalogue": "c"}) for s in ([], [source])]
    assert (keys[0] == keys[1]) == (known > AS_OF)
