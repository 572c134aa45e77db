"""Whether a problem is one: names, shapes and signs of its rows, before any customer is read."""

from typing import Any

import numpy as np

from features.errors import InputError, first_five
from serving.allocation.problem import Limit, Problem

__all__ = ["check"]

_MOST_OPTIONS = 2**15 - 1


def check(problem: Problem) -> None:
    """Look at everything but the blocks.

    Raises
    ------
    InputError
        If a name occurs twice, a usage or limit is negative or not finite, a usage is not one for
        each option, k is below 1, or an option has no offer.
    """
    m = len(problem.offers)
    if not 0 < m <= _MOST_OPTIONS:
        raise InputError(f"allocation: {m} options; cure: from 1 to {_MOST_OPTIONS:,}")
    if problem.k < 1:
        raise InputError(f"allocation: k = {problem.k}; cure: a customer may take at least one option")
    group, fairness = problem.group, problem.fairness
    names = [row.name for row in (*problem.limits, group, fairness) if row is not None]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"allocation: rows share a name: {first_five(twice)}; cure: one name for each row")
    for row in problem.limits:
        _limit(row, m)
    if group is not None:
        _numbers(group.name, "limits", group.limits, (max(len(group.limits), 1),))
        _numbers(group.name, "usage", group.usage, (m,))
    if fairness is not None:
        _numbers(fairness.name, "delta", fairness.delta, ())
        if fairness.measure not in ("value", "contacts"):
            raise InputError(
                f"allocation: row '{fairness.name}': unknown measure '{fairness.measure}'; "
                "known: value, contacts"
            )


def _limit(row: Limit, m: int) -> None:
    _numbers(row.name, "limit", row.limit, ())
    if not isinstance(row.usage, str):
        _numbers(row.name, "usage", row.usage, (m,))
    elif row.usage != "costs":
        raise InputError(f"allocation: row '{row.name}': unknown usage '{row.usage}'; known: costs")
    elif row.at_least:
        raise InputError(f"allocation: row '{row.name}': a minimum of costs; cure: a usage by option")


def _numbers(row: str, what: str, given: Any, shape: tuple[int, ...]) -> None:
    numbers = np.asarray(given, float)
    if numbers.shape != shape:
        raise InputError(f"allocation: row '{row}': {what} of shape {numbers.shape}; cure: {shape}")
    if not np.isfinite(numbers).all() or (numbers < 0.0).any():
        raise InputError(f"allocation: row '{row}': {what} below 0 or not finite; cure: 0 or more")
