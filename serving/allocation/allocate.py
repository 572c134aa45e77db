"""The best offers of all customers together, within every limit, with a certificate of how good it is."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from features.errors import InputError
from serving.allocation.certificate import Evaluation, evaluate
from serving.allocation.check import check
from serving.allocation.exact import solve_exactly
from serving.allocation.prices import Found, Prices, data_of, empty_sums, minimise, price_arrays, swept
from serving.allocation.problem import Block, Plan, Pricing, Problem
from serving.allocation.refusal import covering, refusal
from serving.allocation.repair import Pool, repair
from serving.allocation.stream import Survey, joined, rows_of, survey
from serving.allocation.tables import Tables, tables_of

__all__ = ["allocate"]

Array = np.ndarray[Any, Any]
_SAMPLE = 50_000
_MOST_TRIES = 60
_POOL = 20_000
_MOST_POOL = 500_000
_FEW = 5_000
"""Allowed pairs of a customer and an option that HiGHS takes on within seconds."""


def allocate(problem: Problem, *, seed: int = 0) -> Plan:
    """Give each customer at most k options so that the sum of values is highest and every row holds.

    Prices of the rows are found on a sample, then on all customers; each customer's best choice at
    the prices nearly keeps the rows, and `repair` does the rest. The bound at the prices certifies
    how far the plan is from the best one. The same input and seed give the same plan, whatever the
    sizes of blocks and the number of threads.

    Parameters
    ----------
    seed
        Draws the sample.

    Raises
    ------
    InputError
        If the problem or its data break their contract.
    RefusedError
        If minimum volumes cannot be met within the other rows.
    """
    check(problem)
    solved = _solve(problem, seed, closely=False)
    if solved is None:
        raise refusal(problem, lambda other: _evaluated(other, seed))
    tables, found, tries, chosen, result = solved
    gap = found.bound - result.value
    return Plan(
        chosen=chosen,
        prices=dict(zip(tables.names, found.prices.rows.tolist(), strict=True)),
        group_prices=found.prices.groups,
        usage=result.usage,
        group_usage=result.group_usage,
        value=result.value,
        bound=found.bound,
        gap=gap / abs(found.bound) if gap else 0.0,
        tries=tries,
        pricing=Pricing(*price_arrays(tables, found.prices), tables.group_use, tables.offers, tables.k),
    )


_Solved = tuple[Tables, Found, int, Array, Evaluation]


def _solve(problem: Problem, seed: int, *, closely: bool) -> _Solved | None:
    """Prices, choices and their evaluation; None where no plan was found that keeps every row.

    Few customers leave prices little to go by: there the exact solver has the last word, and with
    `closely` the first.
    """
    seen = survey(problem)
    tables = tables_of(problem, seen)
    found, width, tries = _prices(problem, seen, tables, seed)
    chosen = _in_order(_plan(problem.blocks, seen, tables, found, width))
    result = evaluate(problem, chosen)
    if seen.allowed <= _FEW and (closely or result.broken):
        exact = solve_exactly(joined(list(problem.blocks())), tables)
        if exact is not None:
            chosen = _in_order(exact)
            result = evaluate(problem, chosen)
    if result.broken and any(row.at_least for row in problem.limits):
        chosen = _in_order(_from_minimums(problem, seen, tables, found, width, seed))
        result = evaluate(problem, chosen)
    return None if result.broken else (tables, found, tries, chosen, result)


def _in_order(chosen: Array) -> Array:
    """Each customer's options by place, -1 last, before anything is added up: sums depend on the order."""
    last = np.iinfo(np.int16).max
    found = np.where(chosen < 0, last, chosen)
    found.sort(axis=1)
    placed: Array = np.where(found == last, -1, found).astype(np.int16)
    return placed


