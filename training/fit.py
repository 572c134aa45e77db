"""From a training set to a calibrated model: pure, and the same bytes for the same rows and seed.

Rare outcomes are neither resampled nor weighted: both leave the order of customers about as it is and
spoil the probabilities, which everything after the model multiplies by money. `training.tune` may
choose `scale_pos_weight` where it helps on later folds; the calibration then takes its bias out again.

Words become codes in the order of the contract's levels; a word that training never saw takes the
missing value's path (`training.contract`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from features.errors import RefusedError
from features.vocabulary import CUSTOMER_ID
from training.artifact import Head, HeadKind, Matrix, Model
from training.bins import binned, deterministic, eligible, learned_columns
from training.calibrate import conformal_shift, mean_shift, platt
from training.datasets import TrainingSet
from training.monotone import KNOWN_SIGNS, constraints
from training.pooled import POOL, any_taken, pooled_heads
from training.specs import ModelSpec
from training.split import Split
from training.versions.lineage import learned_from

__all__ = ["TOTAL", "FitLog", "Fitted", "fit"]

TOTAL = "value"
"""The label that the value model's parts add up to."""

_QUANTILES = {"p10": 0.1, "p90": 0.9}


@dataclass(frozen=True)
class FitLog:
    """What happened while fitting.

    rows, positives
        Training rows and positives (for amounts: rows) of each head that was fitted.
    refused
        Heads without a model, name -> reason.
    pooled
        Products that share one booster (`training.pooled`), name -> why they have none of their own.
    """

    rows: dict[str, int] = field(default_factory=dict)
    positives: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    pooled: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitted:
    """A model and how it came about.

    pool
        Of propensity, every product's head on the common booster, whether the model uses it or not.
    """

    model: Model
    log: FitLog
    pool: Mapping[str, Head] = field(default_factory=dict)


@dataclass(frozen=True)
class _Task:
    """One head to fit: rows are NaN in `target` where the customer is not eligible."""

    name: str
    kind: HeadKind
    target: Matrix


def fit(
    spec: ModelSpec,
    training_set: TrainingSet,
    split: Split,
    *,
    currency: str,
    threads: int,
    seed: int,
    tell: Callable[[str], None],
    signs: Mapping[str, int] | None = None,
) -> Fitted:
    """Fit and calibrate every head of a model.

    Parameters
    ----------
    currency
        The reporting currency, recorded in the model.
    threads
        Threads for LightGBM; they change the time, never a byte of the result.
    signs
        Feature -> 1 or -1, which way it must move the answer; by default what the bank knows of
        the model (`training.monotone`). The 10th and 90th percentile and the parts of a value
        are held to them as well.

    Raises
    ------
    InputError
        If a feature of words is given a sign.
    RefusedError
        If churn, a part of value, or all products together have too few positives to learn from.
        A single product with too few is pooled with the others, and the log says why.
    """
    frame = training_set.frame
    features, columns = learned_columns(training_set, split.train)
    contract = Model(
        name=spec.name,
        definition=spec.definition,
        horizon_days=spec.horizon_days,
        gap_days=spec.gap_days,
        currency=currency,
        features=features,
        heads=(),
        training=learned_from(spec, training_set, split, seed),
    )
    known = KNOWN_SIGNS.get(spec.name, {}) if signs is None else signs
    params = {**spec.params, **constraints(features, known), **deterministic(threads, seed)}
    data = binned(columns, features, params)
    del columns  # as large as the training rows, and the bins say all that is needed of it
    held_out = contract.matrix(frame.iloc[split.calibrate])

    def learn(task: _Task) -> lightgbm.Booster:
        return lightgbm.train({**params, **_objective(task)}, eligible(data, task.target[split.train]))

    tasks = _tasks(spec, training_set)
    pool = _pool(spec, tasks, split, learn, held_out, frame[CUSTOMER_ID])
    log, heads = FitLog(), []
    for task in tasks:
        learned = task.target[split.train]
        if reason := _too_few(spec, task, split):
            if task.name not in pool:
                log.refused[task.name] = reason
                tell(f"{spec.name}: no model for '{task.name}': {reason}")
                continue
            log.pooled[task.name] = reason
            heads.append(pool[task.name])
            tell(f"{spec.name}: '{task.name}' is pooled with the other products: {reason}")
        else:
            tell(f"{spec.name}: fitting '{task.name}'")
            heads.append(_calibrated(task, learn(task), held_out, task.target[split.calibrate]))
        log.rows[task.name] = int(np.isfinite(learned).sum())
        log.positives[task.name] = _positives(task, learned)
    if log.refused:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in log.refused.items())
        raise RefusedError(f"model '{spec.name}' ({spec.definition}): {reasons}")
    return Fitted(replace(contract, heads=tuple(heads)), log, pool)


