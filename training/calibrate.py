"""Corrections fitted on held-out customers: Platt for probabilities, shifts for amounts and quantiles."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

__all__ = ["conformal_shift", "mean_shift", "platt"]

_Array = NDArray[np.float64]

_STEPS = 100
_RIDGE = 1e-9
_SMALL = 1e-10


def platt(raw: _Array, outcome: _Array) -> tuple[float, float]:
    """Slope and intercept of `P = 1 / (1 + exp(-(slope raw + intercept)))`.

    Parameters
    ----------
    raw
        Log-odds, shape (n,).
    outcome
        0 or 1, shape (n,); both must occur.

    Returns
    -------
    slope, intercept
        Maximum likelihood by Newton's method, with Platt's smoothed targets so that scores
        which separate the outcomes still give finite numbers (Platt 1999; Lin, Lin, Weng 2007).
        A slope below 0 would turn the ranking round and is held at 0.
    """
    positives = float(outcome.sum())
    negatives = len(outcome) - positives
    target = np.where(outcome > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    slope, intercept = _newton(raw, target)
    if slope < 0:
        return 0.0, float(logit(target.mean()))
    return slope, intercept


def mean_shift(predicted: _Array, actual: _Array) -> float:
    """What to add to predictions (n,) so that their total equals the actual total; same unit."""
    return float(np.mean(actual - predicted))


def conformal_shift(predicted: _Array, actual: _Array, level: float) -> float:
    """What to add to predicted quantiles (n,) so that a share `level` of new actuals lies below.

    One-sided conformalised quantile regression (Romano, Patterson, Candès 2019): the shift is
    an order statistic of the residuals, at ceil((n + 1) level) for an upper and at
    floor((n + 1) level) for a lower quantile, so that either tail holds in finite samples.
    """
    residuals = np.sort(actual - predicted)
    n = len(residuals)
    rank = math.ceil((n + 1) * level) if level > 0.5 else math.floor((n + 1) * level)
    return float(residuals[min(max(rank, 1), n) - 1])


def _newton(raw: _Array, target: _Array) -> tuple[float, float]:
    # Plain sums instead of matrix products: BLAS adds in an order that depends on its threads.
    beta = np.array([0.0, float(logit(target.mean()))])
    loss = _loss(raw, target, beta)
    for _ in range(_STEPS):
        p = expit(beta[0] * raw + beta[1])
        miss, weight = p - target, p * (1 - p)
        gradient = np.array([np.sum(miss * raw), np.sum(miss)])
        cross = np.sum(weight * raw)
        hessian = np.array([[np.sum(weight * raw * raw), cross], [cross, np.sum(weight)]])
        step = np.linalg.solve(hessian + _RIDGE * np.eye(2), gradient)
        # Halving keeps Newton from overshooting where the curve is flat.
        while (lower := _loss(raw, target, beta - step)) > loss and np.abs(step).max() > _SMALL:
            step = step / 2
        beta, loss = beta - step, lower
        if np.abs(step).max() <= _SMALL:
            break
    return float(beta[0]), float(beta[1])


def _loss(raw: _Array, target: _Array, beta: _Array) -> float:
    z = beta[0] * raw + beta[1]
    return float(np.sum(np.logaddexp(0.0, z) - target * z))
