"""Answers kept for who asks again: one for all workers, bounded, private, and never in the way."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from serving.api import kept as kept_module
from serving.api.kept import Kept


def test_the_first_answer_counts_for_every_worker_and_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "retries.db"
    with closing(Kept(path)) as one, closing(Kept(path)) as other:
        assert one.find("k") is None
        assert one.keep("k", "asked", "first") == ("asked", "first")
        assert other.keep("k", "asked", "second") == ("asked", "first")
        assert other.keep("k", "otherwise", "third") == ("asked", "first")
    with closing(Kept(path)) as later:
        assert later.find("k") == ("asked", "first")
    assert path.stat().st_mode & 0o077 == 0


def test_after_a_day_nothing_is_left_in_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "retries.db"
    with closing(Kept(path)) as kept:
        kept.keep("old", "asked", "CANARY" * 100)
        with closing(sqlite3.connect(path)) as file, file:
            file.execute("UPDATE answers SET at = at - 86401")
        kept.keep("new", "asked", "answer")
        assert kept.find("old") is None and kept.find("new")
    assert b"CANARY" not in path.read_bytes()


def test_it_takes_no_more_room_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "_PAGES", 64)
    path = tmp_path / "retries.db"
    with closing(Kept(path)) as kept:
        for number in range(50):
            kept.keep(str(number), "asked", "x" * 20_000)
            assert kept.find(str(number)) == ("asked", "x" * 20_000)
        assert kept.find("0") is None
    assert path.stat().st_size <= 64 * 4096


def test_a_file_that_cannot_be_used_keeps_nobody_from_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "retries.db"
    path.write_bytes(b"not a database" * 1000)
    with closing(Kept(path)) as kept:
        assert kept.find("k") is None
        assert kept.keep("k", "asked", "answer") == ("asked", "answer")
        path.unlink()
        assert kept.keep("k", "asked", "answer") == ("asked", "answer")
        assert kept.find("k") == ("asked", "answer")
    with closing(Kept(tmp_path / "missing" / "retries.db")) as nowhere:
        assert nowhere.keep("k", "asked", "answer") == ("asked", "answer")
