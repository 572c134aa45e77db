"""Prices of groups: each group's capacity goes to those of its customers to whom it is worth most."""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

__all__ = ["Members", "group_prices", "members_of"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Members:
    """Customers by group: those of group g are order[bounds[g] : bounds[g + 1]]."""

    order: Array
    bounds: Array


def members_of(codes: list[Array], n_groups: int) -> Members:
    """Sort customers by group code, block after block; those without a group come before the first."""
    joint = np.concatenate(codes)
    order = np.argsort(joint, kind="stable").astype(np.int32)
    bounds = np.searchsorted(joint, np.arange(n_groups + 1), sorter=order)
    return Members(order, bounds)


@numba.njit(cache=True, nogil=True, parallel=True)
def group_prices(order: Array, bounds: Array, limits: Array, dear: Array, used: Array) -> Array:
    """The lowest price of each group at which its customers keep within its limit; (n_groups,).

    Parameters
    ----------
    dear, used
        (n,), the price at which each customer gives up, and what it uses below that.
    """
    found = np.zeros(len(limits))
    for g in numba.prange(len(limits)):
        mine = order[bounds[g] : bounds[g + 1]]
        asking = mine[used[mine] > 0.0]
        dearest = asking[np.argsort(-dear[asking], kind="mergesort")]
        sum_used = 0.0
        for i in dearest:
            sum_used += used[i]
            if sum_used > limits[g]:
                found[g] = dear[i]
                break
    return found
