"""LightGBM's parameters chosen on time-ordered folds of the training rows; the test stays unseen."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.errors import InputError, RefusedError
from features.vocabulary import AS_OF, CUSTOMER_ID
from training.artifact import Matrix
from training.bins import binned, deterministic, learned_columns
from training.calibrate import platt
from training.datasets import TrainingSet
from training.fit import TOTAL
from training.monotone import KNOWN_SIGNS, constraints
from training.specs import ModelSpec
from training.split import Split, bucket, moment_at, reach

if TYPE_CHECKING:
    from optuna import Trial

__all__ = ["Budget", "Tuned", "tune"]

_FOLDS = (0.6, 0.8)
"""Shares of the training rows that lie before the first and the second fold's check."""

_FEWEST = 10
_MOST_ROUNDS = 600
_PATIENCE = 40
_KEPT = 0.7
_EDGE = 1e-12


@dataclass(frozen=True)
class Budget:
    """How long to try: so many parameter sets, so many seconds, or what ends first of both."""

    trials: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Tuned:
    """What tuning found.

    params
        LightGBM parameters, rounds included; the spec's own where nothing beat them.
    trials
        Parameter sets that were tried.
    loss, loss_before
        Mean over folds and heads of log loss (amounts: squared error) as a share of what the base
        rate (the mean) would lose, with `params` and with the spec's own; below 1 is better than that.
    folds
        Rows learned from and checked on, fold by fold.
    """

    params: Mapping[str, Any]
    trials: int
    loss: float
    loss_before: float
    folds: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Check:
    """One head on one fold: the earlier rows as bins, the later ones as values and outcomes."""

    data: lightgbm.Dataset
    later: Matrix
    outcome: Matrix
    probability: bool


def tune(
    spec: ModelSpec,
    training_set: TrainingSet,
    split: Split,
    *,
    seed: int,
    threads: int,
    tell: Callable[[str], None],
    budget: Budget,
    signs: Mapping[str, int] | None = None,
) -> Tuned:
    """Choose parameters by Optuna's tree-structured Parzen estimator on the split's training rows alone.

    Each fold learns from rows whose outcomes were known when the rows it is checked on began; where
    the training rows span too little time for that, from earlier rows of other customers. Rounds
    follow from early stopping on the later rows. A given number of trials gives the same result
    whenever and on any number of threads; a time budget tries as many as fit. Weights against
    imbalance are tried like any parameter, judged by the calibrated loss.

    Raises
    ------
    InputError
        If the budget says neither.
    RefusedError
        If the training rows hold one moment only, or too few outcomes for a fold.
    """
    if not budget.trials and not budget.seconds:
        raise InputError("tuning needs a number of trials or of seconds; cure: give one")
    import optuna  # a second, which only who tunes need wait for

    logging.getLogger("optuna").setLevel(logging.WARNING)
    known = KNOWN_SIGNS.get(spec.name, {}) if signs is None else signs
    fixed, folds, checks = _checks(spec, training_set, split, known, deterministic(threads, seed))
    before = fmean(_loss(check, {**spec.params, **fixed}, None)[0] for check in checks)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({name: spec.params[name] for name in _TUNED if name in spec.params})
    rounds: dict[int, int] = {}

    def objective(trial: "Trial") -> float:
        params = {**spec.params, **_drawn(trial, checks[0].probability), **fixed}
        found = [_loss(check, {**params, "num_iterations": _MOST_ROUNDS}, _PATIENCE) for check in checks]
        rounds[trial.number] = max(1, round(median(best for _, best in found)))
        return fmean(loss for loss, _ in found)

    study.optimize(objective, n_trials=budget.trials, timeout=budget.seconds)
    best = study.best_trial
    loss, params = before, dict(spec.params)
    if best.value is not None and best.value < before:
        loss, params = best.value, {**params, **best.params, "num_iterations": rounds[best.number]}
    tell(
        f"{spec.name}: {len(study.trials)} parameter sets tried on {len(folds)} folds, "
        f"loss {loss:.4f}, {before:.4f} before"
    )
    return Tuned(params, len(study.trials), loss, before, folds)


_TUNED = (
    "num_leaves",
    "min_data_in_leaf",
    "learning_rate",
    "feature_fraction",
    "lambda_l2",
    "extra_trees",
)


