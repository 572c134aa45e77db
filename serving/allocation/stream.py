"""Blocks of customers in the sizes that the compiled pass wants, their survey, and a sample of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from features.errors import InputError, first_five
from serving.allocation.kernel import CHUNK
from serving.allocation.problem import Block, Problem

__all__ = ["Survey", "arrays_of", "at_once", "joined", "rechunked", "rows_of", "survey"]

Array = np.ndarray[Any, Any]
_NO_INTS = np.zeros(0, np.int32)


@dataclass(frozen=True)
class Survey:
    """What one reading of all customers tells.

    customers, allowed
        How many customers, and how many (customer, option) pairs are allowed.
    sides
        (3,), customers of each side.
    mean
        Size of each customer's highest value, the scale of the prices.
    """

    customers: int
    allowed: int
    sides: Array
    mean: float


def at_once(block: Block) -> Callable[[], tuple[Block, ...]]:
    """The blocks of a problem that is in memory as one."""
    return lambda: (block,)


def arrays_of(block: Block) -> tuple[Array, Array, Array, Array]:
    """A block as the compiled loops take it: values, groups, sides, costs; missing ones are empty."""
    groups = _NO_INTS if block.groups is None else np.ascontiguousarray(block.groups, np.int32)
    sides = _NO_INTS if block.sides is None else np.ascontiguousarray(block.sides, np.int32)
    values = np.ascontiguousarray(block.values)
    costs = np.zeros((0, 0)) if block.costs is None else np.ascontiguousarray(block.costs, float)
    return values, groups, sides, costs


def rechunked(blocks: Iterable[Block]) -> Iterator[tuple[int, Block]]:
    """The same customers with the number of the first chunk of each block; only the last ends midway.

    A block that fits already is passed on as it is, without a copy.
    """
    rest: list[Block] = []
    held = start = 0
    for block in blocks:
        rest.append(block)
        held += len(block.values)
        whole = held // CHUNK * CHUNK
        if whole:
            joint = joined(rest)
            yield start, rows_of(joint, slice(0, whole))
            start += whole // CHUNK
            held -= whole
            rest = [rows_of(joint, slice(whole, None))] if held else []
    if held:
        yield start, joined(rest)


def joined(blocks: list[Block]) -> Block:
    """Several blocks as one."""
    if len(blocks) == 1:
        return blocks[0]
    values, *others = (_stack(part) for part in _parts(blocks))
    return Block(np.zeros((0, 0)) if values is None else values, *others)


def rows_of(block: Block, rows: Any) -> Block:
    """Some rows of a block: a slice, or row numbers."""
    return Block(*(None if part[0] is None else part[0][rows] for part in _parts([block])))  # type: ignore[arg-type]


def survey(problem: Problem) -> Survey:
    """Read everything once, and check it.

    Raises
    ------
    InputError
        If shapes do not fit, a value is NaN or +inf, a cost negative, a group or side unknown, or
        nobody is allowed anything.
    """
    m, n, first = len(problem.offers), 0, -1
    sides, totals = np.zeros(3, np.int64), np.zeros(3)
    for block in problem.blocks():
        _check_shapes(block, problem, m)
        bad = _read(*arrays_of(block), _groups(problem), sides, totals)
        if bad >= 0 and first < 0:
            first = n + bad
        n += len(block.values)
    if first >= 0:
        raise InputError(
            f"allocation: row {first} holds NaN or +inf, a cost below 0 or not finite, or an unknown "
            "group or side; cure: -inf for what is not allowed, groups from -1, sides 0 to 2"
        )
    if not n:
        raise InputError("allocation: no customers")
    if not totals[0]:
        raise InputError("allocation: no customer is allowed any option; cure: look at the rules")
    return Survey(n, int(totals[0]), sides, float(totals[1] / totals[2]) or 1.0)


def _groups(problem: Problem) -> int:
    return 0 if problem.group is None else len(problem.group.limits)


def _check_shapes(block: Block, problem: Problem, m: int) -> None:
    rows = len(block.values)
    shapes = {"values": (rows, m), "groups": (rows,), "sides": (rows,), "costs": (rows, m)}
    wanted = {"values": True, "groups": problem.group is not None, "sides": problem.fairness is not None}
    wanted["costs"] = any(isinstance(row.usage, str) for row in problem.limits)
    parts = {name: getattr(block, name) for name in shapes}
    if missing := [name for name, need in wanted.items() if need and parts[name] is None]:
        raise InputError(f"allocation: blocks lack {first_five(missing)}, which a row needs")
    wrong = [name for name, part in parts.items() if part is not None and part.shape != shapes[name]]
    if wrong:
        raise InputError(
            f"allocation: {first_five(wrong)} of a block do not have {rows} rows and {m} options"
        )


@numba.njit(cache=True, nogil=True)
def _read(
    values: Array, groups: Array, sides: Array, costs: Array, n_groups: int, seen: Array, totals: Array
) -> int:
    """Check every row, and add up what the survey tells; gives the first bad row, or -1."""
    bad = -1
    for i in range(len(values)):
        good, best = True, -np.inf
        for j in range(values.shape[1]):
            value = values[i, j]
            if value == -np.inf:
                continue
            good = good and value < np.inf
            if len(costs):
                good = good and 0.0 <= costs[i, j] < np.inf
            totals[0] += 1.0
            best = max(best, value)
        if len(groups) and n_groups:
            good = good and -1 <= groups[i] < n_groups
        if len(sides):
            good = good and 0 <= sides[i] <= 2
            if good:
                seen[sides[i]] += 1
        if best > -np.inf:
            totals[1] += abs(best)
            totals[2] += 1.0
        if not good and bad < 0:
            bad = i
    return bad


def _parts(blocks: list[Block]) -> Iterator[list[Array | None]]:
    for name in ("values", "groups", "sides", "costs"):
        yield [getattr(block, name) for block in blocks]


def _stack(parts: list[Array | None]) -> Array | None:
    held = [part for part in parts if part is not None]
    return np.concatenate(held) if len(held) == len(parts) else None
