"""The write-ahead log of an SQLite file, turned on while others open the same file."""

import sqlite3
import time

__all__ = ["write_ahead"]

_AGAIN_S = 0.002


def write_ahead(file: sqlite3.Connection) -> None:
    """Let readers and one writer go on beside each other from now on.

    SQLite does not wait for its turn where two connections turn the log of a new file on at once: it tells
    one of them at once that the database is locked, whatever its timeout (https://sqlite.org/wal.html).
    So this waits for as long as the connection does elsewhere.

    Raises
    ------
    sqlite3.OperationalError
        If the file is still in use then, or cannot be written.
    """
    (milliseconds,) = file.execute("PRAGMA busy_timeout").fetchone()
    until = time.monotonic() + milliseconds / 1000
    while True:
        try:
            file.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_AGAIN_S)
        else:
            return
