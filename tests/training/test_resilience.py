"""A finished model outlives a tracking server that is down, and a kill at any step."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from features.errors import CorruptError, InputError, NotReadyError
from features.home import Home
from serving.cli.main import main
from tests.training.examples import CURRENCY, quick
from training.datasets import TrainingSet
from training.evaluate import evaluate
from training.facts import bundle_files
from training.fit import Fitted
from training.gates import Verdict
from training.pipeline import TrainResult, log_pending, train_on
from training.registry import Registry
from training.specs import CHURN
from training.split import out_of_time
from training.versions.bundle import FACTS, Bundle, keep, open_bundle, pending_folder
from training.versions.champions import Champions
from training.versions.recipe import recipe_of
from training.versions.sealed import write_sealed

AT = datetime(2026, 10, 31, tzinfo=UTC)
YES = Verdict(True, ("good",))


@pytest.fixture(scope="module")
def files(
    churn_fitted: Fitted, churn_set: TrainingSet, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    plots = tmp_path_factory.mktemp("plots")
    (plots / "churn.png").write_bytes(b"\x89PNG")
    evaluation = evaluate(churn_fitted.model, churn_set, out_of_time(churn_set.frame, CHURN))
    recipe = recipe_of(CHURN, None, currency=CURRENCY, seed=7, fingerprint=churn_set.fingerprint)
    return bundle_files(recipe, churn_fitted, evaluation, {}, plots, against=None, who="ada")


def _train(home: Home, examples: TrainingSet) -> TrainResult:
    return train_on(home, quick(CHURN), examples, currency=CURRENCY, threads=1, seed=7, tell=lambda _: None)


def _damage(home: Home) -> bytes:
    good = home.mlflow_db.read_bytes()
    home.mlflow_db.write_bytes(good[:4096] + b"\xff" * 8192 + good[12288:])
    return good


@pytest.mark.parametrize("damage", [b"not a database at all", b""], ids=["foreign", "empty"])
def test_a_database_that_cannot_be_read_is_named_and_the_model_is_kept(
    home: Home, files: dict[str, bytes], damage: bytes
) -> None:
    home.mlflow_db.write_bytes(damage or home.mlflow_db.read_bytes()[:5000])
    bundle = keep(home, files)
    with pytest.raises(NotReadyError, match=f"MLflow cannot be used.*tenure models log {bundle.folder}"):
        log_pending(home, bundle.folder)
    assert open_bundle(bundle.folder) == bundle


def test_training_beside_a_damaged_database_keeps_the_model_and_it_is_logged_later_once(
    home: Home, churn_set: TrainingSet
) -> None:
    good = _damage(home)
    with pytest.raises(NotReadyError, match="tenure models log") as refused:
        _train(home, churn_set)
    (folder,) = pending_folder(home).iterdir()
    assert str(folder) in str(refused.value)
    home.mlflow_db.write_bytes(good)
    words = ("models", "log", str(folder), "--home", str(home.path))
    first, second = (CliRunner().invoke(main, words) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
    assert first.stdout == second.stdout == "churn: version 1 is the challenger\n"
    assert not folder.exists()
    (version,) = Registry(home).versions("churn")
    assert Registry(home).load(version).name == "churn"


def test_a_database_that_another_holds_is_named_and_nothing_is_half_logged(
    home: Home, files: dict[str, bytes]
) -> None:
    bundle = keep(home, files)
    with closing(sqlite3.connect(home.mlflow_db)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NotReadyError, match="database is locked"):
            log_pending(home, bundle.folder)
        other.rollback()
    assert log_pending(home, bundle.folder).version == 1


def test_champions_serve_and_roll_back_without_mlflow(home: Home, files: dict[str, bytes]) -> None:
    registry = Registry(home)
    one = registry.log(keep(home, files))
    two = registry.log(keep(home, {**files, "plots/second.png": b"\x89PNG"}))
    registry.promote(one, YES, who="ada", at=AT)
    registry.promote(two, YES, who="ada", at=AT)
    _damage(home)
    with pytest.raises(NotReadyError, match="champions go on serving"):
        registry.versions("churn")
    assert registry.rollback("churn", who="ada", at=AT).version == 1
    champions = Champions(home)
    assert champions.load(champions.champion("churn")).name == "churn"


def test_training_again_on_the_same_rows_is_the_same_version(
    trained: tuple[Home, TrainResult], churn_set: TrainingSet
) -> None:
    home, first = trained
    assert _train(home, churn_set).version == first.version
    assert len(Registry(home).versions("churn")) == 1
    assert list(pending_folder(home).iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from mlflow import MlflowClient
from features.home import Home
from training.pipeline import log_pending
real = getattr(MlflowClient, sys.argv[3])
def and_die(*words, **named):
    real(*words, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(MlflowClient, sys.argv[3], and_die)
log_pending(Home(Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("step", "left"),
    [("create_run", 0), ("log_artifacts", 0), ("create_model_version", 1)],
)
def test_a_kill_after_any_step_leaves_no_half_version_and_logging_again_makes_one(
    home: Home, files: dict[str, bytes], step: str, left: int
) -> None:
    bundle = keep(home, files)
    words = [sys.executable, "-c", KILLED, str(home.path), str(bundle.folder), step]
    assert subprocess.run(words, capture_output=True).returncode == -signal.SIGKILL
    found = Registry(home).versions("churn")
    assert [Registry(home).load(v).name for v in found] == ["churn"] * left
    assert log_pending(home, bundle.folder).version == 1
    assert [v.aliases for v in Registry(home).versions("churn")] == [("challenger",)]


def test_two_processes_that_log_one_bundle_make_one_version(home: Home, files: dict[str, bytes]) -> None:
    bundle = keep(home, files)
    code = (
        "import sys; from pathlib import Path; from features.home import Home\n"
        "from training.versions.bundle import open_bundle; from training.registry import Registry\n"
        "print(Registry(Home(Path(sys.argv[1]))).log(open_bundle(Path(sys.argv[2]))).version)"
    )
    words = [sys.executable, "-c", code, str(home.path), str(bundle.folder)]
    children = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [child.communicate(timeout=120)[0].strip() for child in children] == ["1", "1"]
    assert len(Registry(home).versions("churn")) == 1


def _changed(bundle: Bundle) -> Path:
    path = bundle.folder / "model" / "model.json"
    path.write_text(path.read_text().replace("180", "181", 1))
    return bundle.folder


def _pickled(bundle: Bundle) -> Path:
    (bundle.folder / "model" / "model.pkl").write_bytes(b"\x80\x04.")
    return bundle.folder


def _renamed(bundle: Bundle) -> Path:
    return bundle.folder.rename(bundle.folder.with_name("0" * 64))


@pytest.mark.parametrize("spoil", [_changed, _pickled, _renamed])
def test_a_bundle_that_is_not_as_written_is_refused_and_nothing_is_registered(
    home: Home, files: dict[str, bytes], spoil: Callable[[Bundle], Path]
) -> None:
    with pytest.raises(CorruptError):
        log_pending(home, spoil(keep(home, files)))
    assert Registry(home).versions("churn") == ()


@pytest.mark.parametrize("name", ["model/model.pkl", "model/loader.py", "model/MLmodel"])
def test_a_sealed_bundle_with_code_in_it_is_refused(home: Home, files: dict[str, bytes], name: str) -> None:
    bundle = keep(home, {**files, name: b"\x80\x04."})
    with pytest.raises(InputError, match="files that no run writes"):
        log_pending(home, bundle.folder)
    assert Registry(home).versions("churn") == ()


def test_folders_that_are_no_bundle_of_a_run_are_refused(home: Home, files: dict[str, bytes]) -> None:
    with pytest.raises(CorruptError, match="missing"):
        log_pending(home, home.path / "nowhere")
    few = keep(home, {FACTS: files[FACTS]})
    with pytest.raises(InputError, match="not a finished run"):
        log_pending(home, few.folder)
    other = {k: v for k, v in files.items() if k != FACTS}
    facts = files[FACTS].replace(b'"model_sha256": "', b'"model_sha256": "f')
    with pytest.raises(CorruptError, match="another model"):
        log_pending(home, keep(home, {**other, FACTS: facts}).folder)


def test_a_bundles_name_is_the_hash_of_all_that_is_in_it(home: Home, files: dict[str, bytes]) -> None:
    bundle = keep(home, files)
    assert bundle.folder.name == bundle.sha256 == write_sealed(home.path / "again", files)
    assert keep(home, {**files, "plots/x.png": b""}).sha256 != bundle.sha256
