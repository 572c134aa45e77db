"""From a training set to a calibrated model: pure, and the same bytes for the same rows and seed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from features.errors import RefusedError
from features.families.base import Field
from features.vocabulary import AS_OF, CUSTOMER_ID
from training.artifact import Feature, Head, HeadKind, Matrix, Model
from training.calibrate import conformal_shift, mean_shift, platt
from training.datasets import TrainingSet
from training.specs import ModelSpec
from training.split import Split

__all__ = ["FitLog", "Fitted", "fit"]

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
    features = tuple(
        _feature(f, frame[f.name].iloc[split.train]) for f in model_fields(training_set.fields)
    )
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
    matrix = contract.matrix({f.name: frame[f.name] for f in features})
    log, heads = FitLog(), []
    for task in _tasks(spec, training_set):
        if reason := _too_few(spec, task, split):
            log.refused[task.name] = reason
            tell(f"{spec.name}: no model for '{task.name}': {reason}")
            continue
        tell(f"{spec.name}: fitting '{task.name}'")
        heads.append(_fit_head(spec, task, matrix, split, features, threads, seed))
        learned = task.target[split.train]
        log.rows[task.name] = int(np.isfinite(learned).sum())
        log.positives[task.name] = _positives(task, learned)
    if not heads or (log.refused and spec.name != "propensity"):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in log.refused.items())
        raise RefusedError(f"model '{spec.name}' ({spec.definition}): {reasons}")
    return Fitted(Model(**{**contract.__dict__, "heads": tuple(heads)}), log)


def model_fields(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """The fields that a model may see: for models by declaration, and never protected ones."""
    return tuple(f for f in fields if f.use == "model" and not f.protected)


def _feature(declared: Field, values: "pd.Series[Any]") -> Feature:
    known = values.dropna()
    if declared.dtype == "string":
        levels, typical = tuple(sorted(str(v) for v in known.unique())), None
    else:
        levels, typical = None, (float(known.median()) if len(known) else None)
    return Feature(
        declared.name, declared.dtype, levels, typical, declared.label, declared.unit, declared.protected
    )


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
    targets = {name: training_set.frame[name].to_numpy(dtype=np.float64) for name in training_set.labels}
    if spec.name != "value":
        return [_Task(name, "probability", target) for name, target in targets.items()]
    total = np.sum(list(targets.values()), axis=0)
    return [_Task(name, "amount", target) for name, target in targets.items()] + [
        _Task(name, "quantile", total) for name in _QUANTILES
    ]


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
        return "held-out customers show one outcome only, so it cannot be calibrated; cure: import more history"
    return ""


def _fit_head(
    spec: ModelSpec,
    task: _Task,
    matrix: Matrix,
    split: Split,
    features: tuple[Feature, ...],
    threads: int,
    seed: int,
) -> Head:
    rows = split.train[np.isfinite(task.target[split.train])]
    held_out = split.calibrate[np.isfinite(task.target[split.calibrate])]
    params = {**spec.params, **_objective(task), **_deterministic(threads, seed)}
    data = lightgbm.Dataset(
        matrix[rows],
        task.target[rows],
        feature_name=[f.name for f in features],
        categorical_feature=[i for i, f in enumerate(features) if f.levels is not None],
        params=params,
    )
    head = Head(task.name, task.kind, {}, lightgbm.train(params, data))
    raw, actual = head.raw(matrix[held_out]), task.target[held_out]
    return Head(task.name, task.kind, _calibration(task, raw, actual), head.booster)


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


def _calibration(task: _Task, raw: Matrix, actual: Matrix) -> dict[str, float]:
    if task.kind == "probability":
        slope, intercept = platt(raw, actual)
        return {"slope": slope, "intercept": intercept}
    if task.kind == "amount":
        return {"shift": mean_shift(raw, actual)}
    return {"shift": conformal_shift(raw, actual, _QUANTILES[task.name])}