def _pool(
    spec: ModelSpec,
    tasks: Sequence[_Task],
    split: Split,
    learn: Callable[[_Task], lightgbm.Booster],
    held_out: Matrix,
    customers: "pd.Series[str]",
) -> dict[str, Head]:
    """Every product's head on the common booster; none where all together are too few, or there is one."""
    if spec.name != "propensity" or len(tasks) < 2:
        return {}
    targets = {task.name: task.target for task in tasks}
    anything = _Task(POOL, "probability", any_taken(targets))
    if _too_few(spec, anything, split):
        return {}
    return pooled_heads(learn(anything), held_out, targets, split, customers)


def _tasks(spec: ModelSpec, training_set: TrainingSet) -> list[_Task]:
    target = {name: training_set.frame[name].to_numpy(dtype=np.float64) for name in training_set.labels}
    if spec.name != "value":
        return [_Task(name, "probability", target[name]) for name in training_set.labels]
    parts = [_Task(name, "amount", target[name]) for name in training_set.labels if name != TOTAL]
    return [*parts, *(_Task(name, "quantile", target[TOTAL]) for name in _QUANTILES)]


def _positives(task: _Task, target: Matrix) -> int:
    if task.kind == "probability":
        return int(np.nansum(target))
    return int(np.isfinite(target).sum())


def _too_few(spec: ModelSpec, task: _Task, split: Split) -> str:
    """Why a head cannot be fitted; empty if it can."""
    if not np.isfinite(task.target[split.train]).any():
        return "no outcome of it in the training rows; cure: import more history"
    needed = spec.gates.min_positives
    what = "positives" if task.kind == "probability" else "rows"
    for where, rows in (("training", split.train), ("test", split.test)):
        found = _positives(task, task.target[rows])
        if found < needed:
            return f"{found} {what} in the {where} rows, {needed} needed; cure: import more history"
    held_out = task.target[split.calibrate]
    held_out = held_out[np.isfinite(held_out)]
    if task.kind == "probability" and not 0 < held_out.sum() < len(held_out):
        return "held-out customers show one outcome only; cure: import more history"
    return ""


def _objective(task: _Task) -> dict[str, Any]:
    if task.kind == "probability":
        return {"objective": "binary"}
    if task.kind == "amount":
        return {"objective": "regression"}
    return {"objective": "quantile", "alpha": _QUANTILES[task.name]}


def _calibrated(task: _Task, booster: lightgbm.Booster, matrix: Matrix, target: Matrix) -> Head:
    """The head with its correction fitted on held-out customers."""
    held_out = np.isfinite(target)
    raw = Head(task.name, task.kind, {}, booster).raw(matrix[held_out])
    actual = target[held_out]
    calibration: dict[str, float]
    if task.kind == "probability":
        slope, intercept = platt(raw, actual)
        calibration = {"slope": slope, "intercept": intercept}
    elif task.kind == "amount":
        calibration = {"shift": mean_shift(raw, actual)}
    else:
        calibration = {"shift": conformal_shift(raw, actual, _QUANTILES[task.name])}
    return Head(task.name, task.kind, calibration, booster)
