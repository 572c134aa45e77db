"""Writing whole: a kill at any moment leaves the last good state."""

from pathlib import Path

import pytest

from features.errors import CorruptError, NotReadyError
from features.home import Home, only_writer, read_json, recover, write_whole, write_whole_folder


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("good")
    with pytest.raises(RuntimeError), write_whole(target) as part:
        part.write_text("half")
        raise RuntimeError
    assert target.read_text() == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_an_error_while_writing_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "history"
    target.mkdir()
    (target / "a").write_text("good")
    with pytest.raises(RuntimeError), write_whole_folder(target) as part:
        (part / "a").write_text("half")
        raise RuntimeError
    assert (target / "a").read_text() == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["history"]


@pytest.mark.parametrize("killed_after", ["writing", "moving aside"])
def test_what_a_kill_left_behind_is_put_right(tmp_path: Path, killed_after: str) -> None:
    home = Home(tmp_path)
    home.history.mkdir()
    (home.history / "a").write_text("good")
    (tmp_path / ".history.part").mkdir()
    if killed_after == "moving aside":
        home.history.rename(tmp_path / ".history.old")
    recover(home)
    assert (home.history / "a").read_text() == "good"
    with write_whole_folder(home.history) as part:
        assert list(part.iterdir()) == []
        (part / "a").write_text("new")
    assert (home.history / "a").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["history"]


def test_a_second_writer_is_kept_out(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with (
        only_writer(home),
        pytest.raises(NotReadyError, match="locked by another command"),
        only_writer(home),
    ):
        pass
    with only_writer(home):
        pass


def test_reading_json_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="cure: run it"):
        read_json(tmp_path / "none.json", "run it")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(CorruptError, match="not valid JSON"):
        read_json(tmp_path / "bad.json", "run it")
