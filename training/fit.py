"""From a training set to a calibrated model: pure, and the same bytes for the same rows and seed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from features.errors import RefusedError
from features.families.base import Field
from features.vocabulary import AS_OF, CUSTOMER_ID
from training.artifact import Head, HeadKind, Matrix, Model
from training.calibrate import conformal_shift, mean_shift, platt
from training.contract import Feature
from training.datasets import TrainingSet
from training.specs import ModelSpec
from training.split import Split

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
) -> Fitted:
    """Fit and calibrate every head of a model.

    Parameters
    ----------
    currency
        The reporting currency, recorded in the model.
    threads
        Threads for LightGBM; they change the time, never a byte of the result.

    Raises
    ------
    RefusedError
        If churn, a part of value, or every product has too few positives to learn from. A
        single product with too few is left out, and the log says why.
    """
    frame = training_set.frame
    features = tuple(_feature(f, frame[f.name].iloc[split.train]) for f in training_set.fields)
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
    matrix = contract.matrix(frame)
    params = {**spec.params, **_deterministic(threads, seed)}
    data = _binned(matrix[split.train], features, params)
    log, heads = FitLog(), []
    for task in _tasks(spec, training_set):
        if reason := _too_few(spec, task, split):
            log.refused[task.name] = reason
            tell(f"{spec.name}: no model for '{task.name}': {reason}")
            continue
        tell(f"{spec.name}: fitting '{task.name}'")
        learned = task.target[split.train]
        booster = lightgbm.train({**params, **_objective(task)}, _eligible(data, learned))
        heads.append(_calibrated(task, booster, matrix[split.calibrate], task.target[split.calibrate]))
        log.rows[task.name] = int(np.isfinite(learned).sum())
        log.positives[task.name] = _positives(task, learned)
    if not heads or (log.refused and spec.name != "propensity"):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in log.refused.items())
        raise RefusedError(f"model '{spec.name}' ({spec.definition}): {reasons}")
    return Fitted(replace(contract, heads=tuple(heads)), log)


def _feature(declared: Field, values: "pd.Series[Any]") -> Feature:
    known = values.dropna()
    if declared.dtype == "string":
        levels, typical = tuple(sorted(str(v) for v in known.unique())), None
    else:
        levels, typical = None, (float(known.median()) if len(known) else None)
    told = (declared.label, declared.unit, declared.protected)
    return Feature(declared.name, declared.dtype, levels, typical, *told, gaps=len(known) < len(values))


def _lineage(spec: ModelSpec, training_set: TrainingSet, split: Split, seed: int) -> dict[str, Any]:
    frame = training_set.frame
    learned, test = frame.iloc[split.train], frame.iloc[split.test]
    return {
        "fingerprint": training_set.fingerprint,
        "snapshots": [moment.isoformat() for moment in sorted(learned[AS_OF].unique())],
        "test_snapshots": [moment.isoformat() for moment in sorted(test[AS_OF].unique())],
        "rows": len(split.train),
        "calibration_rows": len(split.calibrate),
        "customers": int(learned[CUSTOMER_ID].nunique()),
        "seed": seed,
        "params": dict(spec.params),
        "lightgbm": lightgbm.__version__,
    }


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


def _binned(matrix: Matrix, features: tuple[Feature, ...], params: dict[str, Any]) -> lightgbm.Dataset:
    """The training rows as LightGBM's bins, once for all heads; labels follow head by head."""
    return lightgbm.Dataset(
        matrix,
        np.zeros(len(matrix)),
        feature_name=[f.name for f in features],
        categorical_feature=[i for i, f in enumerate(features) if f.levels is not None],
        params=params,
    ).construct()


def _eligible(data: lightgbm.Dataset, target: Matrix) -> lightgbm.Dataset:
    rows = np.flatnonzero(np.isfinite(target))
    # Constructed before the labels are set: a lazy subset takes its parent's labels later.
    return data.subset(rows).construct().set_label(target[rows])


def _objective(task: _Task) -> dict[str, Any]:
    if task.kind == "probability":
        return {"objective": "binary"}
    if task.kind == "amount":
        return {"objective": "regression"}
    return {"objective": "quantile", "alpha": _QUANTILES[task.name]}


def _deterministic(threads: int, seed: int) -> dict[str, Any]:
    return {
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "seed": seed,
        "verbosity": -1,
    }


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
