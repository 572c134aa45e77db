"""The verbs on history, run as a user runs them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from features.home import Home
from serving.cli.main import main
from tests.features.conftest import day, row, tiny_rows, write_bank


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--home", str(home)])


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export with one broken booking of twenty-five."""
    rows = tiny_rows()
    broken = row("transactions", transaction_id="X1", at=day("2024-04-20"), category="gambling")
    rows["transactions"] = [*rows["transactions"], broken]
    return write_bank(tmp_path / "export", **rows)


def test_check_tells_by_its_exit_code_whether_the_folder_could_be_imported(
    tmp_path: Path, export: Path
) -> None:
    strict = run(tmp_path / "home", "check", str(export))
    assert strict.exit_code == 2
    assert "PROBLEM transactions.parquet: 1 of 25 rows (4.00%) break the contract" in strict.stdout
    page = tmp_path / "quality.html"
    words = ("check", str(export), "--max-quarantined", "0.04", "--page", str(page))
    lenient = run(tmp_path / "home", *words)
    assert lenient.exit_code == 0
    assert "QUARANTINE transactions.parquet: column 'category'" in lenient.stdout
    assert lenient.stdout.endswith("ok; 1 rows to quarantine\n")
    assert "Fit for import." in page.read_text()
    assert not (tmp_path / "home").exists()


def test_import_says_how_many_rows_were_quarantined_and_where(tmp_path: Path, export: Path) -> None:
    home = tmp_path / "home"
    refused = run(home, "import", "files", "--from", str(export))
    assert refused.exit_code == 2
    assert not home.exists()
    done = run(home, "import", "files", "--from", str(export), "--max-quarantined", "0.05", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["quarantined"] == {"transactions": 1}
    assert Path(told["quarantine"], "transactions.parquet").is_file()
    assert Path(told["page"]).read_text().startswith("<!doctype html>")
    again = run(home, "import", "files", "--from", str(export), "--append", "--max-quarantined", "0.05")
    assert "1 rows are in quarantine, with the reasons: " in again.stdout
    assert run(home, "check").exit_code == 0


def test_the_limit_comes_from_the_settings_unless_it_is_given(
    tmp_path: Path, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENURE_MAX_QUARANTINED", "0.5")
    assert run(tmp_path / "home", "check", str(export)).exit_code == 0
    assert run(tmp_path / "home", "check", str(export), "--max-quarantined", "0").exit_code == 2


def test_what_is_known_only_tomorrow_is_quarantined(tmp_path: Path) -> None:
    rows = tiny_rows()
    rows["interactions"] = [
        row("interactions", known_at=day("2199-01-01")),
        row("interactions", interaction_id="I2"),
    ]
    export = write_bank(tmp_path / "export", **rows)
    home = tmp_path / "home"
    done = run(home, "import", "files", "--from", str(export), "--max-quarantined", "0.5", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)["report"]
    assert {t["name"]: t["reasons"] for t in report["tables"]}["interactions"] == {"in_future": 1}
    assert (Home(home).history / "quarantine" / "interactions.parquet").is_file()


def test_a_warning_stops_an_append_until_it_is_accepted(tmp_path: Path) -> None:
    rows = tiny_rows()
    months = [
        [
            row("transactions", transaction_id=f"B{month}{d}{n}", at=day(f"2024-0{month}-{d:02d}"))
            for d in range(1, 29)
            for n in range(2)
        ]
        for month in (1, 2)
    ]
    home, options = tmp_path / "home", ("--from", str(tmp_path / "export"))
    write_bank(tmp_path / "export", **(rows | {"transactions": months[0]}))
    assert run(home, "import", "files", *options).exit_code == 0
    write_bank(tmp_path / "export", transactions=months[1][::4])
    assert run(home, "import", "files", *options, "--append").exit_code == 2
    accepted = run(home, "import", "files", *options, "--append", "--accept-warnings")
    assert accepted.exit_code == 0, accepted.stderr
    assert "WARNING transactions.parquet: rows a day fell to half" in accepted.stdout
