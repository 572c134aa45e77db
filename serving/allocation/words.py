"""What a plan's prices say, in sentences."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from features.errors import InputError
from serving.allocation.problem import Fairness, Limit, Plan, Problem

__all__ = ["without", "words"]


def without(problem: Problem, name: str) -> Problem:
    """The problem without one row; what it costs is the worth of that plan less the worth of this one.

    Raises
    ------
    InputError
        If no row has that name.
    """
    group, fairness = problem.group, problem.fairness
    names = [row.name for row in (*problem.limits, group, fairness) if row is not None]
    if name not in names:
        raise InputError(f"allocation: no row is called '{name}'; known: {', '.join(names)}")
    return replace(
        problem,
        limits=tuple(row for row in problem.limits if row.name != name),
        group=None if group is not None and group.name == name else group,
        fairness=None if fairness is not None and fairness.name == name else fairness,
    )


def words(
    problem: Problem, plan: Plan, currency: str, freed: Mapping[str, Plan] | None = None
) -> list[str]:
    """One sentence a row.

    Parameters
    ----------
    freed
        Row name -> the plan `without` that row: what the row costs is then told as well.
    """
    found = [_of_limit(row, plan, currency) for row in problem.limits]
    if problem.group is not None:
        name, unit = problem.group.name, problem.group.unit
        prices = plan.group_prices
        full = int(np.count_nonzero(prices))
        found.append(f"{name}: {full:,} of {len(prices):,} are used up")
        if full:
            dearest = int(prices.argmax())
            found[-1] += f"; one more {unit} of number {dearest} is worth {prices[dearest]:,.2f} {currency}"
    for name, free in (freed or {}).items():
        found.append(_of_freed(problem, name, free.value - plan.value, free.value, currency))
    return found


def _of_limit(row: Limit, plan: Plan, currency: str) -> str:
    price = plan.prices[row.name]
    if row.at_least:
        if price > 0.0:
            return f"one {row.unit} less of the minimum '{row.name}' earns {price:,.2f} {currency} more"
        return f"the minimum '{row.name}' costs nothing: the plan reaches it anyway"
    if price > 0.0:
        return f"one more {row.unit} of '{row.name}' is worth {price:,.2f} {currency}"
    return f"'{row.name}' is not used up: more of it is worth nothing"


def _of_freed(problem: Problem, name: str, cost: float, base: float, currency: str) -> str:
    if isinstance(problem.fairness, Fairness) and problem.fairness.name == name:
        share = cost / abs(base) if base else 0.0
        return f"the fairness rule '{name}' costs {cost:,.0f} {currency} ({share:.1%})"
    return f"without '{name}' the plan would earn {cost:,.0f} {currency} more"
