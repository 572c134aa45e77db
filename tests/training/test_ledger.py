from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.errors import CorruptError, InputError
from training.versions import ledger

AT = datetime(2026, 10, 31, tzinfo=UTC)


def _add(path: Path, action: str, model: str, version: int, **change) -> ledger.Entry:
    facts = {"at": AT, "who": "ada", "run_id": f"run{version}", "sha256": "ab" * 32, "reasons": ("fine",)}
    return ledger.append(path, action=action, model=model, version=version, **{**facts, **change})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.jsonl"
    for action, model, version in (
        ("promote", "churn", 1),
        ("promote", "value", 1),
        ("promote", "churn", 2),
        ("rollback", "churn", 1),
        ("promote", "churn", 3),
    ):
        _add(path, action, model, version)
    return path


def test_what_was_written_is_read_back(path: Path) -> None:
    entries = ledger.read(path)
    assert [(e.action, e.model, e.version) for e in entries][-1] == ("promote", "churn", 3)
    assert entries[0].who == "ada"
    assert entries[0].at == "2026-10-31T00:00:00+00:00"
    assert entries[0].reasons == ("fine",)


def test_a_rollback_takes_the_last_champion_off_the_stack(path: Path) -> None:
    assert [e.version for e in ledger.champions(ledger.read(path), "churn")] == [1, 3]
    assert [e.version for e in ledger.champions(ledger.read(path), "value")] == [1]
    assert ledger.champions(ledger.read(path), "propensity") == ()


def test_earlier_lines_never_change(path: Path) -> None:
    before = path.read_text()
    _add(path, "promote", "value", 2)
    assert path.read_text().startswith(before)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [lines[0].replace("ada", "eve"), *lines[1:]],
        lambda lines: lines[1:],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [*lines[:-1], lines[-1][:20]],
        lambda lines: [*lines, "[]"],
    ],
    ids=["changed", "first gone", "one gone", "swapped", "torn", "stranger"],
)
def test_a_ledger_that_was_tampered_with_is_refused(path: Path, damage) -> None:
    path.write_text("\n".join(damage(path.read_text().splitlines())) + "\n")
    with pytest.raises(CorruptError, match="line"):
        ledger.read(path)


@pytest.mark.parametrize("change", [{"at": datetime(2026, 1, 1)}, {"who": ""}])
def test_somebody_and_a_time_with_a_zone_are_needed(path: Path, change) -> None:
    before = path.read_text()
    with pytest.raises(InputError):
        _add(path, "promote", "churn", 4, **change)
    assert path.read_text() == before


def test_no_file_is_an_empty_ledger(tmp_path: Path) -> None:
    assert ledger.read(tmp_path / "none.jsonl") == ()
