"""Signs that a model knows what it could not have known, and that the world moved: warnings with a cure.

They warn and do not refuse: each has an innocent explanation that only who made the table can give.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.vocabulary import AS_OF
from training.artifact import Matrix, Model
from training.bins import binned, deterministic
from training.contract import Feature
from training.datasets import TrainingSet
from training.evaluate import Evaluation
from training.measures import auc
from training.monitor import DRIFTED, psi
from training.specs import ModelSpec
from training.split import Split

__all__ = [
    "Warned",
    "drifts",
    "known_after",
    "lone_feature",
    "missingness",
    "random_above_time",
    "warnings",
]

_ROWS = 20_000
"""Rows that a check looks at, evenly spread: enough to tell an AUC to about a hundredth."""

_LONE = 0.90
_ABOVE = 0.05
_MISSING = 0.75
_LATER = 0.01
_ROUNDS = 60
_TOP = 5
_ROOM = 20 * 365.25 * 86_400
"""Seconds: a number further from the rows' times than twenty years is no date."""


@dataclass(frozen=True)
class Warned:
    """One warning.

    column
        The column to look at first.
    figure
        What was measured: an AUC, a difference of two, a share of rows or a stability index.
    text
        What was found and the cure, for people.
    """

    kind: Literal["lone feature", "random split", "known after", "missingness", "drift"]
    column: str
    figure: float
    text: str


def warnings(
    model: Model,
    training_set: TrainingSet,
    split: Split,
    evaluation: Evaluation,
    spec: ModelSpec,
    threads: int,
) -> tuple[Warned, ...]:
    """Every warning about a model with one probability, leaks before drift."""
    frame, label = training_set.frame, model.heads[0].name
    learned, test = (_spread(rows) for rows in (split.train, split.test))
    sample = frame.iloc[learned]
    before, after = model.matrix(sample), model.matrix(frame.iloc[test])
    outcome = sample[label].to_numpy(dtype=np.float64)
    later = frame.iloc[test][label].to_numpy(dtype=np.float64)
    return (
        *lone_feature(evaluation),
        *missingness(model.features, before, outcome),
        *known_after(model.features, before, sample[AS_OF]),
        *random_above_time(model.features, (before, outcome), (after, later), spec, threads),
        *drifts(model.features, before, after),
    )


def lone_feature(evaluation: Evaluation) -> list[Warned]:
    """A column that alone tells the outcome almost: AUC above 0.90 on the test."""
    found = []
    for head in evaluation.heads:
        figure = head.metrics.get("lone_auc", 0.0)
        if figure > _LONE:
            text = (
                f"'{head.lone_feature}' alone reaches AUC {figure:.3f} on the test; is it known before the "
                f"outcome? cure: --exclude {head.lone_feature} if not"
            )
            found.append(Warned("lone feature", head.lone_feature, figure, text))
    return found


def missingness(features: Sequence[Feature], matrix: Matrix, outcome: Matrix) -> list[Warned]:
    """Columns that are empty, or filled, where it happened: AUC of being there or not above 0.75.

    Parameters
    ----------
    matrix, outcome
        Shape (n, n_features), NaN where missing, and (n,), 0 or 1.
    """
    found = []
    for place, feature in enumerate(features):
        figure = auc(outcome, np.isnan(matrix[:, place]).astype(np.float64))
        figure = max(figure, 1 - figure)
        if figure > _MISSING:
            text = (
                f"whether '{feature.name}' is there tells the outcome with AUC {figure:.3f}: a column that "
                f"is filled in by what happens looks so; cure: --exclude {feature.name} if it is"
            )
            found.append(Warned("missingness", feature.name, figure, text))
    return found


def known_after(features: Sequence[Feature], matrix: Matrix, times: "pd.Series[Any]") -> list[Warned]:
    """Numbers that are dates (20260131, or seconds or milliseconds since 1970) after the row's time.

    Parameters
    ----------
    matrix, times
        Shape (n, n_features) and (n,), the moments of the rows.
    """
    seconds = (
        times.dt.tz_convert(None).astype("datetime64[s]").to_numpy().astype(np.int64).astype(np.float64)
    )
    found = []
    for place, feature in enumerate(features):
        stamps = None if feature.levels is not None else _as_seconds(matrix[:, place], seconds)
        if stamps is None:
            continue
        share = float(np.mean(stamps > seconds))
        if share > _LATER:
            text = (
                f"'{feature.name}' reads as a date, and in {share:.0%} of the rows it is later than the "
                f"row's own time: known only after; cure: --exclude {feature.name}"
            )
            found.append(Warned("known after", feature.name, share, text))
    return found


