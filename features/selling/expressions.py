"""Conditions on customers, evaluated on columns; `features.selling.parsing` reads them from text.

What is not known is not true: a comparison with a missing value is unknown, and so is its negation
(Kleene's three values); only what is true counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from features.selling.programs import Compiler, Mask, programs_of

if TYPE_CHECKING:
    from features.families.base import Field

__all__ = [
    "EVERYBODY",
    "SCORES",
    "Comparison",
    "Expression",
    "Facts",
    "Joined",
    "Mask",
    "Not",
    "Part",
    "Term",
    "every",
    "some",
    "term_of",
]


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
    """Columns of customers as expressions read them.

    Parameters
    ----------
    columns
        One sequence, array or Series a column, all of one length, with None or NaN for what is missing.
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.columns = columns
        self.rows = len(next(iter(columns.values()))) if columns else 0


@dataclass(frozen=True)
class Comparison:
    """A term compared with a constant in stored units, or with several after `in` and `not in`."""

    term: Term
    operator: str
    value: Any

    def compile(self, compiler: Compiler) -> None:
        """True where the value is known and compares so, false where it is known and does not."""
        compiler.compare(self.term, self.operator, self.value)

    def comparisons(self) -> "Iterator[Comparison]":
        """Itself."""
        yield self


@dataclass(frozen=True)
class Not:
    """True where its part is false."""

    part: "Part"

    def compile(self, compiler: Compiler) -> None:
        """The part's, turned round."""
        self.part.compile(compiler)
        compiler.turn()

    def comparisons(self) -> Iterator[Comparison]:
        """Those of its part."""
        yield from self.part.comparisons()


@dataclass(frozen=True)
class Joined:
    """Parts joined by `and` where `every` is set, else by `or`."""

    every: bool
    parts: "tuple[Part, ...]"

    def compile(self, compiler: Compiler) -> None:
        """True where every (or any) part is true, false where any (or every) part is false."""
        for part in self.parts:
            part.compile(compiler)
        compiler.join(len(self.parts), every=self.every)

    def comparisons(self) -> Iterator[Comparison]:
        """Those of its parts."""
        for part in self.parts:
            yield from part.comparisons()


Part = Comparison | Not | Joined


@dataclass(frozen=True)
class Expression:
    """A condition with the text that it was read from; without a root it is true of everybody."""

    text: str
    root: Part | None = field(default=None, repr=False)

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
        program = programs_of(self)
        return program.hold(program.matrix(facts.columns, facts.rows))[:, 0]


EVERYBODY = Expression("")
"""The empty expression, which is true of everybody."""


def every(*parts: Part) -> Expression:
    """A condition that is not read from text: true where all parts are."""
    return Expression("", Joined(True, parts))


def some(*parts: Part) -> Expression:
    """The same, true where any part is."""
    return Expression("", Joined(False, parts))
