"""Conditions on customers, evaluated on columns; `features.selling.parsing` reads them from text.

What is not known is not true: a comparison with a missing value is unknown, and so is its negation
(Kleene's three values); only what is true counts.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import InputError

if TYPE_CHECKING:
    from features.families.base import Field

__all__ = [
    "COMPARISONS",
    "EVERYBODY",
    "SCORES",
    "Comparison",
    "Expression",
    "Facts",
    "Joined",
    "Mask",
    "Not",
    "Term",
    "term_of",
]

Mask = npt.NDArray[np.bool_]
_Truth = tuple[Mask, Mask]
"""For whom it is true, and for whom it is false; neither where it is unknown."""

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "in": np.isin,
    "not in": lambda values, among: ~np.isin(values, among),
}
"""How a number may be compared; a text by the last four only."""


@dataclass(frozen=True)
class Term:
    """What an expression may name: a feature, or a score of a customer.

    scale
        Stored units in one written unit: 100 for money, which is stored in cents.
    words
        Everything that a text may be, where that is a closed list.
    low, high, whole
        Range of a number in stored units, and whether it has no fractions.
    refused
        Why expressions may not name it; empty where they may.
    """

    name: str
    text: bool = False
    scale: float = 1.0
    words: tuple[str, ...] = ()
    low: float = -np.inf
    high: float = np.inf
    whole: bool = False
    refused: str = ""


SCORES = {
    "churn": Term("churn", low=0.0, high=1.0),
    "value_expected": Term("value_expected"),
}
"""Scores by name: probability of leaving, and expected value of twelve months in major units. Where a
model may not look, they are unknown."""


def term_of(declared: "Field") -> Term:
    """A declared feature as a term."""
    counted = declared.dtype == "int64" and declared.unit in ("count", "days", "years", "0/1")
    return Term(
        name=declared.name,
        text=declared.dtype == "string",
        scale=100.0 if declared.unit.startswith("cents") else 1.0,
        words=declared.words,
        low=0.0 if counted else -np.inf,
        high=1.0 if declared.unit == "0/1" else np.inf,
        whole=declared.dtype == "int64",
        # Age is protected too, but bounds by age are law (loans to adults) and a segment's usual cut.
        refused="a protected attribute" if declared.protected and declared.use == "decision" else "",
    )


class Facts:
    """Columns of customers as expressions read them; what was converted once is kept.

    Parameters
    ----------
    columns
        One sequence, array or Series a column, all of one length, with None or NaN for what is missing.
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = columns
        self._numbers: dict[str, npt.NDArray[np.float64]] = {}
        self._words: dict[str, tuple[npt.NDArray[np.intp], npt.NDArray[Any]]] = {}
        self.rows = len(next(iter(columns.values()))) if columns else 0

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """One column as float64, NaN where it is missing; shape (rows,).

        Raises
        ------
        InputError
            If there is no such column.
        """
        if name not in self._numbers:
            self._numbers[name] = np.asarray(self._column(name), dtype=np.float64)
        return self._numbers[name]

    def is_word(self, name: str, among: tuple[str, ...]) -> _Truth:
        """Whether each text is one of `among`, and whether it is another one; neither where missing."""
        if name not in self._words:
            self._words[name] = _coded(self._column(name))
        codes, found = self._words[name]
        # One more place, for the code -1 of what is missing.
        inside = np.array([*(word in among for word in found), False])
        outside = np.array([*(word not in among for word in found), False])
        return inside[codes], outside[codes]

    def _column(self, name: str) -> Any:
        if name not in self._columns:
            raise InputError(f"features: column '{name}' is missing; cure: run `tenure features build`")
        return self._columns[name]


def _coded(values: Any) -> tuple[npt.NDArray[np.intp], npt.NDArray[Any]]:
    """Each value's place among the distinct ones, -1 where it is missing; and those."""
    if len(values) == 1:  # as the general way answers, without what that costs before the first row
        (value,) = values
        missing = value is None or value != value
        return np.array([-1 if missing else 0]), np.array([] if missing else [value], dtype=object)
    codes, found = pd.factorize(np.asarray(values, dtype=object))
    return codes, np.asarray(found, dtype=object)


@dataclass(frozen=True)
class Comparison:
    """A term compared with a constant in stored units, or with several after `in` and `not in`."""

    term: Term
    operator: str
    value: Any

    def judged(self, facts: Facts) -> _Truth:
        """True where the value is known and compares so, false where it is known and does not."""
        if self.term.text:
            among = self.value if isinstance(self.value, tuple) else (self.value,)
            inside, outside = facts.is_word(self.term.name, among)
            return (inside, outside) if self.operator in ("==", "in") else (outside, inside)
        stored = facts.numbers(self.term.name)
        known = ~np.isnan(stored)
        found = COMPARISONS[self.operator](stored, self.value)
        return found & known, ~found & known

    def comparisons(self) -> "Iterator[Comparison]":
        """Itself."""
        yield self


@dataclass(frozen=True)
class Not:
    """True where its part is false."""

    part: "Comparison | Not | Joined"

    def judged(self, facts: Facts) -> _Truth:
        """The part's, turned round."""
        true, false = self.part.judged(facts)
        return false, true

    def comparisons(self) -> Iterator[Comparison]:
        """Those of its part."""
        yield from self.part.comparisons()


@dataclass(frozen=True)
class Joined:
    """Parts joined by `and` where `every` is set, else by `or`."""

    every: bool
    parts: "tuple[Comparison | Not | Joined, ...]"

    def judged(self, facts: Facts) -> _Truth:
        """True where every (or any) part is true, false where any (or every) part is false."""
        found = [part.judged(facts) for part in self.parts]
        true, false = (operator.and_, operator.or_) if self.every else (operator.or_, operator.and_)
        return reduce(true, (t for t, _ in found)), reduce(false, (f for _, f in found))

    def comparisons(self) -> Iterator[Comparison]:
        """Those of its parts."""
        for part in self.parts:
            yield from part.comparisons()


@dataclass(frozen=True)
class Expression:
    """A condition with the text that it was read from; without a root it is true of everybody."""

    text: str
    root: Comparison | Not | Joined | None = field(default=None, repr=False)

    @property
    def terms(self) -> tuple[Term, ...]:
        """What it names, in the order of the first naming."""
        named = self.root.comparisons() if self.root else ()
        return tuple({c.term.name: c.term for c in named}.values())

    def holds(self, facts: Facts) -> Mask:
        """For whom it is true; bool, shape (rows,).

        Raises
        ------
        InputError
            If a column that it names is missing.
        """
        return self.root.judged(facts)[0] if self.root else np.ones(facts.rows, dtype=np.bool_)


EVERYBODY = Expression("")
"""The empty expression, which is true of everybody."""
