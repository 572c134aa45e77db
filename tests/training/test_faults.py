"""Artifacts that are not as written, and features that are gone: refused, and nothing registered.

Bad rows are in `test_bad_input`, models that were written badly in `test_rehearse`. Damage to an
artifact's files beyond the sweep here is in `test_artifact`, to the ledger in `test_ledger`, to a waiting
bundle and to MLflow's database in `test_resilience`; the canary and every other gate are in `test_gates`,
two processes on a new database in `test_registry`.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from features.errors import CorruptError, TenureError
from features.home import Home
from tests.training.examples import CURRENCY, quick
from training.artifact import load_model, save_model
from training.datasets import TrainingSet
from training.fit import Fitted
from training.pipeline import train_on
from training.specs import CHURN
from training.versions.champions import Champions, ModelVersion
from training.versions.recipe import Origin

AT = datetime(2026, 10, 31, tzinfo=UTC)


def test_features_that_are_not_there_any_more_refuse_to_train(home: Home, churn_set: TrainingSet) -> None:
    means = {"currency": CURRENCY, "threads": 1, "seed": 7, "tell": lambda _: None}
    with pytest.raises(TenureError, match="tenure features build"):
        train_on(home, quick(CHURN), churn_set, **means, origin=Origin("2020-01-01.1", ""))


@pytest.fixture
def untouchable(monkeypatch: pytest.MonkeyPatch) -> None:
    """LightGBM that must not be reached: a broken text would kill the process, not fail the test."""

    def reached(*_: object, **__: object) -> None:
        raise AssertionError("LightGBM saw bytes that were not verified")

    monkeypatch.setattr(lightgbm, "Booster", reached)


def test_a_model_cut_off_anywhere_is_refused_before_lightgbm_sees_it(
    tmp_path: Path, churn_fitted: Fitted, untouchable: None
) -> None:
    sha256 = save_model(tmp_path / "model", churn_fitted.model)
    path = tmp_path / "model" / "heads" / "churn.txt"
    whole = path.read_bytes()
    for percent in range(0, 100, 5):
        path.write_bytes(whole[: len(whole) * percent // 100])
        with pytest.raises(CorruptError, match=r"churn\.txt: not the bytes that were written"):
            load_model(tmp_path / "model", sha256)


@pytest.mark.parametrize("name", ["heads/churn.txt", "model.json", "manifest.json"])
def test_one_flipped_bit_anywhere_in_trees_contract_or_calibration_is_refused(
    tmp_path: Path, churn_fitted: Fitted, untouchable: None, name: str
) -> None:
    sha256 = save_model(tmp_path / "model", churn_fitted.model)
    path = tmp_path / "model" / name
    whole = path.read_bytes()
    for place in np.random.default_rng(6).integers(0, 8 * len(whole), 40):
        spoilt = bytearray(whole)
        spoilt[place // 8] ^= 1 << (place % 8)
        path.write_bytes(spoilt)
        with pytest.raises(CorruptError):
            load_model(tmp_path / "model", sha256)


def _reorder(about: dict) -> None:
    about["features"].reverse()


def _retype(about: dict) -> None:
    about["features"][0]["dtype"] = "string"


def _drop(about: dict) -> None:
    del about["features"][-1]


def _recalibrate(about: dict) -> None:
    about["heads"][0]["calibration"]["slope"] *= 2


@pytest.mark.parametrize("change", [_reorder, _retype, _drop, _recalibrate])
def test_a_contract_that_is_not_the_registered_one_is_refused(
    tmp_path: Path, churn_fitted: Fitted, untouchable: None, change: Callable[[dict], None]
) -> None:
    sha256 = save_model(tmp_path / "model", churn_fitted.model)
    path = tmp_path / "model" / "model.json"
    about = json.loads(path.read_text())
    change(about)
    path.write_text(json.dumps(about))
    with pytest.raises(CorruptError, match=r"model\.json"):
        load_model(tmp_path / "model", sha256)


@pytest.mark.parametrize("name", ["model.pkl", "MLmodel", "code/loader.py"])
def test_a_pickle_or_a_loader_beside_a_model_is_refused_and_never_run(
    tmp_path: Path, churn_fitted: Fitted, untouchable: None, name: str
) -> None:
    sha256 = save_model(tmp_path / "model", churn_fitted.model)
    path = tmp_path / "model" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"loader_module: loader\nopen({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(CorruptError, match="files that the manifest does not list"):
        load_model(tmp_path / "model", sha256)
    assert not (tmp_path / "ran").exists()


def test_a_champion_that_changes_while_it_is_read_is_always_one_whole_version(
    tmp_path: Path, churn_fitted: Fitted
) -> None:
    champions = Champions(Home(tmp_path))
    other = replace(churn_fitted.model, definition="another")
    versions = []
    for number, model in enumerate((churn_fitted.model, other), 1):
        run = f"run{number}"
        sha256 = save_model(champions.folder(run), model)
        versions.append(ModelVersion("churn", number, run, sha256))
    champions.move("promote", versions[0], ("first",), who="ada", at=AT)
    done = threading.Event()

    def flip() -> None:
        for _ in range(30):
            champions.move("promote", versions[1], ("there",), who="ada", at=AT)
            champions.rollback("churn", who="ada", at=AT)
        done.set()

    flipping = threading.Thread(target=flip)
    flipping.start()
    seen = set()
    while not done.is_set():
        version = champions.champion("churn")
        model = champions.load(version)
        assert (model.definition == "another") == (version.version == 2)
        seen.add(version.version)
    flipping.join()
    assert seen <= {1, 2} and champions.champion("churn").version == 1
