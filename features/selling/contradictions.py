"""Conditions that nobody can meet, found without looking at any customer."""

from functools import reduce
from itertools import pairwise, product
from operator import and_
from typing import Any

import numpy as np

from features.selling.expressions import Expression, Facts, Term

__all__ = ["satisfiable"]

_MOST_CASES = 200_000


def satisfiable(*expressions: Expression) -> bool:
    """Whether any customer at all could make all expressions true at once.

    Tried on one value in each interval between the constants of each term, which is exact; where
    that makes more than 200,000 cases the answer is yes.
    """
    constants: dict[Term, set[Any]] = {}
    for expression in expressions:
        for c in expression.root.comparisons() if expression.root else ():
            values = c.value if isinstance(c.value, tuple) else (c.value,)
            constants.setdefault(c.term, set()).update(values)
    cases = [_values(term, found) for term, found in constants.items()]
    if not cases or np.prod([float(len(values)) for values in cases]) > _MOST_CASES:
        return True
    columns = zip(*product(*cases), strict=True)
    facts = Facts({term.name: list(column) for term, column in zip(constants, columns, strict=True)})
    return bool(reduce(and_, (e.holds(facts) for e in expressions)).any())


def _values(term: Term, constants: set[Any]) -> list[Any]:
    """Values of a term that stand for all: each constant, and one between and beyond each two."""
    if term.text:
        return sorted(term.words or {*constants, "\x00 any other"})
    ordered = sorted(constants)
    if term.whole:
        near = {step(c) + d for c in ordered for step in (np.floor, np.ceil) for d in (-1.0, 0.0, 1.0)}
    else:
        between = {(a + b) / 2 for a, b in pairwise(ordered)}
        near = {*ordered, *between, ordered[0] - 1.0, ordered[-1] + 1.0, term.low, term.high}
    return sorted(v for v in near if term.low <= v <= term.high and np.isfinite(v))
