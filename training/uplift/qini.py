"""How well an order of customers finds those whom a contact changes: Qini, AUUC, uplift by decile.

The rows come from a randomised comparison: some were contacted, some were not, for no reason that lies
in them. All figures are per customer who is contacted, in the outcome's unit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.errors import InputError, RefusedError
from training.estimate import Estimate, by_resamples

__all__ = ["Decile", "UpliftCurve", "qini_ahead", "uplift_curve"]

_Array = NDArray[np.float64]

_DECILES = 10
_POINTS = 101


@dataclass(frozen=True)
class Decile:
    """A tenth of the rows, of like score.

    score
        Mean score of its rows: of a calibrated uplift, what was promised.
    uplift
        What was found: mean outcome of the contacted less that of the others.
    """

    rows: int
    contacted: int
    score: float
    uplift: Estimate


@dataclass(frozen=True)
class UpliftCurve:
    """An order of customers, measured on randomised rows; intervals are by bootstrap within the arms.

    average
        What contacting everybody changes, for each customer.
    qini
        Area between the Qini curve and the straight line of a random order (Radcliffe 2007). The curve
        is what contacting the best share of customers changes, over the number of all contacted:
        (Y1 - Y0 N1 / N0) / N1(all). 0 for a random order.
    auuc
        Area under share x uplift of the best share, for shares from 0 to 1, for each customer and not
        divided by the area of anything else; that of a random order is half of `average`.
    at
        Share -> uplift among the best that share of customers.
    deciles
        From the highest scores to the lowest.
    share, gain
        The Qini curve at 101 points, for a picture.
    """

    average: Estimate
    qini: Estimate
    auuc: Estimate
    at: Mapping[float, Estimate]
    deciles: tuple[Decile, ...]
    share: _Array
    gain: _Array


@dataclass(frozen=True)
class _Ordered:
    """Rows by falling score; `ends` closes each group of equal scores, `cuts` are the places of
    the deciles and then of the shares."""

    treated: _Array
    outcome: _Array
    ends: NDArray[np.intp]
    cuts: NDArray[np.intp]


def uplift_curve(
    score: _Array,
    treated: _Array,
    outcome: _Array,
    *,
    seed: int,
    draws: int = 1_000,
    propensity: _Array | None = None,
    shares: Sequence[float] = (0.1, 0.2, 0.3),
) -> UpliftCurve:
    """Measure an order of customers.

    Parameters
    ----------
    score
        Higher is contacted first; equal scores count together. Shape (n,), as all arrays.
    treated
        1 contacted, 0 not.
    outcome
        0 or 1, or an amount.
    propensity
        Probability of having been contacted, strictly between 0 and 1, where it was not the same for
        all; rows then count by its inverse.
    draws
        Bootstrap resamples, each arm by itself.

    Raises
    ------
    InputError
        If lengths differ, a number is missing, `treated` is not 0 or 1, or a propensity is not a
        probability.
    RefusedError
        If an arm is empty.
    """
    weight = _weights(score, treated, outcome, propensity)
    ordered, order = _ordered(score, treated, outcome, shares)
    base = weight[order]
    points, (phi, gain, _) = (
        _figures(ordered, base),
        _gains(*(s[ordered.ends] for s in _sums(ordered, base))),
    )
    drawn = np.array([_figures(ordered, base * w) for w in _resamples(ordered.treated, draws, seed)])
    found = [by_resamples(float(p), drawn[:, i]) for i, p in enumerate(points)]
    grid = np.linspace(0.0, 1.0, _POINTS)
    groups = np.array_split(order, _DECILES)
    deciles = [
        Decile(len(g), int(treated[g].sum()), float(score[g].mean()) if len(g) else float("nan"), uplift)
        for g, uplift in zip(groups, found[3 : 3 + _DECILES], strict=True)
    ]
    at = dict(zip(shares, found[3 + _DECILES :], strict=True))
    average, qini, auuc = found[:3]
    return UpliftCurve(average, qini, auuc, at, tuple(deciles), grid, np.interp(grid, phi, gain))


def qini_ahead(
    mine: _Array,
    theirs: _Array,
    treated: _Array,
    outcome: _Array,
    *,
    seed: int,
    draws: int = 1_000,
    propensity: _Array | None = None,
) -> Estimate:
    """Qini of one order less that of another on the same rows, both resampled alike.

    Raises
    ------
    InputError, RefusedError
        As `uplift_curve`.
    """
    weight = _weights(mine, treated, outcome, propensity)
    _weights(theirs, treated, outcome, propensity)
    sides = [_ordered(score, treated, outcome, ()) for score in (mine, theirs)]

    def ahead(weights: _Array) -> float:
        one, other = (_areas(ordered, _sums(ordered, weights[order]))[1] for ordered, order in sides)
        return one - other

    drawn = [ahead(weight * w) for w in _resamples(treated, draws, seed)]
    return by_resamples(ahead(weight), np.array(drawn))


def _weights(score: _Array, treated: _Array, outcome: _Array, propensity: _Array | None) -> _Array:
    if (
        len(
            {len(a) for a in (score, treated, outcome)}
            | ({len(propensity)} if propensity is not None else set())
        )
        > 1
    ):
        raise InputError("uplift: score, treated, outcome and propensity differ in length")
    if not (np.isfinite(score).all() and np.isfinite(outcome).all() and np.isin(treated, (0, 1)).all()):
        raise InputError(
            "uplift: a score or an outcome is missing, or treated is neither 0 nor 1; cure: leave them out"
        )
    contacted = float(treated.sum())
    if not 0 < contacted < len(treated):
        raise RefusedError(
            f"uplift: {contacted:.0f} of {len(treated)} rows were contacted, nothing can be compared; "
            "cure: rows of both arms"
        )
    if propensity is None:
        return np.ones(len(score))
    if not ((propensity > 0) & (propensity < 1)).all():
        raise InputError(
            "uplift: a propensity is not strictly between 0 and 1; cure: leave out rows without a choice"
        )
    weight: _Array = np.where(treated > 0, 1 / propensity, 1 / (1 - propensity))
    return weight


def _ordered(
    score: _Array, treated: _Array, outcome: _Array, shares: Sequence[float]
) -> tuple[_Ordered, NDArray[np.intp]]:
    order = np.argsort(-score, kind="stable")
    n = len(order)
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    deciles = np.cumsum([len(g) for g in np.array_split(order, _DECILES)])
    tops = [max(1, round(n * share)) for share in shares]
    cuts = np.concatenate([deciles, tops]).astype(np.intp)
    return _Ordered(treated[order].astype(np.float64), outcome[order], ends, cuts), order


def _resamples(treated: _Array, draws: int, seed: int) -> Iterator[_Array]:
    """How often each row is drawn, with as many draws from each arm as it has rows."""
    rng = np.random.default_rng(seed)
    arms = [np.flatnonzero(treated == arm) for arm in (0, 1)]
    for _ in range(draws):
        times = np.empty(len(treated))
        for rows in arms:
            times[rows] = np.bincount(rng.integers(0, len(rows), len(rows)), minlength=len(rows))
        yield times


def _sums(ordered: _Ordered, weight: _Array) -> tuple[_Array, _Array, _Array, _Array]:
    """Running weight and outcome of the contacted, then of the others, down the order."""
    mine = weight * ordered.treated
    theirs = weight - mine
    one, other = np.cumsum(mine), np.cumsum(theirs)
    return one, np.cumsum(mine * ordered.outcome), other, np.cumsum(theirs * ordered.outcome)


def _gains(one: _Array, one_sum: _Array, other: _Array, other_sum: _Array) -> tuple[_Array, _Array, _Array]:
    """Share, Qini gain, and share x uplift, each from 0."""
    share = (one + other) / (one[-1] + other[-1])
    without = np.divide(other_sum, other, out=np.zeros_like(other), where=other > 0)
    with_it = np.divide(one_sum, one, out=np.zeros_like(one), where=one > 0)
    gain = (one_sum - without * one) / one[-1]
    lifted = share * (with_it - without)
    return np.append(0.0, share), np.append(0.0, gain), np.append(0.0, lifted)


def _areas(ordered: _Ordered, sums: tuple[_Array, _Array, _Array, _Array]) -> tuple[float, float, float]:
    """Average effect, Qini and AUUC."""
    share, gain, lifted = _gains(*(s[ordered.ends] for s in sums))
    qini = float(np.trapezoid(gain - share * gain[-1], share))
    return float(gain[-1]), qini, float(np.trapezoid(lifted, share))


def _figures(ordered: _Ordered, weight: _Array) -> _Array:
    """Average effect, Qini, AUUC, uplift of each decile, uplift of each top share."""
    sums = _sums(ordered, weight)
    at = np.array([s[np.maximum(ordered.cuts - 1, 0)] for s in sums])
    parts = np.diff(at[:, :_DECILES], axis=1, prepend=0.0)
    one, one_sum, other, other_sum = np.concatenate([parts, at[:, _DECILES:]], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        uplift = one_sum / one - other_sum / other
    return np.concatenate([_areas(ordered, sums), uplift])
