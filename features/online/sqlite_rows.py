"""Single rows of the embedded online storage, in SQL: written under the guard, carried, deleted."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from features.online.packed import stamp_of
from features.online.storage import FUTURE, OLDER, Online, Packed, supersedes, to_us

__all__ = [
    "APPLICATION",
    "IDS_A_QUERY",
    "TABLES",
    "carry_over",
    "delete_rows",
    "is_ours",
    "marks",
    "put_rows",
    "quoted",
    "table_of",
]

TABLES = """
CREATE TABLE IF NOT EXISTS generation (number INTEGER PRIMARY KEY AUTOINCREMENT, facts TEXT);
CREATE TABLE IF NOT EXISTS pointer (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL,
    revision INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, n INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pushed (customer_id TEXT, view TEXT, PRIMARY KEY (customer_id, view));
"""

APPLICATION = 0x54454E55
"""SQLite's application id of our files: another file of that name is never read as ours."""

IDS_A_QUERY = 500


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def marks(n: int) -> str:
    """Placeholders of n bound values."""
    return ", ".join("?" * n)


def table_of(online: Online) -> str:
    """The table of a generation."""
    return f"rows_{online.number}"


def is_ours(connection: sqlite3.Connection) -> bool:
    """Whether an open file is an online storage of this edition."""
    row = connection.execute("PRAGMA application_id").fetchone()
    return bool(row and row[0] == APPLICATION)


def put_rows(
    connection: sqlite3.Connection,
    online: Online,
    rows: Mapping[str, Sequence[Packed]],
    bound: int | None,
    *,
    carried: bool,
) -> int:
    """Write rows by view under the guard, inside the caller's transaction; returns how many.

    Parameters
    ----------
    bound
        Latest event_ts that is taken, in microseconds; None takes all.
    carried
        Note the rows, for `carry_over`.
    """
    written = 0
    for view, some in rows.items():
        for customer_id in _put(connection, online, view, some, bound):
            written += 1
            if carried:
                connection.execute("INSERT OR IGNORE INTO pushed VALUES (?, ?)", (customer_id, view))
    return written


def _put(
    connection: sqlite3.Connection, online: Online, view: str, rows: Sequence[Packed], bound: int | None
) -> Iterator[str]:
    column, table = quoted(view), table_of(online)
    write = (
        f"INSERT INTO {table} (customer_id, {column}) VALUES (?, ?) "
        f"ON CONFLICT (customer_id) DO UPDATE SET {column} = excluded.{column}"
    )
    for customer_id, row in rows:
        event, _ = stamp_of(row)
        if bound is not None and event > bound:
            _count(connection, FUTURE)
            continue
        old = _find(connection, table, view, customer_id)
        if supersedes(row, old):
            connection.execute(write, (customer_id, row))
            yield customer_id
        elif old is not None and stamp_of(row) < stamp_of(old):
            _count(connection, OLDER)


def _find(connection: sqlite3.Connection, table: str, view: str, customer_id: str) -> bytes | None:
    query = f"SELECT {quoted(view)} FROM {table} WHERE customer_id = ?"
    found = connection.execute(query, (customer_id,)).fetchone()
    return found[0] if found else None


def _count(connection: sqlite3.Connection, name: str) -> None:
    connection.execute(
        "INSERT INTO counter VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET n = n + 1", (name,)
    )


def carry_over(connection: sqlite3.Connection, before: Online, online: Online) -> None:
    """Take single rows along that are newer than the new generation's, inside the caller's transaction.

    Customers who are not in the new generation, and rows of another schema, stay behind.
    """
    both = {view.name for view in before.views} & {view.name for view in online.views}
    for customer_id, view in connection.execute("SELECT customer_id, view FROM pushed").fetchall():
        new = None
        if view in both:
            old = _find(connection, table_of(before), view, customer_id)
            new = _find(connection, table_of(online), view, customer_id)
            if old and new and old[:8] == new[:8] and stamp_of(old) > stamp_of(new):
                update = f"UPDATE {table_of(online)} SET {quoted(view)} = ? WHERE customer_id = ?"
                connection.execute(update, (old, customer_id))
                new = old
        if new is None or stamp_of(new)[0] <= to_us(online.as_of):
            connection.execute("DELETE FROM pushed WHERE customer_id = ? AND view = ?", (customer_id, view))


def delete_rows(connection: sqlite3.Connection, customer_ids: Sequence[str]) -> int:
    """Delete customers from every generation, inside the caller's transaction; returns how many."""
    gone: set[str] = set()
    numbers = [number for (number,) in connection.execute("SELECT number FROM generation").fetchall()]
    for customer_id in dict.fromkeys(customer_ids):
        for table in (*(f"rows_{number}" for number in numbers), "pushed"):
            done = connection.execute(f"DELETE FROM {table} WHERE customer_id = ?", (customer_id,))
            if done.rowcount:
                gone.add(customer_id)
    return len(gone)
