"""Whole cents: splitting a sum without losing one, and changing one currency into another."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "convert", "split"]

Array = npt.NDArray[Any]


def split(totals: Array, counts: Array, weights: Array) -> Array:
    """Split each total into `counts` parts by weight; the parts of a total add up to it exactly.

    Parameters
    ----------
    totals : int64 (n,)
        Cents, at least 0.
    counts : int64 (n,)
        Parts of each total; a total with no part is dropped.
    weights : float64 (sum of counts,)
        Positive, in the order of the totals.

    Returns
    -------
    int64 (sum of counts,)
        Cents, each at least 0: the differences of the rounded running shares.
    """
    owner = np.repeat(np.arange(len(totals)), counts)
    if not len(owner):
        return np.zeros(0, np.int64)
    last = np.cumsum(counts) - 1
    running = np.cumsum(weights)
    before = np.concatenate(([0.0], running))[np.cumsum(counts) - counts]
    whole = np.bincount(owner, weights, len(totals))
    share = np.clip((running - before[owner]) / whole[owner], 0.0, 1.0)
    share[last[counts > 0]] = 1.0
    reached = np.rint(totals[owner] * share).astype(np.int64)
    parts = np.diff(reached, prepend=0)
    first = (np.cumsum(counts) - counts)[counts > 0]
    parts[first] = reached[first]
    return np.asarray(parts)


def convert(cents: Array, rate: float | Array) -> Array:
    """Cents of the reporting currency as cents of a currency of which one unit is worth `rate`.

    >>> convert(np.array([100, -250]), 0.8).tolist()
    [125, -312]
    """
    return np.rint(cents / rate).astype(np.int64)
