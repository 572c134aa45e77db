"""Features of a few customers as if the pending events had been imported, by the same declarations."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import duckdb
import pyarrow as pa

from features.history.contract import BY_NAME, Table
from features.history.derive import sorted_select
from features.history.engine import name_list
from features.history.read import connect
from features.history.tables import arrow_schema
from features.home import Home
from features.online.events import Event
from features.online.query import ASKED, feature_query
from features.settings import Settings
from features.vocabulary import Catalogue

__all__ = ["PUSHED", "Around", "Recomputer", "as_rows"]

PUSHED = ("interactions", "transactions")
"""The history tables whose rows may be pushed."""

_KEPT = ("customers", "holdings")
"""The history tables that events leave as they are."""


class Recomputer:
    """One bank's history, and room to compute features in; used by one thread.

    The first computation of a process compiles the query, which takes seconds; the others do not.

    Attributes
    ----------
    connection
        To DuckDB; the tables of the history are views by their names.

    Raises
    ------
    NotReadyError
        If nothing was imported yet.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        self.connection: duckdb.DuckDBPyConnection = connect(home, settings.threads, settings.memory).con
        self.connection.execute(
            f"ATTACH ':memory:' AS ready; CREATE TABLE ready.{ASKED} (customer_id VARCHAR)"
        )
        for name in (*_KEPT, *PUSHED):
            self.connection.execute(f"CREATE TABLE ready.{name} AS SELECT * FROM {name} LIMIT 0")

    def close(self) -> None:
        """Let go of the history."""
        self.connection.close()

    @contextmanager
    def around(self, customer_ids: Sequence[str]) -> Iterator["Around"]:
        """History of some customers, and of those without whom their features would be others."""
        self.connection.execute("ATTACH ':memory:' AS work; SET search_path = 'work.main,memory.main'")
        try:
            yield Around(self, self.connection, customer_ids)
        finally:
            self.connection.execute("SET search_path = 'memory.main'; DETACH work")

    def features_at(
        self, catalogue: Catalogue, as_of: datetime, customer_ids: Sequence[str]
    ) -> list[pa.RecordBatch]:
        """Every feature of some customers at a moment, in the columns of a snapshot.

        Customers who hold nothing open at that moment are left out. The history is what `Around.add`
        has laid ready.
        """
        run, query = self.connection.execute, feature_query(catalogue)
        self.connection.register("asked_now", pa.table({"customer_id": list(customer_ids)}))
        run(f"DELETE FROM ready.{ASKED}; INSERT INTO ready.{ASKED} SELECT * FROM asked_now")
        run("SET search_path = 'ready.main'")
        found = run(query.at(as_of)).fetch_arrow_table()
        # Without it what was deleted would stay in memory.
        self.connection.execute("CHECKPOINT ready")
        batches: list[pa.RecordBatch] = found.combine_chunks().to_batches()
        return batches


