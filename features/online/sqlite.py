"""The embedded online storage: one SQLite file, a table a generation, a row a customer, a blob a view.

A generation is written in pieces beside the one that `pointer` names, and becomes the current one
in a single transaction: a reader, or a kill at any moment, finds all of the old or all of the new.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from features.database.wal import write_ahead
from features.errors import CorruptError
from features.online.packed import View, stamp_of
from features.online.sqlite_rows import (
    APPLICATION,
    IDS_A_QUERY,
    TABLES,
    carry_over,
    delete_rows,
    is_ours,
    marks,
    put_rows,
    quoted,
    table_of,
)
from features.online.storage import Online, Packed, framed, from_us, pack_views, to_us

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BY_FEAST", "SqliteStorage"]

BY_FEAST = "feast"
"""Name of a generation that was not materialised from a snapshot but written through Feast."""


class SqliteStorage:
    """Writes online rows to one file; see `Storage`. The file is made where there is none.

    Raises
    ------
    CorruptError
        If the file is not an online storage of this edition.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # A log that a lost file left behind would be replayed into the new one.
            for ending in ("-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)
        # Statements are transactions of their own unless BEGIN says otherwise.
        self._connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self.close()
            raise error if isinstance(error, sqlite3.OperationalError) else self._foreign() from error

    def _prepare(self) -> None:
        run = self._connection.execute
        [(tables,)] = run("SELECT count(*) FROM sqlite_master").fetchall()
        if tables and not is_ours(self._connection):
            raise self._foreign()
        if not tables:
            run("PRAGMA page_size = 16384")
            run(f"PRAGMA application_id = {APPLICATION}")
        write_ahead(self._connection)
        # A row that is removed is overwritten with zeros: no trace of a customer stays in free pages.
        run("PRAGMA secure_delete = ON")
        run("PRAGMA synchronous = NORMAL")
        self._connection.executescript(TABLES)

    def _foreign(self) -> CorruptError:
        return CorruptError(
            f"{self._path}: not an online store of this edition; cure: run `tenure features materialize`"
        )

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def current(self) -> Online | None:
        """The generation that is read, or None."""
        row = self._connection.execute(
            "SELECT facts FROM pointer JOIN generation USING (number)"
        ).fetchone()
        return Online.from_json(row[0]) if row else None

    def begin(self, name: str, as_of: datetime, views: Sequence[View]) -> Online:
        """A new generation, empty and not yet read; what a killed writer left behind goes."""
        self._sweep()
        with self._transaction() as connection:
            cursor = connection.execute("INSERT INTO generation (facts) VALUES ('')")
            online = Online(int(cursor.lastrowid or 0), name, as_of, tuple(views))
            self._describe(online)
            columns = ", ".join(f"{quoted(view.name)} BLOB" for view in views)
            connection.execute(
                f"CREATE TABLE {table_of(online)} (customer_id TEXT NOT NULL UNIQUE, {columns})"
            )
        return online

    def _describe(self, online: Online) -> None:
        facts = (online.to_json(), online.number)
        self._connection.execute("UPDATE generation SET facts = ? WHERE number = ?", facts)
        self._connection.execute("UPDATE pointer SET revision = revision + 1")

    def load(self, online: Online, batch: "pa.RecordBatch") -> None:
        """Add new customers with all their views; columns customer_id, as_of, created_at, fields."""
        ids, rows = pack_views(online.views, batch)
        insert = f"INSERT INTO {table_of(online)} VALUES ({marks(1 + len(rows))})"
        try:
            with self._transaction() as connection:
                connection.executemany(insert, zip(ids, *rows, strict=True))
        except sqlite3.IntegrityError as error:
            raise CorruptError("snapshot: a customer is in it twice; cure: build the features") from error

    def count(self, online: Online) -> int:
        """Customers of a generation."""
        [(rows,)] = self._connection.execute(f"SELECT count(*) FROM {table_of(online)}").fetchall()
        return int(rows)

    def put(
        self,
        online: Online,
        rows: Mapping[str, Sequence[Packed]],
        latest: datetime | None = None,
        *,
        carried: bool = False,
    ) -> int:
        """Write some rows by view under the guard, whole; returns how many were written."""
        bound = to_us(latest) if latest else None
        with self._transaction() as connection:
            return put_rows(connection, online, rows, bound, carried=carried)

    def flip(self, online: Online) -> None:
        """Make a generation the current one, durably, and drop the one before it."""
        self._connection.execute("PRAGMA synchronous = FULL")
        with self._transaction() as connection:
            before = self.current()
            if before is not None and before.number != online.number:
                carry_over(connection, before, online)
            connection.execute(
                "INSERT INTO pointer VALUES (1, ?, 1) ON CONFLICT (one) DO UPDATE "
                "SET number = excluded.number, revision = revision + 1",
                (online.number,),
            )
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def with_view(self, view: View, as_of: datetime) -> Online:
        """The current generation with room for a view as it is declared now.

        Where nothing is online yet a generation is made; what was stored of another schema of the
        view counts as missing from then on.
        """
        online = self.current()
        if online is None:
            online = self.begin(BY_FEAST, as_of, [view])
            self.flip(online)
            return online
        grown = online.as_of if online.name != BY_FEAST else max(online.as_of, as_of)
        others = {v.name: v for v in online.views}
        ttl = others[view.name].ttl_days if view.name in others else view.ttl_days
        views = tuple({**others, view.name: replace(view, ttl_days=ttl)}.values())
        wanted = replace(online, as_of=grown, views=views)
        if wanted != online:
            with self._transaction() as connection:
                if view.name not in others:
                    connection.execute(f"ALTER TABLE {table_of(online)} ADD {quoted(view.name)} BLOB")
                self._describe(wanted)
        return wanted

    def drop_view(self, name: str) -> None:
        """Remove all that is stored of one view."""
        online = self.current()
        if online is not None and name in {view.name for view in online.views}:
            with self._transaction() as connection:
                connection.execute(f"UPDATE {table_of(online)} SET {quoted(name)} = NULL")
                connection.execute("DELETE FROM pushed WHERE view = ?", (name,))

    def stamps(self, online: Online, customer_ids: Sequence[str]) -> dict[str, datetime]:
        """Of some customers those that a generation holds, each with its newest event_ts."""
        found = {}
        for start in range(0, len(customer_ids), IDS_A_QUERY):
            some = customer_ids[start : start + IDS_A_QUERY]
            query = f"SELECT * FROM {table_of(online)} WHERE customer_id IN ({marks(len(some))})"
            for customer_id, *rows in self._connection.execute(query, some):
                events = [stamp_of(row)[0] for row in rows if row is not None]
                if events:
                    found[customer_id] = from_us(max(events))
        return found

    def delete_customers(self, customer_ids: Sequence[str]) -> int:
        """Remove every trace of some customers, in every generation; returns how many there were."""
        with self._transaction() as connection:
            gone = delete_rows(connection, customer_ids)
        self._checkpoint()
        return gone

    def counters(self) -> dict[str, int]:
        """How many rows were refused so far, by reason."""
        return dict(self._connection.execute("SELECT name, n FROM counter ORDER BY name").fetchall())

    def content_hash(self) -> str:
        """SHA-256 over what the current generation holds, whatever its name or place."""
        digest, online = hashlib.sha256(), self.current()
        if online is not None:
            columns = ", ".join(["customer_id", *(quoted(view.name) for view in online.views)])
            query = f"SELECT {columns} FROM {table_of(online)} ORDER BY customer_id"
            for customer_id, *rows in self._connection.execute(query):
                digest.update(framed(customer_id, rows))
        return digest.hexdigest()

    def sweep(self) -> None:
        """Drop every generation that is not the current one; its space is used again."""
        self._sweep()
        self._checkpoint()

    def _sweep(self) -> None:
        for (number,) in self._connection.execute(
            "SELECT number FROM generation WHERE number NOT IN (SELECT number FROM pointer)"
        ).fetchall():
            with self._transaction() as connection:
                connection.execute(f"DROP TABLE IF EXISTS rows_{number}")
                connection.execute("DELETE FROM generation WHERE number = ?", (number,))

    def _checkpoint(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
