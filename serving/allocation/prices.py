"""Prices by the Lagrangian dual: the lowest bound on what any plan can be worth.

At prices p the bound is D(p) = p . limits + sum over customers of the best choice after prices,
convex and piecewise linear. With very many customers it is nearly smooth: its curvature is the
density of customers between two choices, estimated from those closer than a width. Newton steps
with that curvature, a trust region and a line search need about a dozen tries. A group's price
meets its own customers only, so it is found exactly by sorting them, anew at every try.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from serving.allocation.groups import Members, group_prices, members_of
from serving.allocation.kernel import LANES, sweep, thresholds
from serving.allocation.problem import Block
from serving.allocation.stream import arrays_of, rechunked
from serving.allocation.tables import Tables

__all__ = ["Data", "Found", "Prices", "data_of", "empty_sums", "minimise", "price_arrays", "swept"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Data:
    """The customers to price: their blocks, how many, by group, and the mean of their best values."""

    blocks: Callable[[], Iterable[Block]]
    customers: int
    members: Members | None
    mean: float


@dataclass(frozen=True)
class Prices:
    """Of the rows (R,) and of the groups (n_groups,), at least 0."""

    rows: Array
    groups: Array


@dataclass(frozen=True)
class Found:
    """What a pass over all customers found at some prices.

    bound
        D(p).
    slack, group_slack
        Limits less usage: the slope of D.
    close
        Customers nearer to another choice than the width.
    curvature
        (R, R), of D with the groups' prices following those of the rows.
    """

    prices: Prices
    bound: float
    slack: Array
    group_slack: Array
    close: float
    curvature: Array


def price_arrays(tables: Tables, prices: Prices) -> tuple[Array, Array, float, Array]:
    """As the compiled pass takes them: by side and option, factor of the value, of a cost, of groups."""
    by_option = np.tensordot(prices.rows, tables.fixed, 1)
    factor = 1.0 - prices.rows @ tables.by_value
    return by_option, factor, float(prices.rows @ tables.by_cost), prices.groups


Swept = tuple[Block, Array, Array]


def swept(
    blocks: Iterable[Block],
    tables: Tables,
    prices: Prices,
    sums: tuple[Array, ...],
    width: float,
    keep: bool,
) -> Iterator[Swept]:
    """Choose for one block after the other; with `keep` also give the choices and their margins."""
    priced = price_arrays(tables, prices)
    for first_chunk, block in rechunked(blocks):
        rows = len(block.values) if keep else 0
        chosen, margins = np.empty((rows, tables.k), np.int16), np.empty(rows)
        data = arrays_of(block)
        sweep(data, tables.rows, priced, tables.options, width, first_chunk, sums, chosen, margins)
        yield block, chosen, margins


def empty_sums(tables: Tables) -> tuple[Array, ...]:
    """Nothing added up yet, by lane."""
    r, s, m = tables.fixed.shape
    g = len(tables.group_limits)
    shapes = ((2,), (s, m), (2, s), (g,), (r, r), (g, r), (g,))
    kinds = (float, np.int64, float, float, float, float, float)
    return tuple(np.zeros((LANES, *shape), kind) for shape, kind in zip(shapes, kinds, strict=True))


def data_of(blocks: Callable[[], Iterable[Block]], customers: int, tables: Tables, mean: float) -> Data:
    """Customers with their groups in order, where groups have limits."""
    n_groups = len(tables.group_limits)
    members = members_of([arrays_of(block)[1] for block in blocks()], n_groups) if n_groups else None
    return Data(blocks, customers, members, mean)


def at_prices(data: Data, tables: Tables, rows: Array, width: float) -> Found:
    """What all customers choose at prices of the rows, and the best prices of groups at these."""
    prices = Prices(rows, _of_groups(data, tables, rows))
    sums = empty_sums(tables)
    for _ in swept(data.blocks(), tables, prices, sums, width, keep=False):
        pass
    total, counts, amounts, group_use, curved, cross, groups = (part.sum(axis=0) for part in sums)
    usage = np.tensordot(tables.fixed, counts, 2) + tables.by_value @ amounts[0]
    usage += tables.by_cost * amounts[1].sum()
    bound = total[0] + prices.rows @ tables.limits + prices.groups @ tables.group_limits
    # Prices of full groups follow those of the rows, which takes away from the curvature. The mean
    # steadies groups with few close customers.
    follows = np.where(
        prices.groups > 0.0, 1.0 / np.maximum(groups + groups.sum() / max(len(groups), 1), 1e-300), 0.0
    )
    return Found(
        prices,
        float(bound),
        tables.limits - usage,
        tables.group_limits - group_use,
        float(total[1]),
        (curved - cross.T * follows @ cross) * (0.5 / width),
    )


def _of_groups(data: Data, tables: Tables, rows: Array) -> Array:
    if data.members is None:
        return np.zeros(0)
    dear, used, at = np.empty(data.customers), np.empty(data.customers, np.float32), 0
    priced = price_arrays(tables, Prices(rows, np.zeros(len(tables.group_limits))))
    for block in data.blocks():
        part = slice(at, at + len(block.values))
        thresholds(arrays_of(block), priced, tables.options, dear[part], used[part])
        at = part.stop
    found: Array = group_prices(data.members.order, data.members.bounds, tables.group_limits, dear, used)
    return found


def minimise(
    data: Data, tables: Tables, start: Array, width: float, most: int, accuracy: float
) -> tuple[Found, float, int]:
    """Lower the bound until steps promise, or bring, less than `accuracy` of it.

    Gives the best pass, the width at the end, and how many prices were tried.
    """
    best = at_prices(data, tables, start, width)
    radius, tries, weak = 1.0, 1, 0
    units = _units(tables, data.mean)
    while tries < most and weak < 2:
        step, promised = _step(best, units, radius)
        if promised <= accuracy * abs(best.bound):
            break
        width = _next_width(width, best.close, data.customers)
        tried = at_prices(data, tables, _moved(best, step, 1.0), width)
        tries += 1
        along, after = float(best.slack @ step), float(tried.slack @ step)
        if tried.bound > best.bound or after > -0.5 * along:
            if along != after:  # where the slope is the same at both ends, no place between is better
                again = at_prices(data, tables, _moved(best, step, along / (along - after)), width)
                tries += 1
                tried = again if again.bound < tried.bound else tried
            radius *= 0.5
        else:
            radius = min(2.0 * radius, 4.0)
        weak = weak + 1 if best.bound - tried.bound < accuracy * abs(best.bound) else 0
        if tried.bound < best.bound:
            best = tried
        else:
            radius *= 0.25
    return best, width, tries


def _next_width(width: float, close: float, customers: int) -> float:
    """Aim at the width that holds one customer in fifty, but a few hundred at least."""
    wanted = max(0.02 * customers, min(200.0, 0.5 * customers))
    return width * float(np.clip(wanted / max(close, 1.0), 0.5, 2.0))


def _units(tables: Tables, mean: float) -> Array:
    """How far a price moves at most: to where it takes all that a customer is worth on average."""
    use = np.abs(tables.fixed).max(axis=(1, 2), initial=0.0)
    use = use + mean * np.abs(tables.by_value).max(axis=1, initial=0.0) + np.abs(tables.by_cost)
    found: Array = mean / np.maximum(use, 1e-12)
    return found


def _moved(found: Found, step: Array, share: float) -> Array:
    rows: Array = np.maximum(found.prices.rows + share * step, 0.0)
    return rows


def _step(found: Found, units: Array, radius: float) -> tuple[Array, float]:
    """The best step inside the trust region, prices staying at least 0, and what it promises."""
    reach = radius * np.maximum(found.prices.rows, units)
    step = np.zeros(len(reach))
    _descend(found.slack, found.curvature, np.maximum(-found.prices.rows, -reach), reach, step)
    return step, -float(found.slack @ step + 0.5 * step @ found.curvature @ step)


@numba.njit(cache=True, nogil=True)
def _descend(slope: Array, curvature: Array, low: Array, high: Array, x: Array) -> None:
    """Minimise slope . x + x . curvature . x / 2 between bounds, by coordinates, in place."""
    for _ in range(1000):
        moved = 0.0
        for r in range(len(x)):
            rising, curve = slope[r], curvature[r, r]
            for s in range(len(x)):
                rising += curvature[r, s] * x[s]
            new = x[r]
            if curve > 0.0:
                new = min(max(x[r] - rising / curve, low[r]), high[r])
            elif rising != 0.0:
                new = low[r] if rising > 0.0 else high[r]
            moved = max(moved, abs(new - x[r]) / high[r])
            x[r] = new
        if moved < 1e-9:
            break