class Around:
    """What some customers' features stand on, until it is left.

    That is everybody who shares a household or a holding with them, with bookings and contacts, and
    everybody who shares a manager, without: those are only counted.

    Attributes
    ----------
    con
        `all_customers`, `all_holdings`, `all_interactions`, `all_transactions` and `all_rates`.
    circle
        The customers whose bookings and contacts are in it, rising.
    """

    def __init__(
        self, recomputer: Recomputer, con: duckdb.DuckDBPyConnection, customer_ids: Sequence[str]
    ) -> None:
        self._recomputer, self.con = recomputer, con
        con.register("asked_for", pa.table({"customer_id": list(customer_ids)}))
        near = (
            _sharing("customers", "household_id", "asked_for"),
            _sharing("holdings", "holding_id", "asked_for"),
        )
        far = _sharing("customers", "manager_id", "circle")
        con.execute(
            f"CREATE TABLE circle AS SELECT customer_id FROM asked_for UNION {near[0]} UNION {near[1]};"
            f"CREATE TABLE crowd AS SELECT customer_id FROM circle UNION {far}"
        )
        for names, people in ((_KEPT, "crowd"), (PUSHED, "circle")):
            for name in names:
                con.execute(
                    f"CREATE TABLE all_{name} AS SELECT * FROM {name} "
                    f"SEMI JOIN {people} USING (customer_id)"
                )
        con.execute("CREATE VIEW all_rates AS SELECT * FROM rates")
        self.circle = [who for (who,) in con.execute("SELECT * FROM circle ORDER BY 1").fetchall()]

    def known(self, events: Sequence[tuple[int, Event]]) -> list[tuple[int, datetime]]:
        """Of some events those that history holds under their id: number, and when it came to know them."""
        found: list[tuple[int, datetime]] = []
        for name in PUSHED:
            numbers = {event.id: number for number, event in events if event.source == name}
            if not numbers:
                continue
            key = BY_NAME[name].id[0]
            self.con.register("sought", pa.table({key: pa.array(list(numbers), pa.string())}))
            rows = self.con.execute(
                f'SELECT {key}, min(greatest("at", known_at)) FROM all_{name} '
                f"SEMI JOIN sought USING ({key}) GROUP BY 1"
            )
            found += [(numbers[id_], moment) for id_, moment in rows.fetchall()]
        return found

    def otherwise(self, events: Sequence[Event]) -> set[str]:
        """Ids, of those that history holds, of which it says something else in every version.

        When the bank came to know of it does not count.
        """
        found: set[str] = set()
        for name in PUSHED:
            table, rows = BY_NAME[name], [event.row for event in events if event.source == name]
            if not rows:
                continue
            key, said = table.id[0], [c.name for c in table.columns if c.name != "known_at"]
            same = " AND ".join(f'e."{column}" IS NOT DISTINCT FROM h."{column}"' for column in said)
            self.con.register("sought", as_rows(table, rows))
            found |= {
                id_
                for (id_,) in self.con.execute(
                    f"SELECT {key} FROM sought e SEMI JOIN all_{name} USING ({key}) "
                    f"WHERE NOT EXISTS (SELECT 1 FROM all_{name} h WHERE {same})"
                ).fetchall()
            }
        return found

    def add(self, events: Sequence[Event], currency: str) -> None:
        """Join events to the history, and derive order, versions and amounts as an import would.

        An event whose id history holds adds nothing. Afterwards the history is ready to be computed on.
        """
        for name in (*_KEPT, *PUSHED):
            rows = [event.row for event in events if event.source == name]
            # What nothing is added to is as the import has derived it.
            select = self._joined(BY_NAME[name], rows, currency) if rows else f"SELECT * FROM all_{name}"
            self.con.execute(f"DELETE FROM ready.{name}; INSERT INTO ready.{name} BY NAME {select}")

    def _joined(self, table: Table, rows: Sequence[dict[str, object]], currency: str) -> str:
        name, key, ids = table.name, table.id[0], name_list(table.id)
        columns = name_list([column.name for column in table.columns])
        self.con.register("pushed", as_rows(table, rows))
        self.con.execute(
            f"ALTER TABLE all_{name} RENAME TO stored_{name};"
            f"CREATE TABLE all_{name} AS SELECT {columns} FROM stored_{name} UNION ALL "
            f"SELECT {columns} FROM pushed ANTI JOIN stored_{name} USING ({key});"
            f"CREATE TABLE repeated_{name} AS SELECT {ids} FROM all_{name} GROUP BY ALL HAVING count(*) > 1"
        )
        return sorted_select(self.con, table, currency)

    def features_at(
        self, catalogue: Catalogue, as_of: datetime, customer_ids: Sequence[str]
    ) -> list[pa.RecordBatch]:
        """See `Recomputer.features_at`; after `add`."""
        return self._recomputer.features_at(catalogue, as_of, customer_ids)


def _sharing(table: str, column: str, people: str) -> str:
    """SQL for everybody who ever had a value of a column in common with some people."""
    values = f"SELECT {column} FROM {table} SEMI JOIN {people} USING (customer_id)"
    return f"SELECT customer_id FROM {table} WHERE {column} IN ({values})"


def as_rows(table: Table, rows: Sequence[dict[str, object]]) -> pa.Table:
    """Rows of a history table as Arrow; timestamps may be ISO text."""
    times = [column.name for column in table.columns if column.type == "timestamp"]
    moments = [
        {**row, **{t: datetime.fromisoformat(v) for t in times if isinstance(v := row.get(t), str)}}
        for row in rows
    ]
    return pa.Table.from_pylist(moments, schema=arrow_schema(table))
