"""Doubly robust scores: what a contact would change, estimated row by row from a randomised log.

A score's mean is unbiased as long as the propensities are right, however poor the outcome models are
(augmented inverse propensity weighting; Robins, Rotnitzky, Zhao 1994).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import rankdata

from training.estimate import Estimate, by_influence

__all__ = [
    "TRUST",
    "Line",
    "effect_scores",
    "effect_slope",
    "effects_by",
    "even_shift",
    "even_uplift",
    "rate",
    "shrunk_line",
]

_Array = NDArray[np.float64]

_EDGE = 1e-9
TRUST, _DOUBT = 0.5, 0.5
"""How far gentle learners' differences are believed before a log says so, and give or take how much."""

_WIDE = 12.0


@dataclass(frozen=True)
class Line:
    """From raw to calibrated uplift: `even + slope (raw - even - centre)`.

    `even` is the uplift if a contact moved everybody's log-odds alike, with the average effect of the log
    (`even_uplift`): the plainest answer, and what a log says that tells no more.

    average
        AIPW average effect with its interval, clustered by customer.
    found, error
        Slope of scores - even on raw - even (best linear predictor; Chernozhukov, Demirer, Duflo,
        Fernández-Val 2018) and its standard error: 1 where the raw uplift is right, 0 where what it adds
        is noise.
    slope
        What is to be believed after `found`, in [0, 1]: before any log, `shrunk_line`'s `trust`, give or
        take half (a normal prior); a large log speaks for itself.
    centre
        Mean of raw - even over the rows that the line is for.
    """

    average: Estimate
    found: float
    error: float
    slope: float
    centre: float


def effect_scores(
    treated: _Array, outcome: _Array, propensity: _Array, alone: _Array, contacted: _Array
) -> _Array:
    """AIPW scores (n,) with predictions `alone` and `contacted` of models that did not see the row."""
    lifted = treated * (outcome - contacted) / propensity
    scores: _Array = contacted - alone + lifted - (1 - treated) * (outcome - alone) / (1 - propensity)
    return scores


def even_shift(alone: _Array, average: float) -> float:
    """The shift of all log-odds that changes probabilities by `average` on the mean.

    Parameters
    ----------
    alone
        Probabilities if left alone, in (0, 1); where no shift reaches the average, all go to 0 or 1.
    """

    def short(shift: float) -> float:
        return float(np.mean(even_uplift(alone, shift))) - average

    if short(-_WIDE) >= 0 or short(_WIDE) <= 0:
        return -_WIDE if average < 0 else _WIDE
    return float(brentq(short, -_WIDE, _WIDE))


def even_uplift(alone: _Array, shift: float) -> _Array:
    """The uplift of each row (n,) if a contact adds `shift` to everybody's log-odds."""
    odds = logit(np.clip(alone, _EDGE, 1 - _EDGE))
    uplift: _Array = expit(odds + shift) - expit(odds)
    return uplift


def effect_slope(answer: _Array, scores: _Array, clusters: NDArray[Any]) -> Estimate:
    """Slope of doubly robust scores on answers (n,): 1 where promised differences are found.

    NaN with an endless interval where all answers are one.
    """
    centred = answer - answer.mean()
    spread = float(np.mean(centred**2))
    if spread <= np.finfo(np.float64).tiny:
        return Estimate(float("nan"), float("-inf"), float("inf"))
    found = float(np.mean(centred * scores)) / spread
    residual = scores - scores.mean() - found * centred
    return by_influence(found, centred * residual / spread, clusters)


def effects_by(
    offers: pd.DataFrame, scores: _Array, treated: _Array, clusters: NDArray[Any]
) -> tuple[tuple[str, str, int, Estimate], ...]:
    """Product, channel, contacts and average effect of each offer; `offers` has both words of n rows."""
    if len(offers.columns) < 2:
        return ()
    product, channel = (offers[name].astype(str) for name in offers)
    found = []
    for p, c in sorted(set(zip(product, channel, strict=True))):
        rows = np.flatnonzero((product == p) & (channel == c))
        mean = float(scores[rows].mean())
        effect = by_influence(mean, scores[rows] - mean, clusters[rows])
        found.append((p, c, int(treated[rows].sum()), effect))
    return tuple(found)


def shrunk_line(
    raw: _Array, even: _Array, scores: _Array, clusters: NDArray[Any], trust: float = TRUST
) -> Line:
    """The line through out-of-fold uplifts, their even ones and their scores, each of shape (n,).

    Parameters
    ----------
    trust
        How much of a difference is believed before the log says so, in [0, 1].
    """
    average = by_influence(float(scores.mean()), scores - scores.mean(), clusters)
    apart, beyond = raw - even, scores - even
    line = effect_slope(apart, beyond, clusters)
    found, error = line.point, line.error
    if not np.isfinite(found):
        return Line(average, 0.0, float("inf"), 0.0, float(apart.mean()))
    weight = _DOUBT**2 / (_DOUBT**2 + error**2)
    slope = float(np.clip(trust + weight * (found - trust), 0.0, 1.0))
    return Line(average, found, error, slope, float(apart.mean()))


def rate(score: _Array, effect: _Array, clusters: NDArray[Any] | None = None) -> Estimate:
    """Qini of an order from doubly robust effects.

    The rank-weighted average treatment effect with Qini weights (Yadlowsky, Fleming, Shah, Brunskill,
    Wager 2025): the integral over shares q of q (mean effect of the best q - mean effect of all). It
    aims at the same number as `training.uplift.qini`, with less noise where the outcome can be predicted.

    Parameters
    ----------
    score
        Higher is contacted first, shape (n,).
    effect
        From `effect_scores`, shape (n,).
    clusters
        Rows of one cluster (a customer) count as one in the interval.
    """
    n = len(score)
    # As a U-statistic, mean of sign(s_i - s_j) (e_i - e_j) / 4, whose projection gives the interval.
    place = 2 * rankdata(score) - n - 1
    order = np.argsort(score, kind="stable")
    first = np.searchsorted(score[order], score, side="left")
    last = np.searchsorted(score[order], score, side="right")
    total = np.append(0.0, np.cumsum(effect[order]))
    below, above = total[first], total[-1] - total[last]
    projected = (effect * place - (below - above)) / (4 * max(n - 1, 1))
    point = float(projected.mean())
    return by_influence(point, 2 * (projected - point), clusters)
