"""How good a model is on the out-of-time test, head by head, beside plain baselines."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.artifact import Head, HeadKind, Matrix, Model
from training.datasets import TrainingSet
from training.fit import TOTAL
from training.measures import (
    amount_measures,
    auc,
    average_precision,
    calibration_error,
    calibration_line,
    lift,
)
from training.split import Split
from training.worth.baselines import CARRIED_ON, RETAINED, plain_amounts
from training.worth.longer import longer_measures

__all__ = ["Evaluation", "HeadResult", "Metrics", "evaluate"]

Metrics = Mapping[str, Mapping[str, float]]
"""Head -> measure -> number."""

_LONE_ROWS = 20_000
_LONE_BINS = 32


@dataclass(frozen=True)
class HeadResult:
    """One head on the test rows for which its label exists.

    metrics
        Measure -> finite number; a measure that is not defined is left out. `pooled` is 1 for a
        product that shares its booster.
    actual, predicted
        Shape (n,): outcomes, and probabilities or amounts in the reporting currency.
    lone_feature
        The feature that alone discriminates best; empty for amounts.
    rows
        Shape (n,): which of the split's test rows these are.
    baselines
        For the sum of the value model's parts: what plain methods answer, by name, each of shape (n,).
    """

    name: str
    kind: HeadKind
    metrics: Mapping[str, float]
    actual: Matrix
    predicted: Matrix
    lone_feature: str = ""
    rows: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    baselines: Mapping[str, Matrix] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """A model's test results.

    longer
        Of value, `value_<months>` -> measure -> number for longer horizons (`training.worth.longer`).
    """

    heads: tuple[HeadResult, ...]
    longer: Metrics = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Head -> measure -> number, as the registry stores it."""
        found = {head.name: head.metrics for head in self.heads} | dict(self.longer)
        return {name: dict(measures) for name, measures in found.items()}


def evaluate(model: Model, training_set: TrainingSet, split: Split) -> Evaluation:
    """Measure every head of a model on the split's test rows.

    The value model's parts are measured one by one, and their sum as head `value`, together
    with the coverage of its P10-P90 range; longer horizons where they have passed.
    """
    test = training_set.frame.iloc[split.test]
    answers = model.predict(model.matrix(test))
    if model.name == "value":
        longer = longer_measures(model, training_set.frame, split.calibrate, training_set.later)
        return Evaluation(tuple(_amounts(model, training_set, split, answers)), longer)
    lone = _LoneFeatures(model, training_set.frame, split)
    # Of a product that was not on sale then, the test knows nothing.
    heads = [h for h in model.heads if h.name in training_set.labels and test[h.name].notna().any()]
    return Evaluation(tuple(_probability(head, test, answers[head.name], lone) for head in heads))


def _probability(head: Head, test: pd.DataFrame, answer: Matrix, lone: "_LoneFeatures") -> HeadResult:
    name = head.name
    actual = test[name].to_numpy(dtype=np.float64)
    known = np.isfinite(actual)
    actual, p = actual[known], answer[known]
    slope, intercept, slope_error = calibration_line(actual, p)
    feature, lone_auc = lone.best(name)
    rate = float(actual.mean()) if len(actual) else math.nan
    metrics = {
        "rows": float(len(actual)),
        "positives": float(actual.sum()),
        "base_rate": rate,
        "auc": auc(actual, p),
        "pr_auc": average_precision(actual, p),
        "lift_1": lift(actual, p, 0.01),
        "lift_5": lift(actual, p, 0.05),
        "lift_10": lift(actual, p, 0.10),
        "brier": float(np.mean((p - actual) ** 2)),
        "brier_base_rate": rate * (1 - rate),
        "ece": calibration_error(actual, p),
        "calibration_slope": slope,
        "calibration_slope_error": slope_error,
        "calibration_intercept": intercept,
        "expected": float(p.sum()),
        "observed_to_expected": float(actual.sum() / p.sum()) if p.sum() else math.nan,
        "lone_auc": lone_auc,
    }
    if head.basis == "pooled":
        metrics["pooled"] = 1.0
    return HeadResult(name, "probability", _finite(metrics), actual, p, feature, rows=np.flatnonzero(known))


