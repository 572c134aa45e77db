"""From raw scores to what a contact changes, compiled: for one row as for many, to the bit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from features.native import CUBE, FLOATS, INTS, TABLE, Array, compiled
from training.lines import expit
from training.uplift.learners import LEARNERS, Learned
from training.uplift.linear import Linear, Term

__all__ = ["Change"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LINEAR, _SHIFTED, _TWO, _ROBUST = (
    LEARNERS.index(name) for name in ("linear", "shifted", "two_models", "doubly_robust")
)
_EDGE = 1e-9


@dataclass(frozen=True)
class Change:
    """A learner's answer as numbers.

    outputs
        Of the forest: of those left alone, and of the change.
    numbers
        Slope and intercept that calibrate those left alone; those to which `linear` adds, its start, and
        the ends of its shift; what `shifted` adds; shift, slope and centre of the line.
    terms
        Of `linear`: place in a row, level (-1 for numbers), ends, centre, scale, coefficient; (terms, 7).
    """

    learner: int
    outputs: Ints
    numbers: Floats
    terms: Floats

    @classmethod
    def of(
        cls,
        learned: Learned,
        outputs: tuple[int, int],
        alone: tuple[float, float],
        line: Mapping[str, float],
    ) -> "Change":
        """From a learner, its outputs of a forest, and how its answers are calibrated."""
        linear = learned.other if isinstance(learned.other, Linear) else None
        bounds = (linear.start, linear.low, linear.high) if linear else (0.0, 0.0, 0.0)
        terms = (
            [_numbers(*one) for one in zip(linear.terms, linear.coefficients, strict=True)]
            if linear
            else []
        )
        return cls(
            LEARNERS.index(learned.learner),
            np.array(outputs, dtype=np.int64),
            np.array(
                [
                    *alone,
                    *learned.tilt,
                    *bounds,
                    learned.start,
                    *(line[n] for n in ("shift", "slope", "centre")),
                ]
            ),
            np.array(terms, dtype=np.float64).reshape(-1, 7),
        )

    def moved(self, places: Sequence[int]) -> "Change":
        """The same for rows in which the features stand at other places."""
        terms = self.terms.copy()
        terms[:, 0] = np.asarray(places, dtype=np.float64)[terms[:, 0].astype(np.int64)]
        return Change(self.learner, self.outputs, self.numbers, terms)

    def answers(self, raw: Floats, rows: Floats, places: Ints, values: Floats) -> tuple[Floats, Floats]:
        """P(outcome | alone) and P(outcome | contacted) of m variations of n rows, (n, m) each.

        Parameters
        ----------
        raw
            Raw scores of the forest, (n, m, outputs).
        rows, places, values
            As `Forest.varied` takes them.
        """
        alone, contacted = np.empty(raw.shape[:2]), np.empty(raw.shape[:2])
        _change(
            *(self.learner, self.outputs, self.numbers, self.terms),
            *(raw, rows, places, values, alone, contacted),
        )
        return alone, contacted


def _numbers(term: Term, coefficient: float) -> tuple[float, ...]:
    level = -1 if term.level is None else term.level
    return term.place, level, term.low, term.high, term.centre, term.scale, coefficient


@numba.njit
def _shift(numbers: Array, terms: Array, row: Array, places: Array, varied: Array) -> Any:
    """What a contact adds to the log-odds of one variation (`Linear.shift`)."""
    found = numbers[4]
    for t in range(len(terms)):
        place = np.int64(terms[t, 0])
        value = row[place]
        for p in range(len(places)):
            if places[p] == place:
                value = varied[p]
        if terms[t, 1] >= 0.0:
            found += terms[t, 6] * (value == terms[t, 1])
        elif value == value:
            held = min(max(value, terms[t, 2]), terms[t, 3])
            found += terms[t, 6] * ((held - terms[t, 4]) / terms[t, 5])
    return min(max(found, numbers[5]), numbers[6])


@compiled(numba.void(numba.int64, INTS, FLOATS, TABLE, CUBE, TABLE, INTS, CUBE, TABLE, TABLE))
def _change(
    learner: int,
    outputs: Array,
    numbers: Array,
    terms: Array,
    raw: Array,
    rows: Array,
    places: Array,
    values: Array,
    alone: Array,
    contacted: Array,
) -> None:
    for i in range(raw.shape[0]):
        for j in range(raw.shape[1]):
            left, other = raw[i, j, outputs[0]], raw[i, j, outputs[1]]
            p = expit(numbers[0] * left + numbers[1])
            if learner == _LINEAR:
                odds = numbers[2] * left + numbers[3]
                change = expit(odds + _shift(numbers, terms, rows[i], places, values[i, j])) - expit(odds)
            elif learner == _ROBUST:
                change = other
            else:
                met = other if learner == _TWO else left + numbers[7] + other
                change = expit(met) - expit(left)
            held = min(max(p, _EDGE), 1.0 - _EDGE)
            odds = math.log(held / (1.0 - held))
            even = expit(odds + numbers[8]) - expit(odds)
            lifted = p + (even + numbers[9] * (change - even - numbers[10]))
            alone[i, j], contacted[i, j] = p, min(max(lifted, 0.0), 1.0)
