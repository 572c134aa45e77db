"""A problem as numbers: every row as a sum of at most a limit, whatever its kind."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from serving.allocation.problem import Fairness, Limit, Problem
from serving.allocation.stream import Survey

__all__ = ["Tables", "tables_of"]

Array = np.ndarray[Any, Any]
_SIDES = 3


@dataclass(frozen=True)
class Tables:
    """Rows r of the form: sum over choices of the usage <= limit. Minimums carry negative signs.

    A customer of side s who takes option j uses fixed[r, s, j] + by_value[r, s] * value +
    by_cost[r] * cost of row r, and group_use[j] of the group's capacity.

    fixed, by_value, by_cost, limits
        (R, sides, m), (R, sides), (R,), (R,) float64.
    of, signs
        (R,), the row of the problem that each comes from, and -1 where it counts the other way.
    """

    names: tuple[str, ...]
    of: tuple[str, ...]
    fixed: Array
    by_value: Array
    by_cost: Array
    limits: Array
    signs: Array
    group_use: Array
    group_limits: Array
    offers: Array
    k: int

    @property
    def rows(self) -> tuple[Array, Array, Array]:
        """The usage, as the compiled loops take it."""
        return self.fixed, self.by_value, self.by_cost

    @property
    def options(self) -> tuple[Array, Array, int]:
        """The options, as the compiled loops take them."""
        return self.offers, self.group_use, self.k

    def scaled(self, share: float) -> "Tables":
        """The same rows for a share of the customers."""
        return replace(self, limits=self.limits * share, group_limits=self.group_limits * share)


def tables_of(problem: Problem, survey: Survey) -> Tables:
    """Put a problem into numbers; the fairness row needs how many customers each side has."""
    m = len(problem.offers)
    rows = [_limit(row, m) for row in problem.limits]
    if problem.fairness is not None:
        rows += _fairness(problem.fairness, survey.sides, m)
    names, of, fixed, by_value, by_cost, limits, signs = zip(*rows, strict=True) if rows else ((),) * 7
    group = problem.group
    count = len(rows)
    return Tables(
        names=tuple(names),
        of=tuple(of),
        fixed=np.array(fixed, float).reshape(count, _SIDES, m),
        by_value=np.array(by_value, float).reshape(count, _SIDES),
        by_cost=np.array(by_cost, float),
        limits=np.array(limits, float),
        signs=np.array(signs, float),
        group_use=np.zeros(m) if group is None else np.asarray(group.usage, float),
        group_limits=np.zeros(0) if group is None else _whole(group.usage, group.limits),
        offers=np.asarray(problem.offers, np.int64),
        k=problem.k,
    )


def _whole(usage: Array, limits: Array) -> Array:
    """Limits without the fraction that whole usages can never fill, which sharpens the bound."""
    whole = (np.asarray(usage, float) % 1.0 == 0.0).all()
    found: Array = np.floor(limits) if whole else np.asarray(limits, float)
    return found


_Row = tuple[str, str, Array, Array, float, float, float]


def _limit(row: Limit, m: int) -> _Row:
    sign = -1.0 if row.at_least else 1.0
    by_cost = isinstance(row.usage, str)
    usage = np.zeros(m) if by_cost else np.asarray(row.usage, float)
    fixed = sign * np.tile(usage, (_SIDES, 1))
    return row.name, row.name, fixed, np.zeros(_SIDES), sign * by_cost, sign * row.limit, sign


def _fairness(row: Fairness, sides: Array, m: int) -> list[_Row]:
    """The difference of the two means, and its negative."""
    weights = np.array([0.0, 1.0, -1.0]) / np.maximum([1, sides[1], sides[2]], 1)
    found = []
    for direction, name in ((1.0, f"{row.name} (1 over 2)"), (-1.0, f"{row.name} (2 over 1)")):
        signed = direction * weights
        by_value = signed if row.measure == "value" else np.zeros(_SIDES)
        fixed = np.zeros((_SIDES, m)) if row.measure == "value" else np.outer(signed, np.ones(m))
        found.append((name, row.name, fixed, by_value, 0.0, row.delta, direction))
    return found
