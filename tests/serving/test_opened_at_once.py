"""A new file that several open at once is opened by all of them."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from features.database.sqlite import Sqlite
from features.database.wal import write_ahead
from features.home import Home
from features.online.events import Events
from serving.api.kept import Kept

AT_ONCE = 3
FILES = 200


def _log(folder: Path) -> Any:
    return Sqlite(folder / "decisions.db").connect()


def _events(folder: Path) -> Any:
    return Events(Home(folder))


def _kept(folder: Path) -> Any:
    kept = Kept(folder / "retries.db")
    assert kept.keep("key", "asked", "answer") == ("asked", "answer")
    assert kept.find("key") == ("asked", "answer")
    return kept


@pytest.mark.parametrize("opened", [_log, _events, _kept])
def test_all_who_open_a_new_file_at_once_get_it(
    opened: Callable[[Path], Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Barrier(AT_ONCE)

    def go(folder: Path) -> None:
        gate.wait()
        opened(folder).close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(FILES):
            folder = tmp_path / str(number)
            folder.mkdir()
            list(pool.map(go, [folder] * AT_ONCE))
    assert not caplog.text


def test_a_file_that_stays_in_use_is_told_after_the_wait(tmp_path: Path) -> None:
    path = tmp_path / "used.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        write_ahead(sqlite3.connect(path, timeout=0), 0.05)
    holder.execute("COMMIT")
    write_ahead(sqlite3.connect(path, timeout=0), 0.05)
    assert holder.execute("PRAGMA journal_mode").fetchone() == ("wal",)
