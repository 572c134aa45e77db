"""What a plan is worth and uses, added up anew from the data, apart from the solver's own sums."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.allocation.problem import Block, Fairness, Limit, Problem

__all__ = ["Evaluation", "evaluate"]

Array = np.ndarray[Any, Any]
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Evaluation:
    """Of a plan: its value, what it uses of every row and group, and the rows that it breaks.

    usage
        Row name -> amount in the row's unit; for the fairness row the difference of the means,
        side 1 less side 2.
    broken
        Row name -> by how much the plan is over its limit, or below its minimum.
    """

    value: float
    usage: dict[str, float]
    group_usage: Array
    broken: dict[str, float]


def evaluate(problem: Problem, chosen: Array) -> Evaluation:
    """Add up a plan `chosen` (n, k), and check every row, each sum by its own definition.

    A row counts as kept within a billionth of its limit: sums of floats are no more exact.
    """
    group = problem.group
    value, at = 0.0, 0
    usage = {row.name: 0.0 for row in problem.limits}
    group_usage = np.zeros(0 if group is None else len(group.limits))
    benefit, people = np.zeros(3), np.zeros(3, np.int64)
    for block in problem.blocks():
        taken = chosen[at : at + len(block.values)]
        at += len(block.values)
        rows, slots = np.nonzero(taken >= 0)
        options = taken[rows, slots]
        values = block.values[rows, options].astype(float)
        value += float(values.sum())
        for row in problem.limits:
            usage[row.name] += float(_used(row, block, rows, options).sum())
        if group is not None and block.groups is not None:
            codes = block.groups[rows]
            used = np.asarray(group.usage, float)[options]
            group_usage += np.bincount(codes[codes >= 0], used[codes >= 0], len(group_usage))
        if problem.fairness is not None and block.sides is not None:
            counted = values if problem.fairness.measure == "value" else np.ones(len(rows))
            benefit += np.bincount(block.sides[rows], counted, 3)
            people += np.bincount(block.sides, minlength=3)
    broken = {row.name: over for row in problem.limits if (over := _over(row, usage[row.name])) > 0.0}
    if group is not None and (over := float((group_usage - _allowed(group.limits)).max(initial=0.0))) > 0.0:
        broken[group.name] = over
    if problem.fairness is not None:
        means = benefit / np.maximum(people, 1)
        usage[problem.fairness.name] = difference = float(means[1] - means[2])
        broken |= _unfair(problem.fairness, difference)
    return Evaluation(value, usage, group_usage, broken)


def _used(row: Limit, block: Block, rows: Array, options: Array) -> Array:
    if isinstance(row.usage, str):
        return np.zeros(0) if block.costs is None else block.costs[rows, options].astype(float)
    found: Array = np.asarray(row.usage, float)[options]
    return found


def _allowed(limit: Any) -> Any:
    return limit + _ROUNDING * np.maximum(1.0, np.abs(limit))


def _over(row: Limit, used: float) -> float:
    sign = -1.0 if row.at_least else 1.0
    return float(sign * used - _allowed(sign * row.limit))


def _unfair(row: Fairness, difference: float) -> dict[str, float]:
    over = abs(difference) - _allowed(row.delta)
    return {row.name: over} if over > 0.0 else {}
