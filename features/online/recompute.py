"""Features of a few customers as if the pending events had been imported, by the same declarations."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend

from features.catalogue import load_catalogue
from features.compute import feature_table, spine_of
from features.engines.base import write_snapshot
from features.families import all_families
from features.history.contract import BY_NAME, Table
from features.history.cut import cut_history
from features.history.derive import sorted_select
from features.history.engine import name_list
from features.history.read import connect
from features.history.tables import arrow_schema
from features.home import Home
from features.online.events import Event
from features.settings import Settings

__all__ = ["PUSHED", "add_events", "features_at", "history_around", "known_events"]

PUSHED = ("interactions", "transactions")
"""The history tables whose rows may be pushed."""


def history_around(
    home: Home, customer_ids: Sequence[str], settings: Settings
) -> tuple[Backend, list[str]]:
    """History of some customers, and of those without whom their features would be others.

    That is everybody who shares a household or a holding with them, with bookings and contacts, and
    everybody who shares a manager, without: those are only counted.

    Returns
    -------
    tuple
        A connection of its own, and the customers whose bookings and contacts are in it.
    """
    backend = connect(home, settings.threads, settings.memory)
    backend.con.register("asked", pa.table({"customer_id": list(customer_ids)}))
    near = (_sharing("customers", "household_id", "asked"), _sharing("holdings", "holding_id", "asked"))
    far = _sharing("customers", "manager_id", "circle")
    backend.raw_sql(f"CREATE TABLE circle AS SELECT customer_id FROM asked UNION {near[0]} UNION {near[1]}")
    backend.raw_sql(f"CREATE TABLE crowd AS SELECT customer_id FROM circle UNION {far}")
    for names, people in ((("customers", "holdings"), "crowd"), (PUSHED, "circle")):
        for name in names:
            backend.raw_sql(
                f"CREATE TABLE all_{name} AS SELECT * FROM {name} SEMI JOIN {people} USING (customer_id)"
            )
    backend.raw_sql("CREATE VIEW all_rates AS SELECT * FROM rates")
    return backend, [who for (who,) in backend.con.execute("SELECT * FROM circle ORDER BY 1").fetchall()]


def _sharing(table: str, column: str, people: str) -> str:
    """SQL for everybody who ever had a value of a column in common with some people."""
    values = f"SELECT {column} FROM {table} SEMI JOIN {people} USING (customer_id)"
    return f"SELECT customer_id FROM {table} WHERE {column} IN ({values})"


def known_events(backend: Backend, events: Sequence[tuple[int, Event]]) -> list[tuple[int, datetime]]:
    """Of some events those that history holds under their id: number, and when it came to know them."""
    found: list[tuple[int, datetime]] = []
    for name in PUSHED:
        numbers = {event.id: number for number, event in events if event.source == name}
        key = BY_NAME[name].id[0]
        backend.con.register("sought", pa.table({key: pa.array(list(numbers), pa.string())}))
        query = (
            f'SELECT {key}, min(greatest("at", known_at)) FROM all_{name} SEMI JOIN sought USING ({key}) '
            "GROUP BY 1"
        )
        found += [(numbers[id_], moment) for id_, moment in backend.con.execute(query).fetchall()]
    return found


def add_events(backend: Backend, events: Sequence[Event], currency: str) -> None:
    """Join events to the history, and derive order, versions and amounts as an import would.

    An event whose id history holds adds nothing. `backend` is from `history_around`; afterwards its
    relations are the history to cut.
    """
    for name in ("customers", "holdings"):
        backend.raw_sql(f"DROP VIEW {name}; ALTER TABLE all_{name} RENAME TO {name}")
    for name in PUSHED:
        table = BY_NAME[name]
        columns = name_list([column.name for column in table.columns])
        key, ids = table.id[0], name_list(table.id)
        backend.con.register("pushed", as_rows(table, [e.row for e in events if e.source == name]))
        backend.raw_sql(
            f"ALTER TABLE all_{name} RENAME TO stored_{name};"
            f"CREATE TABLE all_{name} AS SELECT {columns} FROM stored_{name} UNION ALL "
            f"SELECT {columns} FROM pushed ANTI JOIN stored_{name} USING ({key});"
            f"CREATE TABLE repeated_{name} AS SELECT {ids} FROM all_{name} GROUP BY ALL HAVING count(*) > 1"
        )
        select = sorted_select(backend.con, table, currency)
        backend.raw_sql(f"DROP VIEW {name}; CREATE TABLE {name} AS {select}")


def as_rows(table: Table, rows: Sequence[dict[str, object]]) -> pa.Table:
    """Rows of a history table as Arrow; timestamps may be ISO text."""
    times = [column.name for column in table.columns if column.type == "timestamp"]
    moments = [
        {**row, **{t: datetime.fromisoformat(v) for t in times if isinstance(v := row.get(t), str)}}
        for row in rows
    ]
    return pa.Table.from_pylist(moments, schema=arrow_schema(table))


def features_at(
    home: Home, backend: Backend, as_of: datetime, customer_ids: Sequence[str]
) -> list[pa.RecordBatch]:
    """Every feature of some customers at a moment, in the columns of a snapshot.

    Customers who hold nothing open at that moment are left out.
    """
    families = all_families(load_catalogue(home.catalogue))
    cut = cut_history(backend, as_of)
    table = feature_table(cut, spine_of(cut), families)
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "features.parquet"
        # Cut to those asked for last: a household's sums run over the whole spine.
        asked = table.filter(table.customer_id.isin(list(customer_ids)))
        write_snapshot(backend, backend.compile(asked), families, as_of, path)
        batches: list[pa.RecordBatch] = pq.read_table(path).combine_chunks().to_batches()
    return batches
