"""A new file that several open at once is opened by all of them."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from features.database.sqlite import Sqlite
from features.database.wal import write_ahead
from features.errors import NotReadyError
from features.home import Home
from features.online.events import Events
from serving.api.kept import Kept
from serving.log.decisions import log_session, open_log

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
        write_ahead(sqlite3.connect(path, timeout=0.05))
    holder.execute("COMMIT")
    write_ahead(sqlite3.connect(path, timeout=0.05))
    assert holder.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_who_reads_beside_the_first_who_writes_finds_nothing_yet_and_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    reading = log_session(path)
    with open_log(path):
        assert not reading.ready()
        with pytest.raises(NotReadyError, match="no decisions yet"), reading.transaction(only_read=True):
            pass
    assert reading.ready()
    with closing(reading), reading.transaction(only_read=True) as log:
        assert log.execute("SELECT count(*) FROM decisions").fetchone() == (0,)


def test_a_log_is_read_by_several_while_it_is_made(tmp_path: Path) -> None:
    gate = Barrier(AT_ONCE)

    def go(path: Path, nth: int) -> None:
        gate.wait()
        with closing(log_session(path)) as session:
            if nth == 0:
                with session.transaction():
                    return
            while not session.ready():
                pass
            with session.transaction(only_read=True) as log:
                assert log.execute("SELECT count(*) FROM decisions").fetchone() == (0,)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(FILES):
            list(pool.map(go, [tmp_path / f"{number}.db"] * AT_ONCE, range(AT_ONCE)))
