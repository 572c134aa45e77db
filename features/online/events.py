"""Pushed events that history does not hold yet: kept durably, each id once, in order of arrival."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from features.database.wal import write_ahead
from features.errors import FullError
from features.home import Home
from features.online.sqlite_rows import marks

__all__ = ["Event", "Events"]

_TABLES = """
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, id TEXT NOT NULL,
    customer_id TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (source, id));
CREATE TABLE IF NOT EXISTS applied (seq INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS found (seq INTEGER PRIMARY KEY, generation TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Event:
    """One row of a history table; `source` names the table, `row` holds the contract's columns."""

    source: str
    id: str
    customer_id: str
    row: dict[str, Any]

    @property
    def as_stored(self) -> dict[str, Any]:
        """The row as it comes back from the store, moments as text."""
        stored: dict[str, Any] = json.loads(self.body)
        return stored

    @property
    def body(self) -> str:
        """The row as text."""
        return json.dumps(self.row, default=_iso)


class Events:
    """The events of one home; rows are added, and removed when history holds them or they are erased."""

    def __init__(self, home: Home) -> None:
        home.path.mkdir(parents=True, exist_ok=True)
        self._path = home.events_db
        self._connection = sqlite3.connect(self._path, timeout=60)
        write_ahead(self._connection)
        for pragma in ("synchronous = FULL", "secure_delete = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def add(self, events: Sequence[Event]) -> None:
        """Store events durably, all or none; one whose id is there already changes nothing.

        Raises
        ------
        FullError
            If there is no room for them.
        """
        try:
            self._insert(events)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            raise FullError(f"{self._path}: no room, no event was stored; cure: make room") from error

    def _insert(self, events: Sequence[Event]) -> None:
        rows = [(e.source, e.id, e.customer_id, e.body) for e in events]
        with self._connection as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO event (source, id, customer_id, body) VALUES (?, ?, ?, ?)", rows
            )

    def pending(self, customer_ids: Sequence[str] | None = None) -> list[tuple[int, Event]]:
        """Events with their number, in order of arrival; of some customers, or of all."""
        query, bound = "SELECT seq, source, id, customer_id, body FROM event", tuple(customer_ids or ())
        if customer_ids is not None:
            query += f" WHERE customer_id IN ({marks(len(bound))})"
        found = self._connection.execute(f"{query} ORDER BY seq", bound).fetchall()
        return [(seq, Event(source, id_, who, json.loads(body))) for seq, source, id_, who, body in found]

    def row(self, event: Event) -> dict[str, Any] | None:
        """What was stored before under that id, or None."""
        query = "SELECT body FROM event WHERE source = ? AND id = ?"
        found = self._connection.execute(query, (event.source, event.id)).fetchone()
        return None if found is None else json.loads(found[0])

    def unapplied(self, customer_ids: Sequence[str] | None = None) -> set[str]:
        """Of some customers, or of all, those with events that are stored but not in the online rows."""
        bound = tuple(customer_ids or ())
        query = "SELECT customer_id FROM event WHERE seq NOT IN (SELECT seq FROM applied)"
        if customer_ids is not None:
            query += f" AND customer_id IN ({marks(len(bound))})"
        return {who for (who,) in self._connection.execute(query, bound)}

    def mark_applied(self, numbers: Iterable[int]) -> None:
        """Note that events reached the online rows."""
        with self._connection as connection:
            connection.executemany("INSERT OR IGNORE INTO applied VALUES (?)", ((n,) for n in numbers))

    def settle(self, in_history: Iterable[int], generation: str) -> None:
        """Remove events that history holds, as soon as a later generation than this one is built from it.

        The generation that is current when an event is first found in history may be older than
        that import; the next one is not.
        """
        with self._connection as connection:
            for number in in_history:
                query = "SELECT generation FROM found WHERE seq = ?"
                row = connection.execute(query, (number,)).fetchone()
                if row is None:
                    connection.execute("INSERT INTO found VALUES (?, ?)", (number, generation))
                elif row[0] != generation:
                    self._remove(number)

    def delete_customers(self, customer_ids: Sequence[str]) -> None:
        """Remove every trace of some customers."""
        numbers = [number for number, _ in self.pending(customer_ids)]
        with self._connection:
            for number in numbers:
                self._remove(number)
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _remove(self, number: int) -> None:
        for table in ("event", "applied", "found"):
            self._connection.execute(f"DELETE FROM {table} WHERE seq = ?", (number,))


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
