"""From a training set to a calibrated model: pure, and the same bytes for the same rows and seed.

Rare outcomes are neither resampled nor weighted: both leave the order of customers about as it is and
spoil the probabilities, which everything after the model multiplies by money. `training.tune` may
choose `scale_pos_weight` where it helps on later folds; the calibration then takes its bias out again.

Words become codes in the order of the contract's levels; a word that training never saw takes the
missing value's path (`training.contract`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from features.errors import RefusedError
from features.vocabulary import AS_OF, CUSTOMER_ID
from training.artifact import Head, HeadKind, Matrix, Model
from training.bins import binned, deterministic, eligible, learned_columns
from training.calibrate import conformal_shift, mean_shift, platt
from training.datasets import TrainingSet
from training.monotone import KNOWN_SIGNS, constraints
from training.specs import ModelSpec
from training.split import Split

__all__ = ["TOTAL", "FitLog", "Fitted", "fit"]

TOTAL = "value"
"""The label that the value model's parts add up to."""

_MOMENTS = 1000
"""Most moments that a model lists one by one."""

_QUANTILES = {"p10": 0.1, "p90": 0.9}


@dataclass(frozen=True)
class FitLog:
    """What happened while fitting.

    rows, positives
        Training rows and positives (for amounts: rows) of each head that was fitted.
    refused
        Heads without a model, name -> reason.
    """

    rows: dict[str, int] = field(default_factory=dict)
    positives: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitted:
    """A model and how it came about."""

    model: Model
    log: FitLog


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
        If churn, a part of value, or every product has too few positives to learn from. A
        single product with too few is left out, and the log says why.
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
        training=_lineage(spec, training_set, split, seed),
    )
    known = KNOWN_SIGNS.get(spec.name, {}) if signs is None else signs
    params = {**spec.params, **constraints(features, known), **deterministic(threads, seed)}
    data = binned(columns, features, params)
    del columns  # as large as the training rows, and the bins say all that is needed of it
    held_out = contract.matrix(frame.iloc[split.calibrate])
    log, heads = FitLog(), []
    for task in _tasks(spec, training_set):
        if reason := _too_few(spec, task, split):
            log.refused[task.name] = reason
            tell(f"{spec.name}: no model for '{task.name}': {reason}")
            continue
        tell(f"{spec.name}: fitting '{task.name}'")
        learned = task.target[split.train]
        booster = lightgbm.train({**params, **_objective(task)}, eligible(data, learned))
        heads.append(_calibrated(task, booster, held_out, task.target[split.calibrate]))
        log.rows[task.name] = int(np.isfinite(learned).sum())
        log.positives[task.name] = _positives(task, learned)
    if not heads or (log.refused and spec.name != "propensity"):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in log.refused.items())
        raise RefusedError(f"model '{spec.name}' ({spec.definition}): {reasons}")
    return Fitted(replace(contract, heads=tuple(heads)), log)


def _lineage(spec: ModelSpec, training_set: TrainingSet, split: Split, seed: int) -> dict[str, Any]:
    keys = training_set.frame[[AS_OF, CUSTOMER_ID]]
    learned, test = keys.iloc[split.train], keys.iloc[split.test]
    return {
        "fingerprint": training_set.fingerprint,
        "snapshots": _moments(learned[AS_OF]),
        "test_snapshots": _moments(test[AS_OF]),
        "rows": len(split.train),
        "calibration_rows": len(split.calibrate),
        "customers": int(learned[CUSTOMER_ID].nunique()),
        "seed": seed,
        "survival": list(training_set.survival),
        "params": dict(spec.params),
        "lightgbm": lightgbm.__version__,
    }


def _moments(times: "pd.Series[Any]") -> list[str]:
    """Every moment, or of a table without snapshots, where each row may have its own, the ends."""
    moments = times.drop_duplicates().sort_values()
    if len(moments) > _MOMENTS:
        moments = moments.iloc[:: len(moments) - 1]
    return [moment.isoformat() for moment in moments]


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
