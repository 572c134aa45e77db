"""The compiled choice of one customer at given prices, and what a switch of it uses."""

from typing import Any

import numba
import numpy as np

__all__ = ["choose", "reduce_row", "switch"]

Array = np.ndarray[Any, Any]
Choice = tuple[float, float, int, int]


@numba.njit(cache=True, nogil=True)
def reduce_row(data: Any, i: int, prices: Any, group_use: Array, reduced: Array) -> None:
    """Put the value of every option of customer i after prices into `reduced` (m,)."""
    values, groups, sides, costs = data
    by_option, factor, cost_price, group_prices = prices
    side = sides[i] if len(sides) else 0
    dear = group_prices[groups[i]] if len(groups) and groups[i] >= 0 else 0.0
    for j in range(len(reduced)):
        reduced[j] = factor[side] * values[i, j] - by_option[side, j] - dear * group_use[j]
    if len(costs):
        for j in range(len(reduced)):
            if reduced[j] > -np.inf:  # the cost of what is not allowed may be anything
                reduced[j] -= cost_price * costs[i, j]
    if factor[side] <= 0.0:  # which would turn -inf into something else
        for j in range(len(reduced)):
            if values[i, j] == -np.inf:
                reduced[j] = -np.inf


@numba.njit(cache=True, nogil=True)
def choose(reduced: Array, options: Any, width: float, out: Array) -> Choice:
    """Take the best options above 0 into `out` (k,), one of each offer; may overwrite `reduced`.

    Gives what they are worth, by how much the last choice was closest, and between which two
    options (-1 nothing) it was, which is looked up only where that is closer than the width.
    """
    found: Choice = _one(reduced, width, out) if options[2] == 1 else _several(reduced, options[0], out)
    return found


@numba.njit(cache=True, nogil=True)
def _one(reduced: Array, width: float, out: Array) -> Choice:
    """`choose` for k = 1, which branches on no value: the two best first, then where they are."""
    first, second = -np.inf, -np.inf
    for value in reduced:
        low = min(value, first)
        first = max(value, first)
        second = max(low, second)
    best = -1
    if first > -np.inf:
        best = 0
        while reduced[best] != first:
            best += 1
    if first <= 0.0:
        out[0] = -1
        return 0.0, -first, -1, best
    out[0] = best
    margin, following = first - max(second, 0.0), -1
    if margin < width and second > 0.0:
        following = 0
        while reduced[following] != second or following == best:
            following += 1
    return first, margin, best, following


@numba.njit(cache=True, nogil=True)
def _several(reduced: Array, offers: Array, out: Array) -> Choice:
    """`choose` one after the other: exact, as k at most and one of each offer at most is a matroid."""
    out[:] = -1
    last, last_value, worth = -1, np.inf, 0.0
    for slot in range(len(out) + 1):
        best, best_value = -1, -np.inf
        for j in range(len(reduced)):
            if reduced[j] > best_value:
                best, best_value = j, reduced[j]
        if slot == len(out):
            rival = best if best_value > 0.0 else -1
            return worth, last_value - max(best_value, 0.0), last, rival
        if best_value <= 0.0:
            break
        out[slot] = best
        worth += best_value
        last, last_value = best, best_value
        reduced[best] = -np.inf
        if slot < len(out) - 1:
            for j in range(len(reduced)):
                if offers[j] == offers[best]:
                    reduced[j] = -np.inf
    if last_value < -best_value:
        return worth, last_value, last, -1
    return worth, -best_value, -1, best


@numba.njit(cache=True, nogil=True)
def switch(data: Any, i: int, a: int, b: int, tables: Any, group_use: Array, step: Array) -> float:
    """Put what customer i uses more of every row by b instead of a (-1 nothing) into `step` (R,).

    Gives the same for the capacity of the customer's group.
    """
    values, groups, sides, costs = data
    fixed, by_value, by_cost = tables
    side = sides[i] if len(sides) else 0
    step[:] = 0.0
    change = 0.0
    for end in range(2):
        j, sign = (a, -1.0) if end == 0 else (b, 1.0)
        if j >= 0:
            change += sign * group_use[j]
            cost = costs[i, j] if len(costs) else 0.0
            for r in range(len(step)):
                step[r] += sign * (fixed[r, side, j] + by_value[r, side] * values[i, j] + by_cost[r] * cost)
    return change if len(groups) and groups[i] >= 0 else 0.0
