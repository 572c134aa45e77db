"""The compiled pass: every customer's best options at given prices, and what they use, in one reading.

Customers are dealt to a fixed number of lanes by chunks of a fixed size. Each lane adds in its own
order and lanes are added up in theirs, so sums are the same to the last bit for any number of
threads and any sizes of blocks.
"""

from typing import Any

import numba
import numpy as np

from serving.allocation.customer import choose, reduce_row, switch

__all__ = ["CHUNK", "LANES", "sweep", "thresholds"]

CHUNK = 2048
LANES = 16
Array = np.ndarray[Any, Any]


@numba.njit(cache=True, nogil=True, parallel=True)
def sweep(
    data: tuple[Array, Array, Array, Array],
    tables: tuple[Array, Array, Array],
    prices: tuple[Array, Array, float, Array],
    options: tuple[Array, Array, int],
    width: float,
    first_chunk: int,
    sums: tuple[Array, ...],
    chosen: Array,
    margins: Array,
) -> None:
    """Choose for every customer of a block, and add up.

    Parameters
    ----------
    data
        values (rows, m); groups, sides (rows,) or (0,); costs (rows, m) or (0, 0).
    tables
        Usage of the rows: fixed (R, sides, m), share of the value (R, sides), share of the cost (R,).
    prices
        Price of each option by side (sides, m), factor of the value by side, price of one unit of
        cost, price of each group.
    options
        Offer of each option, use of the group's capacity (m,), k.
    width
        A choice closer than this counts for the curvature.
    sums
        By lane: worth at the prices and number of close choices (2,), number of choices by side and
        option, value and cost by side (2, sides), use by group, and the curvature of rows, of rows
        with groups, and of groups.
    chosen, margins
        (rows, k) and (rows,), filled where they are not empty.
    """
    for lane in numba.prange(LANES):
        own = (
            *(sums[0][lane], sums[1][lane], sums[2][lane], sums[3][lane]),
            *(sums[4][lane], sums[5][lane], sums[6][lane]),
        )
        for chunk in range((lane - first_chunk) % LANES, (len(data[0]) + CHUNK - 1) // CHUNK, LANES):
            rows = chunk * CHUNK, min(len(data[0]), chunk * CHUNK + CHUNK)
            _run(rows, data, tables, prices, options, width, own, chosen, margins)


@numba.njit(cache=True, nogil=True, parallel=True)
def thresholds(
    data: tuple[Array, Array, Array, Array],
    prices: tuple[Array, Array, float, Array],
    options: tuple[Array, Array, int],
    dear: Array,
    used: Array,
) -> None:
    """At what price of its group's capacity each customer of a block does without it.

    Exact where a customer uses at most one amount of it; else the mean over what it uses.

    Parameters
    ----------
    data, prices, options
        As for `sweep`; prices of groups are not read.
    dear, used
        (rows,), filled with that price, at least 0, and with what the customer uses below it.
    """
    values, groups, _, _ = data
    free = prices[0], prices[1], prices[2], np.zeros(len(prices[3]))
    for lane in numba.prange(LANES):
        reduced, out = np.empty(values.shape[1]), np.empty(options[2], np.int16)
        for i in range(lane * len(values) // LANES, (lane + 1) * len(values) // LANES):
            dear[i] = used[i] = 0.0
            if groups[i] < 0:
                continue
            reduce_row(data, i, free, options[1], reduced)
            worth = choose(reduced, options, 0.0, out)[0]
            use = 0.0
            for slot in range(len(out)):
                if out[slot] >= 0:
                    use += options[1][out[slot]]
            if use > 0.0:
                reduce_row(data, i, free, options[1], reduced)
                for j in range(len(reduced)):
                    if options[1][j] > 0.0:
                        reduced[j] = -np.inf
                dear[i], used[i] = (worth - choose(reduced, options, 0.0, out)[0]) / use, use


@numba.njit(cache=True, nogil=True)
def _run(
    rows: tuple[int, int],
    data: Any,
    tables: Any,
    prices: Any,
    options: Any,
    width: float,
    sums: Any,
    chosen: Array,
    margins: Array,
) -> None:
    """Choose for the customers of one chunk."""
    values, groups, sides, costs = data
    total, counts, amounts, group_sums = sums[:4]
    group_use = options[1]
    reduced, out = np.empty(values.shape[1]), np.empty(options[2], np.int16)
    step = np.empty(len(tables[0]))
    worth = 0.0
    for i in range(rows[0], rows[1]):
        side = sides[i] if len(sides) else 0
        group = groups[i] if len(groups) else -1
        reduce_row(data, i, prices, group_use, reduced)
        gained, margin, a, b = choose(reduced, options, width, out)
        worth += gained
        for slot in range(len(out)):
            j = out[slot]
            if j < 0:
                break
            counts[side, j] += 1
            amounts[0, side] += values[i, j]
            if len(costs):
                amounts[1, side] += costs[i, j]
            if group >= 0:
                group_sums[group] += group_use[j]
        if margin < width:
            total[1] += 1.0
            _curve(data, i, a, b, tables, group_use, step, sums[4:])
        if len(margins):
            margins[i] = margin
            chosen[i] = out
    total[0] += worth


@numba.njit(cache=True, nogil=True)
def _curve(
    data: Any, i: int, a: int, b: int, tables: Any, group_use: Array, step: Array, sums: Any
) -> None:
    """Add the outer product of what a switch between two options changes."""
    change = switch(data, i, a, b, tables, group_use, step)
    rows, cross, diagonal = sums
    for r in range(len(step)):
        for s in range(len(step)):
            rows[r, s] += step[r] * step[s]
    if change != 0.0:
        group = data[1][i]
        diagonal[group] += change * change
        for r in range(len(step)):
            cross[group, r] += change * step[r]
