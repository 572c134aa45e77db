"""The same verbs on a real bank; needs the Berka tables (see TENURE_SAMPLE_DATA)."""

import csv
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from features.errors import InputError, RefusedError
from features.settings import read_settings
from serving.cli.main import main
from tests.conftest import run_verb

SAMPLES = read_settings().sample_data
BERKA = SAMPLES / "berka" if SAMPLES else None

pytestmark = pytest.mark.skipif(
    BERKA is None or not BERKA.is_dir(), reason="TENURE_SAMPLE_DATA does not name a folder with berka/"
)


@pytest.fixture(scope="module")
def berka(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("berka") / "home"
    run_verb(home, "import", "berka", "--from", str(BERKA))
    run_verb(home, "features", "build", "--as-of", "1998-01-01", "--months", "42", "--every", "3")
    return home


def test_from_real_history_to_a_list(berka: Path, tmp_path: Path) -> None:
    run_verb(berka, "features", "materialize")
    trained = run_verb(berka, "train", "all")
    card = trained["propensity"]["metrics"]["card"]
    assert 0.75 < card["auc"] < 0.93, "far below: something is wrong; far above: something leaks"
    assert 0.75 < trained["churn"]["metrics"]["churn"]["auc"] < 0.97
    run_verb(berka, "models", "promote", "all")
    run_verb(berka, "score", "--all")
    out = tmp_path / "cards.csv"
    pulled = run_verb(berka, "lists", "pull", "--product", "card", "--size", "100", "--out", str(out))
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == pulled["rows"] > 0
    assert {row["currency"] for row in rows} == {"CZK"}
    assert pulled["removed"]["already_held"] > 0


def refused(home: Path, *words: str) -> Any:
    return CliRunner().invoke(main, [*words, "--home", str(home)])


def test_closure_churn_is_refused_in_words(berka: Path) -> None:
    done = refused(berka, "train", "churn", "--definition", "closure")
    assert done.exit_code == RefusedError.exit_code
    assert "holdings lack one that its customer ended (close_reason 'customer')" in done.stderr
    assert "too few leave" in done.stderr
    assert "derivable here: balance_attrition" in done.stderr


def test_an_unknown_definition_is_named_with_the_known_ones(berka: Path) -> None:
    done = refused(berka, "train", "churn", "--definition", "boredom")
    assert done.exit_code == InputError.exit_code
    assert "'boredom' is not a definition; cure: one of closure, balance_attrition" in done.stderr
