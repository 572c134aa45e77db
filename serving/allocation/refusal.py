"""Why no plan keeps every row, and the smallest changes with which one does."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from features.errors import RefusedError
from serving.allocation.certificate import Evaluation
from serving.allocation.problem import Block, Limit, Problem

__all__ = ["covering", "refusal"]

Array = np.ndarray[Any, Any]
Solve = Callable[[Problem], Evaluation | None]
_WITHOUT_LIMIT = 1e15
_SPREAD = 1e-3
"""Even customers are told apart by this share of what is counted, so that prices can part them."""


def refusal(problem: Problem, solve: Solve) -> RefusedError:
    """The error for a problem whose minimum volumes cannot be met, with what would meet them.

    Each change named was tried: a plan with it alone keeps every row (fairness left aside).

    Parameters
    ----------
    solve
        The evaluation of the best plan found for a problem, None where none was found.
    """
    minimums = [row for row in problem.limits if row.at_least]
    most = solve(covering(problem))
    reached = {} if most is None else most.usage
    short = [row for row in minimums if reached.get(row.name, 0.0) < row.limit * (1.0 - 1e-9)]
    named = ", ".join(f"'{row.name}'" for row in short or minimums)
    lower = [
        f"lower '{row.name}' from {_told(row.limit)} to {_told(math.floor(100.0 * least + 1e-6) / 100.0)}"
        for row in short
        for least in (reached.get(row.name, 0.0),)
    ]
    cures = [" and ".join(lower)] if lower else []
    needs = [(row, _needed(problem, row, solve)) for row in problem.limits if not row.at_least]
    cures += [
        f"raise '{row.name}' from {_told(row.limit)} to {_told(_cents_up(needed))} {row.unit}"
        for row, needed in needs
        if needed is not None and needed > row.limit
    ]
    cure = "; or ".join(cures) or "drop the fairness row, or lower the minimums"
    return RefusedError(
        f"allocation: the minimums {named} cannot be met within the other rows; cure: {cure}"
    )


def _told(amount: float) -> str:
    return f"{amount:,.2f}".rstrip("0").rstrip(".")


def _cents_up(amount: float) -> float:
    return math.ceil(100.0 * amount - 1e-6) / 100.0


def covering(problem: Problem) -> Problem:
    """Count towards the minimums as much as the other rows allow, each as a share of its limit."""
    minimums = [row for row in problem.limits if row.at_least]
    weight = sum((_options(row) / max(row.limit, 1e-12) for row in minimums), np.zeros(len(problem.offers)))
    rows = tuple(replace(row, at_least=False) if row.at_least else row for row in problem.limits)
    scale = 1.0 / max(float(weight.max(initial=0.0)), 1e-300)
    return _instead(problem, rows, lambda _: weight * scale, weight > 0.0)


def _needed(problem: Problem, row: Limit, solve: Solve) -> float | None:
    """The least of one row with which the minimums can be met, the other rows as they are."""
    rows = tuple(other for other in problem.limits if other is not row)
    wanted = sum((_options(other) for other in rows if other.at_least), np.zeros(len(problem.offers)))
    free = replace(row, limit=_WITHOUT_LIMIT)
    least = solve(_instead(problem, (*rows, free), _less(row), wanted > 0.0))
    return None if least is None else least.usage[row.name]


def _less(row: Limit) -> Callable[[Block], Array]:
    def worth(block: Block) -> Array:
        used = block.costs if isinstance(row.usage, str) else row.usage
        return -np.asarray(used, float)

    return worth


def _options(row: Limit) -> Array:
    """The usage of a minimum, which is by option."""
    return np.asarray(row.usage, float)


def _instead(
    problem: Problem, rows: tuple[Limit, ...], worth: Callable[[Block], Array], wanted: Array
) -> Problem:
    """The problem with other rows and values, only the wanted options allowed, without fairness."""

    def blocks() -> Iterable[Block]:
        at = 0
        for block in problem.blocks():
            numbers = np.arange(at, at + len(block.values))[:, None] * len(wanted) + np.arange(len(wanted))
            at += len(block.values)
            apart = 1.0 + _SPREAD * (numbers * 0.6180339887498949 % 1.0)
            values = np.where((block.values > -np.inf) & wanted, worth(block) * apart, -np.inf)
            yield replace(block, values=values)

    return replace(problem, blocks=blocks, limits=rows, fairness=None)
