"""The model on parts of the test: where it is weaker, and where its level is off."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.vocabulary import AS_OF
from training.artifact import Matrix, Model
from training.datasets import TrainingSet
from training.evaluate import HeadResult
from training.fit import TOTAL
from training.measures import delong, normalised_gini
from training.split import Split

__all__ = ["FEWEST", "Slice", "slices"]

FEWEST = 20
"""Slices of fewer customers are not shown."""

_Names = np.ndarray[Any, np.dtype[np.str_]]

_MOST = 12
_Z = 1.96
_AGES = {"under 26": 26, "26 to 44": 45, "45 to 64": 65, "65 and older": np.inf}
_TENURES = {
    "under 1 year": 365.25,
    "1 to 3 years": 1095.75,
    "3 to 10 years": 3652.5,
    "10 years or more": np.inf,
}


@dataclass(frozen=True)
class Slice:
    """One part of the customers.

    mean
        Base rate, or the mean amount in the reporting currency.
    score, low, high
        AUC with its 95% interval, or normalised Gini without one; NaN where it is not defined.
    ratio
        What happened over what was predicted: 1 is right, above 1 the model is too low.
    """

    by: str
    name: str
    rows: int
    mean: float
    score: float
    low: float
    high: float
    ratio: float


def slices(
    head: HeadResult, model: Model, training_set: TrainingSet, split: Split
) -> tuple[tuple[Slice, ...], int]:
    """A head by kind of customer, age, time with the bank, region, and month of the snapshot.

    The months before the test's are those of customers whom the trees never saw.

    Returns
    -------
    slices, hidden
        In the order of the page, and how many were hidden because they hold too few customers.
    """
    test = training_set.frame.iloc[split.test[head.rows]]
    shown, hidden = [], 0
    for by, names in _parts(test).items():
        for name in _ordered(names):
            inside = names == name
            if inside.sum() < FEWEST:
                hidden += 1
            else:
                shown.append(_slice(by, name, head, head.actual[inside], head.predicted[inside]))
    return (*shown, *_months(head, model, training_set, split)), hidden


def _parts(test: pd.DataFrame) -> dict[str, _Names]:
    """Kind of slice -> the part that each test row belongs to; shape (n,)."""
    parts = {}
    if "kind" in test:
        parts["kind"] = _words(test["kind"])
    if "age_years" in test:
        parts["age"] = _bands(test["age_years"], _AGES)
    if "tenure_days" in test:
        parts["time with the bank"] = _bands(test["tenure_days"], _TENURES)
    if "region" in test:
        parts["region"] = _words(test["region"])
    return parts


def _words(values: "pd.Series[str]") -> _Names:
    words = values.fillna("not known").astype(str)
    common = words.value_counts().index[:_MOST]
    return np.asarray(words.where(words.isin(common), "all others"), dtype=np.str_)


def _bands(values: "pd.Series[float]", ends: Mapping[str, float]) -> _Names:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    place = np.searchsorted(list(ends.values()), numbers, side="right")
    names = np.array([*ends, "not known"])
    return np.asarray(names[np.where(np.isfinite(numbers), np.minimum(place, len(ends) - 1), len(ends))])


def _ordered(names: _Names) -> list[str]:
    """Bands in their own order, words by count; what is not known comes last."""
    found, counts = np.unique(names, return_counts=True)
    place = {name: i for i, name in enumerate([*_AGES, *_TENURES])}
    last = ("all others", "not known")
    by_count = sorted(zip(found.tolist(), counts.tolist(), strict=True), key=lambda item: -item[1])
    return sorted((n for n, _ in by_count), key=lambda n: (n in last, place.get(n, 0)))


def _months(head: HeadResult, model: Model, training_set: TrainingSet, split: Split) -> list[Slice]:
    held_out = training_set.frame.iloc[split.calibrate]
    target = held_out[head.name].to_numpy(dtype=np.float64)
    known = np.isfinite(target)
    held_out, target = held_out[known], target[known]
    answers = model.predict(model.matrix(held_out)) if len(held_out) else {}
    predicted = answers.get(head.name)
    if head.name == TOTAL and answers:
        predicted = np.sum([answers[h.name] for h in model.heads if h.kind == "amount"], axis=0)
    months = held_out[AS_OF].dt.strftime("%Y-%m").to_numpy()
    last = training_set.frame[AS_OF].iloc[split.test].max()
    found = []
    for month in np.unique(months):
        inside = months == month
        if predicted is not None and inside.sum() >= FEWEST:
            name = f"{month}, unseen customers"
            found.append(_slice("month", name, head, target[inside], predicted[inside]))
    return [*found, _slice("month", f"{last:%Y-%m}, the test", head, head.actual, head.predicted)]


def _slice(
    by: str,
    name: str,
    head: HeadResult,
    actual: Matrix,
    predicted: Matrix,
) -> Slice:
    total = float(predicted.sum())
    ratio = float(actual.sum()) / total if total else float("nan")
    if head.kind == "probability":
        (score,), covariance = delong(actual, predicted[None, :])
        error = _Z * float(covariance[0, 0]) ** 0.5
        low, high = max(0.0, float(score) - error), min(1.0, float(score) + error)
    else:
        score, low, high = normalised_gini(actual, predicted), float("nan"), float("nan")
    return Slice(by, name, len(actual), float(actual.mean()), float(score), low, high, ratio)
