"""From choices at the prices to a plan that keeps every row: the cheapest switches of close customers.

At the best prices only the customers between two choices can break a row or leave some of it
unused. They are gathered with their values; single switches of theirs, those that lose least at
the prices first, bring every row back within its limit, and then use up what is left.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from serving.allocation.customer import reduce_row, switch
from serving.allocation.prices import Prices, price_arrays
from serving.allocation.problem import Block
from serving.allocation.stream import arrays_of
from serving.allocation.tables import Tables

__all__ = ["Pool", "repair"]

Array = np.ndarray[Any, Any]
_ROUNDS = 30


@dataclass(frozen=True)
class Pool:
    """Customers who may switch: row numbers, what they may choose, and what they chose (P, k)."""

    rows: Array
    block: Block
    chosen: Array


def repair(pool: Pool, tables: Tables, prices: Prices, usage: Array, group_usage: Array) -> bool:
    """Switch choices of the pool until every row holds, then fill; changes its arguments in place.

    Parameters
    ----------
    usage, group_usage
        Of the choices of all customers, in the pool or not.

    Returns
    -------
    bool
        Whether every row holds.
    """
    data = arrays_of(pool.block)
    reduced = _reduced(data, price_arrays(tables, prices), tables.group_use)
    limits, use = (tables.limits, tables.group_limits), (usage, group_usage)
    given = (data, tables.rows, tables.options, reduced, limits)
    for filling in (False, True):
        for _ in range(_ROUNDS):
            over = _excess(use, limits)
            if not filling and not any(part.any() for part in over):
                break
            keys, moves = _moves(given, pool.chosen, over, filling)
            order = np.argsort(keys, kind="stable")
            if not _apply(given, pool.chosen, moves, order, use, filling):
                break
        if any(part.any() for part in _excess(use, limits)):
            return False
    return True


def _excess(use: tuple[Array, Array], limits: tuple[Array, Array]) -> tuple[Array, Array]:
    rows, groups = (np.maximum(u - most, 0.0) for u, most in zip(use, limits, strict=True))
    return rows, groups


@numba.njit(cache=True, nogil=True)
def _reduced(data: Any, prices: Any, group_use: Array) -> Array:
    found = np.empty(data[0].shape)
    for i in range(len(found)):
        reduce_row(data, i, prices, group_use, found[i])
    return found


@numba.njit(cache=True, nogil=True)
def _moves(given: Any, chosen: Array, over: Any, filling: bool) -> tuple[Array, Array]:
    """Every switch of one slot that relieves a broken row, or when filling that earns more.

    Gives what each loses at the prices, by the share of the excess that it relieves, and the
    switches themselves (customer, slot, from, to).
    """
    data, tables, options, reduced, _ = given
    most = chosen.shape[1] * len(chosen) * (reduced.shape[1] + 1)
    keys, moves, n = np.empty(most), np.empty((most, 4), np.int32), 0
    step = np.empty(len(over[0]))
    for i in range(len(chosen)):
        for slot in range(chosen.shape[1]):
            old = chosen[i, slot]
            for new in range(-1, reduced.shape[1]):
                if new == old or (new >= 0 and reduced[i, new] == -np.inf):
                    continue
                if filling:
                    if _value(data[0], i, new) <= _value(data[0], i, old):
                        continue
                    relief = 1.0
                else:
                    change = switch(data, i, old, new, tables, options[1], step)
                    relief = _relief(data[1], i, step, change, over)
                    if relief <= 0.0:
                        continue
                keys[n] = (_value(reduced, i, old) - _value(reduced, i, new)) / relief
                moves[n, 0], moves[n, 1], moves[n, 2], moves[n, 3] = i, slot, old, new
                n += 1
    return keys[:n], moves[:n]


@numba.njit(cache=True, nogil=True)
def _value(values: Array, i: int, j: int) -> float:
    return values[i, j] if j >= 0 else 0.0


@numba.njit(cache=True, nogil=True)
def _relief(groups: Array, i: int, step: Array, change: float, over: Any) -> float:
    """The share of the excess that a switch takes away, summed over broken rows."""
    relief = 0.0
    for r in range(len(step)):
        if over[0][r] > 0.0:
            relief += min(-step[r] / over[0][r], 1.0)
    if change != 0.0 and over[1][groups[i]] > 0.0:
        relief += min(-change / over[1][groups[i]], 1.0)
    return relief


@numba.njit(cache=True, nogil=True)
def _apply(given: Any, chosen: Array, moves: Array, order: Array, use: Any, filling: bool) -> int:
    """Make those of the switches that still help when their turn comes; gives how many."""
    data, tables, options, _, limits = given
    step = np.empty(len(use[0]))
    made = 0
    for place in order:
        i, slot, old, new = moves[place]
        if chosen[i, slot] != old or _repeats(chosen[i], slot, new, options[0]):
            continue
        change = switch(data, i, old, new, tables, options[1], step)
        if not _may(data[1], i, step, change, use, limits, filling):
            continue
        chosen[i, slot] = new
        use[0][:] += step
        if change != 0.0:
            use[1][data[1][i]] += change
        made += 1
    return made


@numba.njit(cache=True, nogil=True)
def _repeats(taken: Array, slot: int, new: int, offers: Array) -> bool:
    """Whether another slot holds the same offer already."""
    if new >= 0:
        for other in range(len(taken)):
            if other != slot and taken[other] >= 0 and offers[taken[other]] == offers[new]:
                return True
    return False


@numba.njit(cache=True, nogil=True)
def _may(groups: Array, i: int, step: Array, change: float, use: Any, limits: Any, filling: bool) -> bool:
    """Whether a switch breaks no row that holds, worsens none that does not, and relieves one of those."""
    helps = filling
    for r in range(len(step)):
        over = use[0][r] - limits[0][r]
        if step[r] > 0.0 and over + step[r] > 0.0:
            return False
        helps = helps or (over > 0.0 and step[r] < 0.0)
    if change != 0.0:
        over = use[1][groups[i]] - limits[1][groups[i]]
        if change > 0.0 and over + change > 0.0:
            return False
        helps = helps or (over > 0.0 and change < 0.0)
    return helps