def _from_minimums(
    problem: Problem, seen: Survey, tables: Tables, found: Found, width: float, seed: int
) -> Array:
    """The minimum volumes first, where prices do not get there; then what else fits."""
    most = np.inf if seen.customers <= _MOST_POOL else width
    chosen, pool = _gather(problem.blocks, tables, found.prices, most)
    solved = _solved(covering(problem), seed)
    if solved is None:
        return chosen
    chosen = solved[3]
    result = evaluate(problem, chosen)
    if result.broken:
        return chosen
    usage = tables.signs * [result.usage[name] for name in tables.of]
    pool = replace(pool, chosen=chosen[pool.rows])
    repair(pool, tables, found.prices, usage, result.group_usage)
    chosen[pool.rows] = pool.chosen
    return chosen


def _solved(problem: Problem, seed: int) -> _Solved | None:
    try:
        return _solve(problem, seed, closely=True)
    except InputError:  # nobody may take what the minimums ask for
        return None


def _evaluated(problem: Problem, seed: int) -> Evaluation | None:
    solved = _solved(problem, seed)
    return None if solved is None else solved[4]


def _prices(problem: Problem, seen: Survey, tables: Tables, seed: int) -> tuple[Found, float, int]:
    """On a sample first where there are many customers; the best prices start the passes over all."""
    start = np.zeros(len(tables.limits))
    width, n = 0.1 * seen.mean, seen.customers
    if n > 2 * _SAMPLE:
        block = _sample(problem.blocks(), n, seed)
        few, share = len(block.values), len(block.values) / n
        fewer = tables.scaled(share)
        data = data_of(lambda: (block,), few, fewer, seen.mean)
        found, width, _ = minimise(data, fewer, start, width, _MOST_TRIES, 1e-6)
        start = found.prices.rows
    data = data_of(problem.blocks, n, tables, seen.mean)
    return minimise(data, tables, start, width, _MOST_TRIES, 1e-7)


def _sample(blocks: Iterable[Block], customers: int, seed: int) -> Block:
    """About `_SAMPLE` customers, drawn by a hash of their row numbers."""
    parts, at = [], 0
    for block in blocks:
        numbers = np.arange(at, at + len(block.values), dtype=np.uint64)
        at += len(block.values)
        parts.append(rows_of(block, _hash(numbers, seed) < _SAMPLE / customers))
    return joined(parts)


def _hash(numbers: Array, seed: int) -> Array:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014), as shares in [0, 1)."""
    mixed = numbers + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed ^ (mixed >> np.uint64(31))).astype(float) / 2.0**64


def _plan(
    blocks: Callable[[], Iterable[Block]], seen: Survey, tables: Tables, found: Found, width: float
) -> Array:
    """Choices at the prices, repaired by the closest customers; by more of them where those are too few."""
    share = max(found.close, 1.0) / seen.customers
    pool_width = width * min(_POOL / seen.customers, 1.0) / share
    while True:
        chosen, pool = _gather(blocks, tables, found.prices, pool_width)
        usage, group_usage = tables.limits - found.slack, tables.group_limits - found.group_slack
        done = repair(pool, tables, found.prices, usage, group_usage)
        chosen[pool.rows] = pool.chosen
        if done or len(pool.rows) >= min(seen.customers, _MOST_POOL):
            return chosen
        pool_width = pool_width * 8.0 if len(pool.rows) < 0.1 * seen.customers else np.inf


def _gather(
    blocks: Callable[[], Iterable[Block]], tables: Tables, prices: Prices, width: float
) -> tuple[Array, Pool]:
    """Choices of all customers, and those of them who are closer than a width."""
    all_chosen, rows, parts, at = [], [], [], 0
    for block, chosen, margins in swept(blocks(), tables, prices, empty_sums(tables), 0.0, keep=True):
        close = np.flatnonzero(margins < width) if width < np.inf else np.arange(len(margins))
        all_chosen.append(chosen)
        rows.append(at + close)
        parts.append(rows_of(block, close))
        at += len(chosen)
    everyone, numbers = np.concatenate(all_chosen), np.concatenate(rows)
    return everyone, Pool(numbers, joined(parts), everyone[numbers])
