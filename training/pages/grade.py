"""A model's grade in plain words: how it does beside named baselines on the same test rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from training.artifact import Matrix
from training.evaluate import HeadResult
from training.measures import auc, average_precision, delong, lift, normalised_gini

__all__ = ["Baseline", "Grade", "grade_amount", "grade_probability", "paired_auc", "paired_gini"]

Letter = Literal["A", "B", "C"]

_Z = 1.96
_SLOPE = (0.8, 1.25)
_BIAS = 0.05
_DRAWS, _ROWS, _SEED = 200, 20_000, 7


@dataclass(frozen=True)
class Baseline:
    """One plain method on the model's test rows.

    score
        AUC for probabilities, normalised Gini for amounts; NaN where it cannot rank.
    ahead, low, high
        The model's score less the baseline's, and its 95% interval over the customers.
    measures
        What else the page shows of it, by name.
    """

    name: str
    score: float
    ahead: float
    low: float
    high: float
    measures: Mapping[str, float]


@dataclass(frozen=True)
class Grade:
    """How a model stands beside plain methods, on the same test rows.

    letter
        A: beats every baseline by more than chance, and its figures hold. B: beats every baseline, but
        one of them within chance, or its figures are off. C: a baseline is as good.
    """

    letter: Letter
    says: str
    baselines: tuple[Baseline, ...]


def grade_probability(head: HeadResult, plain: Mapping[str, Matrix]) -> Grade:
    """Grade a probability against plain scores on the same rows, each of shape (n,), and the base rate."""
    rows = [_beside(head, name, score) for name, score in plain.items()]
    rate = float(head.actual.mean())
    base = _beside(head, "base rate for everybody", np.full(len(head.actual), rate))
    slope = head.metrics.get("calibration_slope", float("nan"))
    room = 2 * head.metrics.get("calibration_slope_error", 0.0)
    sharper = head.metrics.get("brier", 1.0) < head.metrics.get("brier_base_rate", 0.0)
    holds = sharper and _SLOPE[0] - room <= slope <= _SLOPE[1] + room
    off = f"its probabilities are off (calibration slope {slope:.2f})"
    return _graded("ranks customers", (base, *rows), holds, "its probabilities hold", off)


def grade_amount(head: HeadResult) -> Grade:
    """Grade expected amounts against the head's own baselines, by the order they give."""
    rows = [_amount_beside(head, name, amount) for name, amount in head.baselines.items()]
    bias = head.metrics.get("bias", float("nan"))
    holds = abs(bias) <= _BIAS and all(head.metrics["mae_share"] < row.measures["error"] for row in rows)
    off = f"its amounts are off ({bias:+.1%} in total, or a baseline's error is smaller)"
    return _graded("ranks customers by worth", tuple(rows), holds, "its amounts hold", off)


def paired_auc(actual: Matrix, mine: Matrix, theirs: Matrix) -> tuple[float, float, float]:
    """AUC of `mine` less that of `theirs` on the same rows, and its 95% interval (DeLong)."""
    aucs, covariance = delong(actual, np.vstack([mine, theirs]))
    error = float(max(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], 0.0)) ** 0.5
    ahead = float(aucs[0] - aucs[1])
    return ahead, ahead - _Z * error, ahead + _Z * error


def paired_gini(actual: Matrix, mine: Matrix, theirs: Matrix) -> tuple[float, float, float]:
    """Normalised Gini of `mine` less that of `theirs`, and its 95% interval by a bootstrap over customers.

    Both are drawn alike; of more than 20,000 rows every so-manieth is drawn from.
    """
    places = np.arange(0, len(actual), max(1, len(actual) // _ROWS))
    rng = np.random.default_rng(_SEED)
    draws = []
    for _ in range(_DRAWS):
        rows = rng.choice(places, len(places))
        draws.append(
            normalised_gini(actual[rows], mine[rows]) - normalised_gini(actual[rows], theirs[rows])
        )
    low, high = np.quantile(draws, (0.025, 0.975))
    return normalised_gini(actual, mine) - normalised_gini(actual, theirs), float(low), float(high)


def _beside(head: HeadResult, name: str, score: Matrix) -> Baseline:
    shown = {
        "pr_auc": average_precision(head.actual, score),
        "lift_10": lift(head.actual, score, 0.10) if np.ptp(score) else 1.0,
    }
    return Baseline(name, auc(head.actual, score), *paired_auc(head.actual, head.predicted, score), shown)


def _amount_beside(head: HeadResult, name: str, amount: Matrix) -> Baseline:
    total = abs(float(head.actual.sum())) or float("nan")
    shown = {
        "error": float(np.abs(amount - head.actual).sum()) / total,
        "bias": float((amount - head.actual).sum()) / total,
    }
    ahead = paired_gini(head.actual, head.predicted, amount)
    return Baseline(name, normalised_gini(head.actual, amount), *ahead, shown)


def _graded(does: str, baselines: tuple[Baseline, ...], holds: bool, kept: str, off: str) -> Grade:
    """The letter by the closest baseline, and the reasons in words."""
    known = [row for row in baselines if np.isfinite(row.ahead)]
    if not known:
        return Grade("C", "It cannot be compared: the test is too small.", baselines)
    closest = min(known, key=lambda row: row.ahead)
    if closest.ahead <= 0:
        return Grade("C", f"It {does} no better than the {closest.name}, so it adds nothing.", baselines)
    chance = [row.name for row in known if row.low <= 0]
    if chance:
        but = f"the lead over the {chance[0]} may be chance"
        also = "" if holds else f", and {off}"
        return Grade("B", f"It {does} better than every baseline, but {but}{also}.", baselines)
    if not holds:
        return Grade(
            "B", f"It {does} better than every baseline by more than chance, but {off}.", baselines
        )
    return Grade("A", f"It {does} better than every baseline by more than chance, and {kept}.", baselines)