def _drawn(trial: "Trial", probability: bool) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 10, 300, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.1, 100.0, log=True),
        "extra_trees": trial.suggest_categorical("extra_trees", [True, False]),
    }
    if probability:
        # LightGBM's name for a scale_pos_weight that evens out the two outcomes of each head.
        drawn["is_unbalance"] = trial.suggest_categorical("is_unbalance", [False, True])
    return drawn


def _checks(
    spec: ModelSpec,
    training_set: TrainingSet,
    split: Split,
    signs: Mapping[str, int],
    fixed: dict[str, Any],
) -> tuple[dict[str, Any], tuple[tuple[int, int], ...], list[_Check]]:
    """The parameters that are not tuned, the sizes of the folds, and each head on each fold."""
    features, columns = learned_columns(training_set, split.train)
    # Bins are made once for every parameter set, so none may leave features out of them.
    fixed = {**fixed, **constraints(features, signs), "feature_pre_filter": False}
    folds = _folds(spec, training_set, split)
    checks = []
    for label in training_set.labels if spec.name != "value" else (TOTAL,):
        target = training_set.frame[label].to_numpy(dtype=np.float64)[split.train]
        for earlier, later in folds:
            learned, checked = (rows[np.isfinite(target[rows])] for rows in (earlier, later))
            if spec.name != "value" and not _both(target[learned], target[checked]):
                continue
            data = binned(columns[learned], features, fixed).set_label(target[learned])
            checks.append(_Check(data, columns[checked], target[checked], spec.name != "value"))
    if not checks:
        raise RefusedError(
            f"model '{spec.name}': no fold of the training rows has {_FEWEST} of either outcome; cure: "
            "train without tuning, or import more history"
        )
    return fixed, tuple((len(a), len(b)) for a, b in folds), checks


def _folds(
    spec: ModelSpec, training_set: TrainingSet, split: Split
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    keys = training_set.frame[[AS_OF, CUSTOMER_ID]].iloc[split.train]
    times = keys[AS_OF]
    cuts = sorted({cut for share in _FOLDS if (cut := moment_at(times, share)) is not None})
    if not cuts:
        raise RefusedError(
            f"model '{spec.name}': the training rows hold one moment only, and tuning needs later rows to "
            "check on; cure: train without tuning, or import more history"
        )
    kept = bucket(keys[CUSTOMER_ID], "tune") < _KEPT
    folds = []
    for cut, end in zip(cuts, [*cuts[1:], None], strict=True):
        learned = (times + reach(spec) <= cut).to_numpy() & (times < cut).to_numpy()
        checked = (times >= cut).to_numpy() & (True if end is None else (times < end).to_numpy())
        if not learned.any():
            learned, checked = (times < cut).to_numpy() & kept, checked & ~kept
        folds.append((np.flatnonzero(learned), np.flatnonzero(checked)))
    return folds


def _both(*outcomes: Matrix) -> bool:
    return all(min(outcome.sum(), len(outcome) - outcome.sum()) >= _FEWEST for outcome in outcomes)


def _loss(check: _Check, params: dict[str, Any], patience: int | None) -> tuple[float, int]:
    """Loss on the later rows as a share of the base rate's, and the rounds that gave it."""
    params = {**params, "objective": "binary" if check.probability else "regression"}
    if params.get("is_unbalance"):
        params["metric"] = "auc"  # weights move the level, so log loss would stop far too early
    watched: dict[str, Any] = {}
    if patience is not None:
        later = lightgbm.Dataset(check.later, check.outcome, reference=check.data)
        watched = {"valid_sets": [later], "callbacks": [lightgbm.early_stopping(patience, verbose=False)]}
    booster = lightgbm.train(params, check.data, **watched)
    rounds = booster.best_iteration if patience is not None else booster.current_iteration()
    raw = booster.predict(check.later, raw_score=True, num_iteration=rounds)
    if not check.probability:
        return float(np.mean((check.outcome - raw) ** 2) / max(check.outcome.var(), _EDGE)), rounds
    slope, intercept = platt(raw, check.outcome)
    rate = np.full(len(raw), check.outcome.mean())
    return _log_loss(check.outcome, expit(slope * raw + intercept)) / _log_loss(check.outcome, rate), rounds


def _log_loss(outcome: Matrix, probability: Matrix) -> float:
    p = np.clip(probability, _EDGE, 1 - _EDGE)
    return float(-np.mean(outcome * np.log(p) + (1 - outcome) * np.log1p(-p)))
