"""A model whose bytes are as written, and which was written badly: refused, and nobody dies of it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from features.errors import CorruptError
from features.home import Home
from serving.cli.main import main
from tests.training.examples import CURRENCY
from training.artifact import save_model
from training.datasets import TrainingSet
from training.evaluate import evaluate
from training.facts import bundle_files
from training.fit import Fitted
from training.gates import Verdict
from training.registry import Registry
from training.specs import CHURN
from training.split import out_of_time
from training.versions.bundle import FACTS, keep
from training.versions.champions import Champions
from training.versions.recipe import recipe_of
from training.versions.rehearse import rehearse
from training.versions.sealed import manifest_of, write_sealed

AT = datetime(2026, 10, 31, tzinfo=UTC)
TREES = "heads/churn.txt"


@pytest.fixture(scope="module")
def good(churn_fitted: Fitted, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a model, without their manifest."""
    folder = tmp_path_factory.mktemp("good") / "model"
    save_model(folder, churn_fitted.model)
    return {name: (folder / name).read_bytes() for name in (TREES, "model.json")}


def _cut(files: dict[str, bytes], share: float) -> dict[str, bytes]:
    """The model with its text cut off after a share of its trees."""
    text = files[TREES]
    return {**files, TREES: text[: int(text.index(b"end of trees") * share)]}


def _no_number(files: dict[str, bytes]) -> dict[str, bytes]:
    """The model with a calibration that is no number, which JSON as Python reads it can hold."""
    about = json.loads(files["model.json"])
    about["heads"][0]["calibration"]["slope"] = float("nan")
    return {**files, "model.json": json.dumps(about).encode()}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda files: _cut(files, 0.5), r"kills the process that loads it \(signal \d+\)"),
        (lambda files: _cut(files, 0.9), r"kills the process that loads it \(signal \d+\)"),
        (lambda files: {**files, TREES: b"\xff"}, "cannot be loaded .*UnicodeDecodeError"),
        (_no_number, "gives answers that are no finite numbers"),
    ],
    ids=["half the trees", "a tenth short", "no text", "a calibration that is no number"],
)
def test_a_model_that_was_written_badly_is_refused_by_name(
    good: dict[str, bytes],
    tmp_path: Path,
    spoil: Callable[[dict[str, bytes]], dict[str, bytes]],
    told: str,
) -> None:
    sha256 = write_sealed(tmp_path / "model", spoil(good))
    with pytest.raises(CorruptError, match=f"every byte is as written, but the model .*{told}.*; cure"):
        rehearse({tmp_path / "model": sha256})


def test_a_good_model_passes_and_a_changed_byte_is_told_before_anything_is_loaded(
    good: dict[str, bytes], tmp_path: Path
) -> None:
    sha256 = write_sealed(tmp_path / "model", good)
    rehearse({tmp_path / "model": sha256})
    (tmp_path / "model" / TREES).write_bytes(good[TREES][:-1])
    with pytest.raises(CorruptError, match="not the bytes that were written"):
        rehearse({tmp_path / "model": sha256})


def test_a_challenger_that_kills_its_loader_is_not_promoted_and_the_champion_serves(
    home: Home, good: dict[str, bytes], churn_fitted: Fitted, churn_set: TrainingSet, tmp_path: Path
) -> None:
    evaluation = evaluate(churn_fitted.model, churn_set, out_of_time(churn_set.frame, CHURN))
    recipe = recipe_of(CHURN, None, currency=CURRENCY, seed=7, fingerprint=churn_set.fingerprint)
    files = bundle_files(recipe, churn_fitted, evaluation, {}, tmp_path, against=None, who="ada")
    registry = Registry(home)
    registry.promote(registry.log(keep(home, files)), Verdict(True, ("good",)), who="ada", at=AT)

    torn = _cut(good, 0.9)
    sealed = write_sealed(tmp_path / "torn", torn)
    facts = json.dumps({**json.loads(files[FACTS]), "model_sha256": sealed}).encode()
    model = {f"model/{name}": content for name, content in torn.items()}
    second = registry.log(
        keep(home, {**files, **model, FACTS: facts, "model/manifest.json": manifest_of(torn)})
    )
    assert (second.version, second.sha256) == (2, sealed)

    refused = CliRunner().invoke(main, ["models", "promote", "churn", "--home", str(home.path)])
    assert refused.exit_code == CorruptError.exit_code
    assert "every byte is as written, but the model" in refused.stderr
    champions = Champions(home)
    assert champions.champion("churn").version == 1
    assert champions.load(champions.champion("churn")).name == "churn"
