"""Feast's own calls on our online store: materialize, write, push, read, apply."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, RepoConfig
from feast.types import Bool, Float64, Int64, String
from feast.value_type import ValueType

from features.errors import InputError, RefusedError
from features.home import Home
from features.online import OnlineReader
from features.online.feast_store import stored_view
from features.online.sqlite import SqliteStorage
from features.online.storage import FUTURE, OLDER
from tests.features.online_rows import AS_OF, VIEWS, batch, publish

# Feast itself reads a nullable integer by way of a float: beyond 2^53 it is not exact.
ROWS = {
    "C1": (2**53, -0.0, "née 🙂", 0),
    "C2": (None, 0.25, "", None),
    "C3": (0, None, None, -(2**53)),
}
TYPES = {"int64": Int64, "float64": Float64, "string": String}
DAY = timedelta(days=1)
REFERENCES = ["money:balance", "money:share", "words:region", "words:visits"]


def objects(folder: Path) -> list[Any]:
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
    source = FileSource(
        name="rows",
        path=str(folder / "rows.parquet"),
        timestamp_field="as_of",
        created_timestamp_column="created_at",
    )
    pushed = PushSource(name="pushed", batch_source=source)
    views = [
        FeatureView(
            name=view.name,
            entities=[customer],
            schema=[Field(name=name, dtype=TYPES[dtype]) for name, dtype in view.fields],
            source=pushed if view.name == "money" else source,
            ttl=timedelta(days=view.ttl_days),
        )
        for view in VIEWS
    ]
    return [customer, source, pushed, *views]


def open_feast(folder: Path, *, allow_delete: bool = False) -> FeatureStore:
    online = {
        "type": "features.online.feast_store.TenureOnlineStore",
        "path": str(folder / "online.db"),
        "allow_delete": allow_delete,
    }
    config = RepoConfig(
        project="tenure",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store={"type": "duckdb"},
        online_store=online,
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    return FeatureStore(config=config)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    pq.write_table(pa.Table.from_batches([batch(ROWS)]), tmp_path / "rows.parquet")
    return Home(tmp_path)


@pytest.fixture
def store(home: Home) -> FeatureStore:
    feast = open_feast(home.path)
    feast.apply(objects(home.path))
    return feast


def asked(store: FeatureStore, *customer_ids: str) -> dict[str, list[Any]]:
    rows = [{"customer_id": who} for who in customer_ids]
    found: dict[str, list[Any]] = store.get_online_features(REFERENCES, rows).to_dict()
    return {name: found[name] for name in ("balance", "share", "region", "visits")}


def frame(customer_id: str, balance: int, event: Any, created: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": [customer_id],
            "balance": pd.array([balance], "Int64"),
            "share": [0.5],
            "as_of": [event],
            "created_at": [created],
        }
    )


def counters(home: Home) -> dict[str, int]:
    with closing(SqliteStorage(home.online_db)) as storage:
        return storage.counters()


def content(home: Home) -> str:
    with closing(SqliteStorage(home.online_db)) as storage:
        return storage.content_hash()


def test_feasts_materialize_reads_back_as_the_bulk_path(home: Home, store: FeatureStore) -> None:
    store.materialize(AS_OF - DAY, AS_OF + DAY)
    by_feast = content(home), asked(store, "C1", "C2", "C3", "nobody")
    rows = OnlineReader(home).read(["C1", "C2", "C3", "nobody"])
    assert rows.columns == by_feast[1]
    assert rows.found == [True, True, True, False]
    home.online_db.unlink()
    with closing(SqliteStorage(home.online_db)) as storage:
        publish(storage, "bulk", ROWS)
    assert (content(home), asked(store, "C1", "C2", "C3", "nobody")) == by_feast
    store.materialize(AS_OF - DAY, AS_OF + DAY)  # the same rows again: no effect
    assert content(home) == by_feast[0]
    assert OnlineReader(home).generation == "bulk"


def test_feasts_push_and_write_obey_the_guard(home: Home, store: FeatureStore) -> None:
    with closing(SqliteStorage(home.online_db)) as storage:
        publish(storage, "bulk", ROWS)
    store.push("pushed", frame("C1", 10, AS_OF + DAY, AS_OF + DAY))
    store.write_to_online_store("money", frame("C1", 11, AS_OF - DAY, AS_OF))
    assert asked(store, "C1")["balance"] == [10]
    store.materialize(AS_OF - DAY, AS_OF + DAY)  # an older batch over a newer push
    assert asked(store, "C1", "C2")["balance"] == [10, None]
    assert counters(home) == {OLDER: 2}
    store.write_to_online_store("money", frame("C3", 12, AS_OF + 90 * DAY, AS_OF + DAY))
    assert asked(store, "C3")["balance"] == [0]  # taken after it was created: from the future
    assert counters(home) == {OLDER: 2, FUTURE: 1}
    with closing(SqliteStorage(home.online_db)) as storage:
        publish(storage, "next", ROWS, AS_OF + DAY / 2)
    assert asked(store, "C1")["balance"] == [10]


def test_apply_never_drops_rows_of_a_view_unless_that_is_allowed(home: Home, store: FeatureStore) -> None:
    store.materialize(AS_OF - DAY, AS_OF + DAY)
    before = content(home)
    gone = store.get_feature_view("words")
    with pytest.raises(RefusedError, match="words are online and would be lost"):
        store.apply([], objects_to_delete=[gone], partial=False)
    with pytest.raises(RefusedError, match="would be lost"):
        store.teardown()
    assert content(home) == before
    willing = open_feast(home.path, allow_delete=True)
    willing.apply([], objects_to_delete=[gone], partial=False)
    rows = OnlineReader(home).read(["C1"])
    assert (rows.columns["balance"], rows.missing) == ([2**53], [("words",)])


def test_applying_makes_no_store_and_reading_one_is_honest(home: Home, store: FeatureStore) -> None:
    assert not home.online_db.exists()
    store.write_to_online_store("money", frame("C1", 1, AS_OF, AS_OF))
    assert asked(store, "C1", "C2") == {
        "balance": [1, None],
        "share": [0.5, None],
        "region": [None, None],
        "visits": [None, None],
    }


def test_a_type_that_is_not_stored_is_refused() -> None:
    source = FileSource(name="s", path="s", timestamp_field="as_of")
    view = FeatureView(name="flags", schema=[Field(name="flag", dtype=Bool)], source=source, entities=[])
    with pytest.raises(InputError, match="field 'flag'"):
        stored_view(view)