def _amounts(
    model: Model, training_set: TrainingSet, split: Split, answers: dict[str, Matrix]
) -> list[HeadResult]:
    test = training_set.frame.iloc[split.test]
    parts = [head.name for head in model.heads if head.kind == "amount"]
    answers = {**answers, TOTAL: np.sum([answers[part] for part in parts], axis=0)}
    known = np.isfinite(test[TOTAL].to_numpy(dtype=np.float64))
    results = []
    for name in (*parts, TOTAL):
        actual, predicted = test[name].to_numpy(dtype=np.float64)[known], answers[name][known]
        metrics = amount_measures(actual, predicted)
        plain: dict[str, Matrix] = {}
        if name == TOTAL:
            low, high = answers["p10"][known], answers["p90"][known]
            plain = {n: a[known] for n, a in plain_amounts(training_set.frame, split, TOTAL).items()}
            metrics |= {
                "coverage": float(np.mean((low <= actual) & (actual <= high))),
                "below_p10": float(np.mean(actual < low)),
                "above_p90": float(np.mean(actual > high)),
                **_beside("carried_on", actual, plain[CARRIED_ON]),
                **_beside("average_retention", actual, plain[RETAINED]),
            }
        results.append(
            HeadResult(
                *(name, "amount", _finite(metrics), actual, predicted),
                rows=np.flatnonzero(known),
                baselines=plain,
            )
        )
    return results


def _beside(prefix: str, actual: Matrix, amount: Matrix) -> dict[str, float]:
    found = amount_measures(actual, amount)
    return {f"{prefix}_{name}": found[name] for name in ("gini", "mae_share", "bias")}


class _LoneFeatures:
    """How well each feature discriminates on its own: the baseline of one rule, and the leakage canary.

    A feature is cut into quantile bins on training rows, missing values in a bin of their own,
    and each bin answers with its training rate; so shape, words and missingness all count.
    """

    def __init__(self, model: Model, frame: pd.DataFrame, split: Split) -> None:
        sample = split.train[:: max(1, len(split.train) // _LONE_ROWS)]
        self._names = [f.name for f in model.features]
        self._learned, self._test = frame.iloc[sample], frame.iloc[split.test]
        learned, test = model.matrix(self._learned), model.matrix(self._test)
        self._bins = [_binned(learned[:, i], test[:, i]) for i in range(len(self._names))]

    def best(self, label: str) -> tuple[str, float]:
        """The best single feature for a label, and its AUC on the test; none without a training row."""
        learned = self._learned[label].to_numpy(dtype=np.float64)
        test = self._test[label].to_numpy(dtype=np.float64)
        here, there = np.isfinite(learned), np.isfinite(test)
        if not here.any():
            return "", math.nan
        scores = {}
        for name, (from_bins, to_bins) in zip(self._names, self._bins, strict=True):
            size = max(int(from_bins.max(initial=0)), int(to_bins.max(initial=0))) + 1
            count = np.bincount(from_bins[here], minlength=size)
            hits = np.bincount(from_bins[here], weights=learned[here], minlength=size)
            # One prior row at the base rate keeps empty bins from standing out.
            rate = (hits + learned[here].mean()) / (count + 1)
            scores[name] = auc(test[there], rate[to_bins[there]])
        return max(scores.items(), key=lambda item: item[1])


def _binned(learned: Matrix, test: Matrix) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    known = learned[np.isfinite(learned)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _LONE_BINS + 1)[1:])) if len(known) else known
    return _codes(edges, learned), _codes(edges, test)


def _codes(edges: Matrix, values: Matrix) -> NDArray[np.intp]:
    return np.where(np.isfinite(values), np.searchsorted(edges, values), len(edges) + 1)


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: float(number) for name, number in metrics.items() if math.isfinite(number)}
