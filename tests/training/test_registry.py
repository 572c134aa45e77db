import json
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.models import ModelSignature

from features.errors import CorruptError, InputError, NotReadyError, RefusedError
from features.home import Home
from tests.training.examples import CURRENCY, quick
from training import registry as module
from training.artifact import save_model
from training.datasets import TrainingSet
from training.evaluate import Evaluation, evaluate
from training.facts import bundle_files, nested
from training.fit import Fitted
from training.gates import Verdict
from training.pipeline import TrainResult, train_on
from training.registry import ModelVersion, Registry
from training.specs import CHURN
from training.split import out_of_time
from training.versions.bundle import Bundle, keep
from training.versions.recipe import recipe_of

AT = datetime(2026, 10, 31, tzinfo=UTC)
YES = Verdict(True, ("good",))


@pytest.fixture(scope="module")
def evaluation(churn_fitted: Fitted, churn_set: TrainingSet) -> Evaluation:
    return evaluate(churn_fitted.model, churn_set, out_of_time(churn_set.frame, CHURN))


@pytest.fixture
def plots(tmp_path: Path) -> Path:
    folder = tmp_path / "plots"
    folder.mkdir()
    (folder / "churn.png").write_bytes(b"png")
    return folder


def _bundle(home: Home, fitted: Fitted, evaluation: Evaluation, plots: Path, run: int = 0) -> Bundle:
    recipe = recipe_of(CHURN, None, currency=CURRENCY, seed=7, fingerprint=f"{run:064x}")
    means = {"against": None, "who": f"trainer {run}"}
    return keep(home, bundle_files(recipe, fitted, evaluation, {}, plots, **means))


def _log(
    home: Home, fitted: Fitted, evaluation: Evaluation, plots: Path, run: int | None = None
) -> ModelVersion:
    """Log a run; without a number, one that is not the last one once more."""
    number = len(Registry(home).versions("churn")) if run is None else run
    return Registry(home).log(_bundle(home, fitted, evaluation, plots, number))


