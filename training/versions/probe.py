"""Whether an SQLite database can be used, found out at once: some libraries try for minutes."""

import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["probe"]


def probe(path: Path) -> None:
    """Raise sqlite3.Error if a database is damaged, read-only, or locked for more than five seconds."""
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError("database disk image is malformed")
        connection.execute("BEGIN IMMEDIATE")
        connection.rollback()
