"""Bad input to training and to the registry: refused with reasons, and nothing registered.

Damage to an artifact's files beyond the sweep here is in `test_artifact`, to the ledger in
`test_ledger`, to a waiting bundle and to MLflow's database in `test_resilience`; the canary and
every other gate are in `test_gates`, two processes on a new database in `test_registry`.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest

from features.errors import CorruptError, InputError, RefusedError, TenureError
from features.families.base import Field
from features.home import Home
from tests.training.examples import CURRENCY, quick
from training.artifact import load_model, save_model
from training.bundle import pending_folder
from training.champions import Champions, ModelVersion
from training.datasets import TrainingSet
from training.fit import Fitted
from training.pipeline import train_on
from training.recipe import Origin
from training.registry import Registry
from training.sound import check_sound
from training.specs import CHURN

AT = datetime(2026, 10, 31, tzinfo=UTC)


def _with(examples: TrainingSet, **columns: object) -> TrainingSet:
    return replace(examples, frame=examples.frame.assign(**columns))


def _refusal(home: Home, examples: TrainingSet) -> TenureError:
    means = {"currency": CURRENCY, "threads": 1, "seed": 7, "tell": lambda _: None}
    with pytest.raises(TenureError) as refused:
        train_on(home, quick(CHURN), examples, **means)
    assert Registry(home).versions("churn") == ()
    assert not pending_folder(home).exists()
    return refused.value


def _first(examples: TrainingSet, column: str, value: float) -> pd.Series:
    values = examples.frame[column].astype("float64").copy()
    values.iloc[:7] = value
    return values


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (lambda s: s.frame["churn"] * np.nan, "0 positives in the training rows, 30 needed"),
        (lambda s: s.frame["churn"] * 0, "0 positives in the training rows, 30 needed"),
        (lambda s: s.frame["churn"] * 0 + 1, "held-out customers show one outcome only"),
        (lambda s: (s.frame["customer_id"] < "C000010") * 1.0, "positives in the training rows, 30 needed"),
    ],
    ids=["no label", "nobody left", "everybody left", "too few left"],
)
def test_labels_that_teach_nothing_are_refused(
    home: Home, churn_set: TrainingSet, label: Callable[[TrainingSet], pd.Series], reason: str
) -> None:
    error = _refusal(home, _with(churn_set, churn=label(churn_set)))
    assert isinstance(error, RefusedError)
    assert reason in str(error) and "cure" in str(error)


def test_a_missing_label_is_no_label_and_never_counts_as_stayed(home: Home, churn_set: TrainingSet) -> None:
    gone = churn_set.frame["churn"].where(churn_set.frame["customer_id"] >= "C000700")
    means = {"currency": CURRENCY, "threads": 1, "seed": 7, "tell": lambda _: None}
    result = train_on(home, quick(CHURN), _with(churn_set, churn=gone), **means)
    assert result.metrics["churn"]["rows"] == 800
    known = churn_set.frame[churn_set.frame["customer_id"] >= "C000700"]
    test = known[known["as_of"] == known["as_of"].max()]
    assert result.metrics["churn"]["base_rate"] == pytest.approx(test["churn"].mean())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda s: {"churn": _first(s, "churn", np.inf)}, "infinite values in 'churn'"),
        (lambda s: {"churn": _first(s, "churn", 0.5)}, "label 'churn' is neither 0 nor 1"),
        (lambda s: {"balance": _first(s, "balance", np.inf)}, "infinite values in 'balance'"),
        (lambda s: {"balance": _first(s, "balance", -np.inf)}, "infinite values in 'balance'"),
    ],
    ids=["infinite label", "half a label", "infinite feature", "minus infinity"],
)
def test_values_that_no_bank_has_are_refused_with_the_first_five_customers(
    home: Home, churn_set: TrainingSet, spoil: Callable[[TrainingSet], dict[str, object]], reason: str
) -> None:
    error = _refusal(home, _with(churn_set, **spoil(churn_set)))
    assert isinstance(error, InputError)
    assert reason in str(error)
    assert "C000000, C000001, C000002, C000003, C000004 (7 in all)" in str(error)


def test_two_rows_of_one_customer_at_one_snapshot_are_refused(home: Home, churn_set: TrainingSet) -> None:
    frame = pd.concat([churn_set.frame, churn_set.frame.iloc[[3]]], ignore_index=True)
    error = _refusal(home, replace(churn_set, frame=frame))
    assert "two rows of one snapshot, customers C000003" in str(error)


def test_a_snapshot_from_the_future_is_refused(churn_set: TrainingSet) -> None:
    last = churn_set.frame["as_of"].max().to_pydatetime()
    check_sound(CHURN, churn_set, last, lambda _: None)
    with pytest.raises(InputError, match="snapshots later than"):
        check_sound(CHURN, churn_set, last - timedelta(days=1), lambda _: None)


def test_columns_that_never_change_are_told_and_no_tree_can_use_them(
    home: Home, churn_set: TrainingSet
) -> None:
    told: list[str] = []
    fields = (
        *churn_set.fields,
        *(Field(n, "float64", "ratio", n, n, null="null") for n in ("flat", "void")),
    )
    idle = replace(_with(churn_set, flat=3.0, void=np.nan), fields=fields)
    means = {"currency": CURRENCY, "threads": 1, "seed": 7, "tell": told.append}
    result = train_on(home, quick(CHURN), idle, **means)
    assert "churn: nothing to learn from what never changes: flat, void" in told
    (head,) = Registry(home).load(result.version).heads
    used = dict(zip(head.booster.feature_name(), head.booster.feature_importance("split"), strict=True))
    assert used["flat"] == used["void"] == 0 < used["balance"]


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