def test_a_run_holds_what_it_takes_to_judge_and_to_repeat_it(trained: tuple[Home, TrainResult]) -> None:
    home, result = trained
    client = Registry(home)._client()
    run = client.get_run(result.version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["seed"] == "7"
    assert run.data.params["num_leaves"] == "7"
    assert run.data.tags["data_fingerprint"] == "0" * 64
    assert run.data.tags["code_version"]
    assert len(run.data.tags["code_commit"]) == 40
    assert run.data.tags["lone_feature.churn"] in {"balance", "sessions"}
    stored = home.artifacts / result.version.run_id / "artifacts"
    assert (stored / "plots" / "churn.png").read_bytes().startswith(b"\x89PNG")
    signature = ModelSignature.from_dict(json.loads((stored / "signature.json").read_text()))
    assert signature.inputs.input_names() == ["balance", "sessions", "noise", "region", "age_years"]
    assert {c.type.name for c in (*signature.inputs, *signature.outputs)} == {"double"}
    assert [c.required for c in (*signature.inputs, *signature.outputs)] == [False] * 5 + [True]
    assert not [
        p for p in stored.rglob("*") if p.suffix in {".pkl", ".pickle", ".joblib"} or p.name == "MLmodel"
    ]


def test_metrics_come_back_exactly(trained: tuple[Home, TrainResult]) -> None:
    home, result = trained
    assert Registry(home).metrics(result.version) == result.metrics
    assert nested(Registry(home)._client().get_run(result.version.run_id).data.metrics) == result.metrics
    assert Registry(home).against(result.version) == (None, {})


def test_the_version_carries_the_artifacts_hash(trained: tuple[Home, TrainResult], tmp_path: Path) -> None:
    home, result = trained
    version = Registry(home).challenger("churn")
    assert version == result.version
    assert save_model(tmp_path / "again", Registry(home).load(version)) == version.sha256
    mlflows = Registry(home)._client().get_model_version_by_alias("churn", "challenger")
    assert mlflows.tags["sha256"] == version.sha256
    assert mlflows.source.startswith(home.artifacts.as_uri())


def test_champions_move_forward_and_back(home, churn_fitted, evaluation, plots) -> None:
    registry = Registry(home)
    with pytest.raises(NotReadyError, match="tenure train churn"):
        registry.champion("churn")
    with pytest.raises(NotReadyError):
        registry.challenger("churn")
    one, two = (_log(home, churn_fitted, evaluation, plots) for _ in range(2))
    assert registry.promote(one, YES, who="ada", at=AT).version == 1
    with pytest.raises(RefusedError, match="no earlier champion"):
        registry.rollback("churn", who="ada", at=AT)
    registry.promote(two, YES, who="ada", at=AT)
    assert [v.aliases for v in registry.versions("churn")] == [("previous",), ("challenger", "champion")]
    with pytest.raises(RefusedError, match="already"):
        registry.promote(two, YES, who="ada", at=AT)
    assert registry.rollback("churn", who="bob", at=AT).version == 1
    version = registry.champion("churn")
    assert (version.version, version.aliases) == (1, ("champion",))
    assert registry.load(version).name == "churn"
    aliases = registry._client().get_registered_model("churn").aliases
    assert aliases == {"challenger": 2, "champion": 1}


def test_a_verdict_against_it_keeps_a_version_from_becoming_champion(
    home, churn_fitted, evaluation, plots
) -> None:
    version = _log(home, churn_fitted, evaluation, plots)
    with pytest.raises(RefusedError, match="too weak"):
        Registry(home).promote(version, Verdict(False, ("too weak",)), who="ada", at=AT)
    assert not (home.artifacts / "ledger.jsonl").exists()


def test_an_alias_moved_in_mlflow_does_not_make_a_champion(home, churn_fitted, evaluation, plots) -> None:
    one, _ = (_log(home, churn_fitted, evaluation, plots) for _ in range(2))
    registry = Registry(home)
    registry.promote(one, YES, who="ada", at=AT)
    registry._client().set_registered_model_alias("churn", "champion", "2")
    assert registry.champion("churn").version == 1


def test_damaged_files_are_neither_promoted_nor_served(home, churn_fitted, evaluation, plots) -> None:
    one, two = (_log(home, churn_fitted, evaluation, plots) for _ in range(2))
    registry = Registry(home)
    registry.promote(one, YES, who="ada", at=AT)
    (home.artifacts / two.run_id / "artifacts" / "model" / "heads" / "churn.txt").write_text("tree")
    with pytest.raises(CorruptError):
        registry.promote(two, YES, who="ada", at=AT)
    assert registry.champion("churn").version == 1
    (home.artifacts / one.run_id / "artifacts" / "model" / "stranger").write_text("")
    with pytest.raises(CorruptError, match="stranger"):
        registry.load(registry.champion("churn"))


def test_a_home_may_be_copied_and_the_copy_leaves_the_first_alone(
    home, churn_fitted, evaluation, plots, tmp_path: Path
) -> None:
    registry = Registry(home)
    registry.promote(_log(home, churn_fitted, evaluation, plots), YES, who="ada", at=AT)
    shutil.copytree(home.path, tmp_path / "copy")
    before = set(home.path.rglob("*"))
    copy = Home(tmp_path / "copy")
    assert Registry(copy).load(Registry(copy).champion("churn")).name == "churn"
    assert _log(copy, churn_fitted, evaluation, plots).version == 2
    assert _log(copy, churn_fitted, evaluation, plots).version == 3
    assert set(home.path.rglob("*")) == before
    assert [v.version for v in registry.versions("churn")] == [1]


def test_a_version_in_service_or_one_rollback_away_cannot_be_deleted(
    home, churn_fitted, evaluation, plots
) -> None:
    registry = Registry(home)
    one, two, three = (_log(home, churn_fitted, evaluation, plots) for _ in range(3))
    registry.promote(one, YES, who="ada", at=AT)
    registry.promote(two, YES, who="ada", at=AT)
    for number in (1, 2):
        with pytest.raises(RefusedError, match="in service, or one rollback away"):
            registry.delete("churn", number)
    assert registry.delete("churn", 3).run_id == three.run_id
    assert [v.version for v in registry.versions("churn")] == [1, 2]
    assert not (home.artifacts / three.run_id / "artifacts" / "model").exists()
    with pytest.raises(InputError, match="no such version"):
        registry.delete("churn", 3)
    assert registry.load(registry.rollback("churn", who="ada", at=AT)).name == "churn"


def test_a_version_deleted_past_us_in_mlflow_goes_on_serving(home, churn_fitted, evaluation, plots) -> None:
    registry = Registry(home)
    version = registry.promote(_log(home, churn_fitted, evaluation, plots), YES, who="ada", at=AT)
    registry._client().delete_model_version("churn", "1")
    assert registry.versions("churn") == ()
    assert registry.champion("churn") == version
    assert registry.load(version).name == "churn"
    assert _log(home, churn_fitted, evaluation, plots, 9).version == 2


@pytest.mark.parametrize(
    "step",
    ["create_run", "log_batch", "log_artifacts", "set_terminated", "create_model_version"],
)
def test_a_stop_between_steps_leaves_no_half_version(
    home, churn_fitted, evaluation, plots, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, step, stop)
        with pytest.raises(KeyboardInterrupt):
            _log(home, churn_fitted, evaluation, plots)
    assert Registry(home).versions("churn") == ()
    assert _log(home, churn_fitted, evaluation, plots).version == 1


def test_a_stop_after_the_version_is_made_leaves_a_whole_one(
    home, churn_fitted, evaluation, plots, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_registered_model_alias", stop)
        with pytest.raises(KeyboardInterrupt):
            _log(home, churn_fitted, evaluation, plots)
    version = Registry(home).challenger("churn")
    assert Registry(home).load(version).name == "churn"


def test_a_stored_file_that_did_not_arrive_whole_is_not_registered(
    home, churn_fitted, evaluation, plots, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MlflowClient.log_artifacts

    def torn(self: MlflowClient, run_id: str, folder: str) -> None:
        real(self, run_id, folder)
        for text in (home.artifacts / run_id).rglob("heads/*.txt"):
            text.write_bytes(text.read_bytes()[:500])

    monkeypatch.setattr(MlflowClient, "log_artifacts", torn)
    with pytest.raises(CorruptError):
        _log(home, churn_fitted, evaluation, plots)
    assert Registry(home).versions("churn") == ()


def test_a_stop_while_the_database_is_made_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(uri: str, _: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_bytes(b"SQLite format 3\x00 and no more")
        raise KeyboardInterrupt

    home = Home(tmp_path)
    monkeypatch.setattr(module, "_store", lambda: half)
    with pytest.raises(KeyboardInterrupt):
        Registry(home)._client()
    assert [p.name for p in tmp_path.iterdir()] == ["artifacts"]


CHILD = """
import os, sys, signal
from pathlib import Path
from features.home import Home
from training.registry import Registry
client = Registry(Home(Path(sys.argv[1])))._client()
client.create_experiment("of " + sys.argv[2])
if sys.argv[2] == "last":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_that_touch_a_new_home_at_once_make_one_good_database(tmp_path: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), name]) for name in ("first", "last")
    ]
    codes = [child.wait(timeout=120) for child in children]
    assert codes == [0, -signal.SIGKILL]
    found = {e.name for e in Registry(Home(tmp_path))._client().search_experiments()}
    assert {"of first", "of last"} <= found
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


def test_serving_loads_a_champion_without_mlflow(home, churn_fitted, evaluation, plots) -> None:
    registry = Registry(home)
    registry.promote(_log(home, churn_fitted, evaluation, plots), YES, who="ada", at=AT)
    code = (
        "import sys; from pathlib import Path; from features.home import Home\n"
        "from training.versions.champions import Champions\n"
        "champions = Champions(Home(Path(sys.argv[1]))); version = champions.champion('churn')\n"
        "print(champions.load(version).name)\n"
        "print(any(m.split('.')[0] in {'mlflow', 'feast', 'matplotlib'} for m in sys.modules))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(home.path)], capture_output=True, text=True, check=True
    )
    assert out.stdout.split() == ["churn", "False"]


def test_the_quick_spec_trains_into_a_second_home_with_the_same_hash(
    trained: tuple[Home, TrainResult], churn_set: TrainingSet, home: Home
) -> None:
    again = train_on(
        home, quick(CHURN), churn_set, currency=CURRENCY, threads=1, seed=7, tell=lambda _: None
    )
    assert again.version.sha256 == trained[1].version.sha256
