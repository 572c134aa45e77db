"""The model on parts of the test: where it is weaker, and where its level is off.

One definition for both who read it: the page shows every part, the gates judge those that are large
enough to say something, so that a good average cannot hide customers the model is wrong about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from features.vocabulary import AS_OF
from training.artifact import Matrix, Model
from training.datasets import TrainingSet
from training.estimate import Estimate, Z, by_influence, by_resamples
from training.evaluate import Evaluation, HeadResult
from training.fit import TOTAL
from training.groups import Names, ordered, parts_of
from training.measures import delong, normalised_gini
from training.split import Split

__all__ = [
    "FEWEST",
    "JUDGED_POSITIVES",
    "JUDGED_ROWS",
    "Parts",
    "Slice",
    "Slices",
    "judged",
    "slices_of",
]

Slices = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Head -> slice, such as `region=north` -> rows and measures with the ends of their intervals."""

FEWEST = 20
"""Slices of fewer customers are not shown."""

JUDGED_POSITIVES = 30
"""A slice with fewer of either outcome says nothing about a probability."""

JUDGED_ROWS = 100
"""A slice of fewer customers says nothing about an amount: a single large one moves it."""

_DRAWS, _ROWS, _SEED = 100, 5_000, 7


@dataclass(frozen=True)
class Slice:
    """One part of the customers.

    positives
        To how many it happened; of an amount, 0.
    mean
        Base rate, or the mean amount in the reporting currency.
    score
        AUC (interval by DeLong), or normalised Gini (interval by a bootstrap over the customers).
    level
        Of a probability, what happened over what was predicted: 1 is right, above 1 the model is too
        low. Of an amount, predicted less actual, over what such customers bring or all bring if that
        is more: 0 is right, above 0 the model is too high.
    judged
        Whether it is large enough to be held against a model.
    """

    by: str
    name: str
    rows: int
    positives: int
    mean: float
    score: Estimate
    level: Estimate
    judged: bool


@dataclass(frozen=True)
class Parts:
    """A head's slices in the order of the page, and how many were hidden as too few customers."""

    shown: tuple[Slice, ...]
    hidden: int


def slices_of(
    model: Model,
    evaluation: Evaluation,
    training_set: TrainingSet,
    split: Split,
    groups: Mapping[str, Names] | None = None,
) -> dict[str, Parts]:
    """Every probability, and the sum of a value's parts, slice by slice.

    By what `groups` tells apart, kind, age, time with the bank, region, quarter of the balance, and
    month of the snapshot; what the frame lacks is left out. The months before the test's are those of
    customers whom the trees never saw.

    Parameters
    ----------
    groups
        What the bank itself tells customers apart by, such as segment and tier -> names of shape
        (n_test,), empty where none fits.
    """
    test = training_set.frame.iloc[split.test]
    parts = parts_of(test, groups or {})
    held_out = training_set.frame.iloc[split.calibrate]
    unseen = _answers(model, held_out) if len(held_out) else {}
    found = {}
    for head in evaluation.heads:
        if head.kind == "probability" or head.name == TOTAL:
            shown, hidden = _cut(head, {by: names[head.rows] for by, names in parts.items()})
            later = test[AS_OF].iloc[head.rows]
            months = [
                *_months(head, held_out, unseen.get(head.name)),
                *_by_month(head, later, "the test", head.actual, head.predicted),
            ]
            found[head.name] = Parts((*shown, *months), hidden)
    return found


def judged(found: Mapping[str, Parts]) -> dict[str, dict[str, dict[str, float]]]:
    """What is stored with a run and what its gates read: the slices large enough to be judged."""
    return {
        head: {f"{s.by}={s.name}": _measures(s) for s in parts.shown if s.judged}
        for head, parts in found.items()
    }