def random_above_time(
    features: Sequence[Feature],
    earlier: tuple[Matrix, Matrix],
    later: tuple[Matrix, Matrix],
    spec: ModelSpec,
    threads: int,
) -> list[Warned]:
    """A model that does well on a random split and not on later rows learned what does not last.

    Two quick models on as many rows, one tested on later rows, one on rows drawn from all: an AUC
    more than 0.05 apart is told, with the column that helps the second most beyond the first.

    Parameters
    ----------
    earlier, later
        Values (n, n_features) and outcomes (n,) of what was learned from and of the test.
    """
    (before, was), (after, became) = earlier, later
    all_rows, outcome = np.vstack([before, after]), np.concatenate([was, became])
    drawn = np.random.default_rng(0).permutation(len(all_rows))
    learned, tested = np.sort(drawn[: len(before)]), np.sort(drawn[len(before) :])
    quick = {**spec.params, "num_iterations": _ROUNDS, "learning_rate": 0.1, "objective": "binary"}
    params = {**quick, **deterministic(threads, seed=0)}
    by_time = lightgbm.train(params, binned(before, features, params).set_label(was))
    by_chance = lightgbm.train(
        params, binned(all_rows[learned], features, params).set_label(outcome[learned])
    )
    honest = auc(became, by_time.predict(after, num_threads=threads))
    random = auc(outcome[tested], by_chance.predict(all_rows[tested], num_threads=threads))
    if not random - honest > _ABOVE:
        return []
    gain = by_chance.feature_importance("gain") + by_time.feature_importance("gain")
    top = np.argsort(-gain, kind="stable")[:_TOP]
    passing = [
        _loses(by_chance, all_rows[tested], outcome[tested], at) - _loses(by_time, after, became, at)
        for at in top
    ]
    column = features[top[int(np.argmax(passing))]].name
    text = (
        f"a random split gives AUC {random:.3f}, later rows {honest:.3f}: what was learned does not last, "
        f"and '{column}' most of all; cure: --exclude {column} if it names a period or a row"
    )
    return [Warned("random split", column, random - honest, text)]


def drifts(features: Sequence[Feature], before: Matrix, after: Matrix) -> list[Warned]:
    """The five columns whose values moved most between training and test, where they count as moved."""
    moved = [(psi(before[:, i], after[:, i]), f.name) for i, f in enumerate(features)]
    top = sorted(moved, key=lambda pair: (-pair[0], pair[1]))[:_TOP]
    return [
        Warned(
            "drift",
            name,
            figure,
            f"'{name}' moved between training and test, stability index {figure:.2f} (from {DRIFTED} on "
            f"it is another distribution); cure: --exclude {name} if it only tells the time",
        )
        for figure, name in top
        if figure >= DRIFTED
    ]


def _spread(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    return rows[:: max(1, -(-len(rows) // _ROWS))]


def _loses(booster: lightgbm.Booster, matrix: Matrix, outcome: Matrix, place: int) -> float:
    """The AUC that a model owes to one column: with it, less with its values shuffled."""
    shuffled = matrix.copy()
    np.random.default_rng(0).shuffle(shuffled[:, place])
    with_it, without = (booster.predict(m, num_threads=1) for m in (matrix, shuffled))
    return auc(outcome, with_it) - auc(outcome, without)


def _as_seconds(values: Matrix, around: Matrix) -> Matrix | None:
    """Values as seconds since 1970, NaN where missing; None unless each is a date near the rows' times."""
    known = values[np.isfinite(values)]
    if not len(known) or (known % 1).any() or known.min() <= 0:
        return None
    low, high = around.min() - _ROOM, around.max() + _ROOM
    for read in _READINGS:
        stamps = read(values)
        there = stamps[np.isfinite(values)]
        if np.isfinite(there).all() and low < there.min() and there.max() < high:
            return stamps
    return None


def _from_digits(values: Matrix) -> Matrix:
    """20260131 as seconds; NaN where the digits are no date."""
    known = np.where(np.isfinite(values) & (values >= 19_000_101) & (values <= 21_001_231), values, 0)
    text = pd.Series(known.astype(np.int64).astype(str))
    days = pd.to_datetime(text, format="%Y%m%d", errors="coerce").astype("datetime64[s]").to_numpy()
    return np.where(np.isnat(days), np.nan, days.astype(np.int64).astype(np.float64))


_READINGS: tuple[Callable[[Matrix], Matrix], ...] = (lambda v: v, lambda v: v / 1000, _from_digits)
