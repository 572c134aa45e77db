"""Rows in an SQLite file: WAL with synchronous=FULL, so a commit survives a kill and a loss of power."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from features.database.wal import write_ahead
from features.errors import CorruptError, FullError, InputError, NotReadyError, RefusedError

__all__ = ["Sqlite"]

_WAIT_S = 30.0


class _Connection(sqlite3.Connection):
    """With the file that it was opened on."""

    file: tuple[int, int]
    stream = sqlite3.Connection.execute


@dataclass(frozen=True)
class Sqlite:
    """One file; see `Backend`."""

    path: Path
    types = MappingProxyType({str: "TEXT", int: "INTEGER", float: "REAL"})
    counter = ""
    strict = " STRICT"
    early = "julianday(o.at) < julianday(d.decided_at)"
    late = "julianday(o.at) >= julianday(d.decided_at, '+' || d.window_days || ' days')"

    def exists(self) -> bool:
        """Whether the tables are there; who only reads would else make them beside the first who writes."""
        if not self.path.is_file():
            return False
        with closing(self.connect()) as log:
            return self.found_format(log) is not None

    def connect(self) -> Any:
        """Open the file, which is made where it is not there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A connection belongs to whoever holds it, one thread at a time.
        log = sqlite3.connect(
            self.path,
            timeout=_WAIT_S,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        try:
            write_ahead(log)
            for setting in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
                log.execute(f"PRAGMA {setting}")
            log.file = _file(self.path)
        except BaseException:
            log.close()
            raise
        return log

    def begin(self, log: Any, only_read: bool) -> None:
        """SQLite has one writer; IMMEDIATE waits for the turn before anything is read."""
        log.execute("BEGIN" if only_read else "BEGIN IMMEDIATE")

    def in_transaction(self, log: Any) -> bool:
        """See `Backend`."""
        return bool(log.in_transaction)

    def usable(self, log: Any) -> bool:
        """A file that was moved away or put back from a backup is another one."""
        try:
            return bool(log.file == _file(self.path))
        except OSError:
            return False

    def found_format(self, log: Any) -> int | None:
        """See `Backend`."""
        (found,) = log.execute("PRAGMA user_version").fetchone()
        return int(found) if found or log.execute("SELECT 1 FROM sqlite_master").fetchone() else None

    def say_format(self, log: Any, number: int) -> None:
        """See `Backend`."""
        log.execute(f"PRAGMA user_version = {number}")

    def append_only(self, table: str) -> tuple[str, ...]:
        """See `Backend`."""
        return tuple(
            f"CREATE TRIGGER {table}_{name} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
            for name, verb in (("fixed", "UPDATE"), ("kept", "DELETE"))
        )

    def writable(self, table: str) -> tuple[str, ...]:
        """See `Backend`."""
        return tuple(f"DROP TRIGGER {table}_{name}" for name in ("fixed", "kept"))

    def scrub(self, log: Any, _: Sequence[str], /) -> None:
        """Deleted rows are zeros already (secure_delete); the write-ahead log still holds them."""
        (busy, _, _) = log.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise NotReadyError(f"{self.path}: somebody reads it; cure: erase again in a moment")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what SQLite raises about the file into Tenure's errors; its words, never a row."""
        try:
            yield
        except sqlite3.Error as error:
            extended = getattr(error, "sqlite_errorcode", 0)
            code = extended & 0xFF
            if extended == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
                raise RefusedError(
                    f"{self.path}: {error}; cure: record what is right under a new id"
                ) from error
            if code == sqlite3.SQLITE_CONSTRAINT:
                raise InputError(f"{self.path}: {error}; cure: mend the value") from error
            if code == sqlite3.SQLITE_FULL:
                raise FullError(
                    f"{self.path}: the disk is full, nothing was written; cure: free it"
                ) from error
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise CorruptError(f"{self.path}: {error}; cure: bring it back from a backup") from error
            if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
                raise NotReadyError(
                    f"{self.path}: {error}, nothing was written; cure: make the file free and writable"
                ) from error
            raise


def _file(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