def _measures(part: Slice) -> dict[str, float]:
    score, level = ("auc", "observed_to_expected") if part.positives else ("gini", "bias")
    measures = {"rows": float(part.rows), "positives": float(part.positives)}
    for name, found in ((score, part.score), (level, part.level)):
        measures |= {name: found.point, f"{name}_low": found.low, f"{name}_high": found.high}
    return {name: number for name, number in measures.items() if np.isfinite(number)}


def _cut(head: HeadResult, parts: Mapping[str, Names]) -> tuple[list[Slice], int]:
    shown, hidden = [], 0
    for by, names in parts.items():
        for name in ordered(names):
            inside = names == name
            if inside.sum() < FEWEST:
                hidden += 1
            else:
                shown.append(_slice(by, name, head, head.actual[inside], head.predicted[inside]))
    return shown, hidden


def _answers(model: Model, frame: pd.DataFrame) -> dict[str, Matrix]:
    answers = model.predict(model.matrix(frame))
    amounts = [answers[head.name] for head in model.heads if head.kind == "amount"]
    return answers | ({TOTAL: np.sum(amounts, axis=0)} if amounts else {})


def _months(head: HeadResult, held_out: pd.DataFrame, predicted: Matrix | None) -> list[Slice]:
    if predicted is None:
        return []
    target = held_out[head.name].to_numpy(dtype=np.float64)
    known = np.isfinite(target)
    return _by_month(head, held_out[AS_OF][known], "unseen customers", target[known], predicted[known])


def _by_month(
    head: HeadResult, times: "pd.Series[Any]", who: str, actual: Matrix, predicted: Matrix
) -> list[Slice]:
    months = times.dt.strftime("%Y-%m").to_numpy()
    masks = {month: months == month for month in np.unique(months)}
    return [
        _slice("month", f"{month}, {who}", head, actual[inside], predicted[inside])
        for month, inside in masks.items()
        if inside.sum() >= FEWEST
    ]


def _slice(by: str, name: str, head: HeadResult, actual: Matrix, predicted: Matrix) -> Slice:
    about = (by, name, len(actual))
    mean = float(actual.mean())
    if head.kind == "probability":
        positives = int(actual.sum())
        enough = min(positives, len(actual) - positives) >= JUDGED_POSITIVES
        return Slice(*about, positives, mean, _auc(actual, predicted), _ratio(actual, predicted), enough)
    usual = max(abs(mean), abs(float(head.actual.mean())))
    enough = len(actual) >= JUDGED_ROWS
    return Slice(*about, 0, mean, _gini(actual, predicted), _bias(actual, predicted, usual), enough)


def _auc(actual: Matrix, predicted: Matrix) -> Estimate:
    (score,), covariance = delong(actual, predicted[None, :])
    error = Z * float(covariance[0, 0]) ** 0.5
    return Estimate(float(score), max(0.0, float(score) - error), min(1.0, float(score) + error))


def _ratio(actual: Matrix, predicted: Matrix) -> Estimate:
    """Outcomes over predictions; the ratio estimator's linearised error (Cochran 1977, 6.4)."""
    mean = float(predicted.mean())
    if not mean:
        return Estimate(*[float("nan")] * 3)
    ratio = float(actual.mean()) / mean
    return by_influence(ratio, (actual - ratio * predicted) / mean)


def _bias(actual: Matrix, predicted: Matrix, usual: float) -> Estimate:
    if not usual:
        return Estimate(*[float("nan")] * 3)
    off = (predicted - actual) / usual
    return by_influence(float(off.mean()), off - off.mean())


def _gini(actual: Matrix, predicted: Matrix) -> Estimate:
    """Normalised Gini; of more than 5,000 customers every so-manieth is drawn from."""
    gini = normalised_gini(actual, predicted)
    if not np.isfinite(gini):
        return Estimate(*[float("nan")] * 3)
    places = slice(None, None, max(1, len(actual) // _ROWS))
    drawn = bootstrap(
        (actual[places], predicted[places]),
        normalised_gini,
        n_resamples=_DRAWS,
        paired=True,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    )
    return by_resamples(gini, drawn.bootstrap_distribution)
