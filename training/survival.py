"""Churn month by month: one baseline shape, scaled so that every curve ends at its own probability.

S_i(m) = (1 - p_i) ** F(m), where p_i is the calibrated probability of leaving within the horizon and
F(m) the share of the horizon's cumulative hazard that the first m months hold among the training
rows; F(M) = 1, so 1 - S_i(M) is p_i to the last bit. Hazards are proportional between customers,
as in Cox's model; who leaves sooner within the horizon is not told apart.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import InputError

__all__ = ["hazard_shares", "survival"]

Floats = NDArray[np.float64]


def hazard_shares(months: "Sequence[float] | NDArray[Any]", horizon: int) -> tuple[float, ...]:
    """The baseline F(1), ..., F(horizon) of training rows.

    Parameters
    ----------
    months
        For each row the month in which the customer left, 1 to `horizon`; NaN for who stayed.
    horizon
        Months of the horizon.

    Returns
    -------
    tuple
        Rising from 0 or more to exactly 1. A customer whose probability is the rows' share of
        leavers gets the curve that the rows show.

    Raises
    ------
    InputError
        If a month lies outside the horizon, or nobody or everybody left: neither has a shape.
    """
    told = np.asarray(months, dtype=np.float64)
    left = told[np.isfinite(told)]
    if (
        horizon < 1
        or np.isinf(told).any()
        or (left % 1 != 0).any()
        or not ((left >= 1) & (left <= horizon)).all()
    ):
        raise InputError(f"survival: months must be whole, from 1 to {horizon}, or NaN for who stayed")
    if not 0 < len(left) < len(told):
        raise InputError(
            f"survival: {len(left)} of {len(told)} rows left, which has no shape over the months; "
            "cure: import more history"
        )
    counts = np.bincount(left.astype(np.int64), minlength=horizon + 1)[1:]
    hazard = -np.log1p(-np.cumsum(counts) / len(told))
    shares = hazard / hazard[-1]
    return tuple(float(share) for share in shares)


def survival(probability: Sequence[float] | Floats, shares: Sequence[float]) -> Floats:
    """P(still here at the end of each month) of every customer.

    Parameters
    ----------
    probability
        P(leaves within the horizon), shape (n,), in [0, 1]; NaN where there is no score.
    shares
        From `hazard_shares`, one for each of the m months.

    Returns
    -------
    array
        Shape (n, m), falling along the months; the last column is 1 - probability. NaN stays NaN.

    Raises
    ------
    InputError
        If the shares do not rise from 0 or more to exactly 1, or a probability is not one.
    """
    f, p = np.asarray(shares, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    if f.ndim != 1 or not len(f) or f[-1] != 1.0 or not (np.diff(f, prepend=0.0) >= 0).all():
        raise InputError("survival: shares must rise from 0 or more to exactly 1")
    if ((p < 0) | (p > 1)).any():
        raise InputError("survival: probabilities must lie in [0, 1]")
    curves: Floats = (1.0 - p)[:, None] ** f[None, :]
    return curves
