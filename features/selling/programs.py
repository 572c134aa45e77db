"""Many conditions at once, compiled: for one customer in a microsecond or two.

Conditions become one list of steps over numbers and codes of words. A step compares a column, or joins what
the steps before it found; what is not known is neither true nor false (Kleene's three values, as 1, -1, 0:
`and` is the least, `or` the most, `not` turns the sign).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import InputError
from features.rows import Rows

if TYPE_CHECKING:
    from features.selling.expressions import Expression, Term

__all__ = ["AND", "NOT", "STEP", "Compiler", "Programs", "programs_of"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=", "in", "not in")
NOT, AND, OR = 8, 9, 10
STEP = np.dtype([("value", "f8"), ("kind", "i4"), ("column", "i4"), ("first", "i4"), ("last", "i4")])
"""One step: a comparison of a column with a value, or with constants first to last; or a join of the last
`first` findings."""

_OTHER = -1.0
"""The code of words that no condition names."""

_FEW = 100
"""Up to so many words are looked up one by one; above, it pays to find the distinct ones first."""


class Compiler:
    """Takes the parts of conditions, the inner ones first."""

    def __init__(self) -> None:
        self.terms: dict[str, Term] = {}
        self.words: dict[str, dict[Any, float]] = {}
        self.steps: list[tuple[float, int, int, int, int]] = []
        self.constants: list[float] = []

    def compare(self, term: "Term", comparison: str, value: Any) -> None:
        """A term compared with a constant, or with several after `in` and `not in`."""
        self.terms.setdefault(term.name, term)
        place = list(self.terms).index(term.name)
        several = isinstance(value, tuple)
        values = value if several else (value,)
        if term.text:
            codes = self.words.setdefault(term.name, {None: np.nan})
            values = tuple(codes.setdefault(word, float(len(codes))) for word in values)
        first = len(self.constants)
        if several:
            self.constants += values
        alone = 0.0 if several else values[0]
        self.steps.append((alone, _COMPARISONS.index(comparison), place, first, len(self.constants)))

    def turn(self) -> None:
        """`not` what was found last."""
        self.steps.append((0.0, NOT, 0, 0, 0))

    def join(self, parts: int, *, every: bool) -> None:
        """`and`, or else `or`, of what was found last."""
        self.steps.append((0.0, AND if every else OR, 0, parts, 0))


class Programs:
    """Conditions by their place; `columns` are those that they read.

    Parameters
    ----------
    conditions
        The empty expression is true of everybody.
    """

    def __init__(self, conditions: "Sequence[Expression]") -> None:
        compiler, ends = Compiler(), [0]
        for condition in conditions:
            if condition.root:
                condition.root.compile(compiler)
            ends.append(len(compiler.steps))
        self.columns = tuple(compiler.terms)
        self._texts = [(p, compiler.words[n]) for p, n in enumerate(self.columns) if n in compiler.words]
        self._steps = np.array(compiler.steps, dtype=STEP)
        self._ends = np.array(ends, dtype=np.int64)
        self._among = np.array(compiler.constants, dtype=np.float64)
        self._deepest = max((b - a for a, b in pairwise(ends)), default=0) + 1

    def matrix(self, columns: Mapping[str, Any], rows: int) -> Floats:
        """Columns of n rows as numbers and codes of words, NaN where missing, (n, columns).

        Raises
        ------
        InputError
            If there is no such column.
        """
        try:
            if isinstance(columns, Rows):
                return self._of_rows(columns)
            values = [columns[name] for name in self.columns]
        except KeyError as error:
            raise InputError(
                f"features: column '{error.args[0]}' is missing; cure: run `tenure features build`"
            ) from None
        for place, codes in self._texts:
            values[place] = _coded(values[place], codes)
        found = np.empty((rows, len(values)))
        for place, column in enumerate(values):
            found[:, place] = np.asarray(column, dtype=np.float64)
        return found

    def _of_rows(self, rows: Rows) -> Floats:
        found = rows.picked(self.columns)
        for place, codes in self._texts:
            found[:, place] = [codes.get(word, _OTHER) for word in rows.words(self.columns[place])]
        return np.ascontiguousarray(found)

    def hold(self, matrix: Floats) -> Mask:
        """Which conditions are true of whom, (n, conditions)."""
        # Imported here: who only reads conditions needs no compiler.
        from features.selling.judge import judge

        found = np.empty((len(matrix), len(self._ends) - 1), dtype=np.bool_)
        judge(self._steps, self._ends, self._among, self._deepest, matrix, found)
        return found


def _coded(values: Any, codes: Mapping[Any, float]) -> Any:
    """The code of each word, NaN where it is missing: None, NaN or pandas' NA."""
    if isinstance(values, (list, tuple)) and len(values) < _FEW:
        return [codes.get(word, _OTHER) if word == word else np.nan for word in values]
    places, found = pd.factorize(np.asarray(values, dtype=object))
    # One more place, for the -1 of what is missing.
    return np.array([*(codes.get(word, _OTHER) for word in found), np.nan])[places]


@lru_cache(maxsize=1_000)
def programs_of(*conditions: "Expression") -> Programs:
    """The program of some conditions, compiled once."""
    return Programs(conditions)
