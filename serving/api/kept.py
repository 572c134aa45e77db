"""Answers that may be asked for again, kept for a day where every worker of the bank finds them."""

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path

from features.database.wal import write_ahead
from features.errors import NotReadyError

__all__ = ["Kept"]

_LOG = logging.getLogger("tenure.api")
_FOR_S = 86_400
_PAGES = 16_384
"""Of 4 kB, at most; when they are full, all is forgotten at once."""

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, asked TEXT, answer TEXT, at INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS answers_at ON answers (at);
"""


class Kept:
    """Answers by key, in a file of this machine that only its owner reads.

    It never stands in the way: what cannot be kept or found is decided again, under the same ids.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: sqlite3.Connection | None = None

    def find(self, key: str) -> tuple[str, str] | None:
        """What was asked under a key, and the answer."""
        try:
            return self._found(self._file(), key)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
            return None

    def keep(self, key: str, asked: str, answer: str) -> tuple[str, str]:
        """Keep an answer, unless there is one: what counts from now on."""
        for _ in range(2):
            try:
                return self._kept(self._file(), key, asked, answer)
            except (sqlite3.Error, OSError) as error:
                if not self._emptied(error):
                    self._give_up(error)
                    break
        return asked, answer

    def empty(self) -> int:
        """Forget all answers, to the last byte; how many there were.

        Raises
        ------
        NotReadyError
            If another process reads or writes just now.
        """
        if not self._path.is_file():
            return 0
        try:
            file = self._file()
            forgotten = file.execute("DELETE FROM answers").rowcount
            [busy, *_] = file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            busy, forgotten = 1, 0
            self._give_up(error)
        if busy:
            raise NotReadyError(f"{self._path}: it is read just now; cure: run it again")
        self.close()
        return int(forgotten)

    def close(self) -> None:
        """Give the file back."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _kept(self, file: sqlite3.Connection, key: str, asked: str, answer: str) -> tuple[str, str]:
        with file:
            file.execute("BEGIN IMMEDIATE")
            file.execute("DELETE FROM answers WHERE at < unixepoch() - ?", (_FOR_S,))
            row = (key, asked, answer)
            file.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, unixepoch())", row)
            return self._found(file, key) or (asked, answer)

    def _found(self, file: sqlite3.Connection, key: str) -> tuple[str, str] | None:
        row = file.execute("SELECT asked, answer FROM answers WHERE key = ?", (key,)).fetchone()
        return row and (row[0], row[1])

    def _emptied(self, error: Exception) -> bool:
        """Whether the file was full, and is empty now."""
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_FULL or self._open is None:
            return False
        with suppress(sqlite3.Error), self._open:
            self._open.execute("DELETE FROM answers")
            return True
        return False

    def _file(self) -> sqlite3.Connection:
        if self._open is None:
            self._path.touch(mode=0o600)
            file = sqlite3.connect(self._path, timeout=1, isolation_level=None, check_same_thread=False)
            try:
                write_ahead(file)
                file.execute("PRAGMA synchronous = NORMAL")
                file.execute("PRAGMA secure_delete = ON")
                file.execute(f"PRAGMA max_page_count = {_PAGES}")
                file.executescript(_TABLE)
            except sqlite3.Error:
                file.close()
                raise
            self._open = file
        return self._open

    def _give_up(self, error: Exception) -> None:
        _LOG.warning("answers are not kept for who asks again: %s", type(error).__name__)
        self.close()
