"""From raw scores of trees to calibrated answers, compiled: for one row as for many, to the bit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from features.native import FLOATS, INTS, TABLE, Array, compiled

__all__ = ["Lines", "expit", "together"]

Matrix = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Lines:
    """One line a head, in order.

    outputs
        The output of the forest that the head reads, (heads,).
    steep, level
        Factor and shift of its raw score, (heads,).
    odds
        1 where that is the log-odds of a probability, (heads,).
    crossing
        Pairs of heads of which the first is never the larger one: where they are, they change places.
    """

    outputs: Ints
    steep: Matrix
    level: Matrix
    odds: Ints
    crossing: Ints

    def answers(self, raw: Matrix) -> Matrix:
        """Answers of every head from raw scores (n, outputs), (n, heads)."""
        found = np.empty((len(raw), len(self.outputs)))
        _answer(raw, self.outputs, self.steep, self.level, self.odds, self.crossing, found)
        return found


def together(parts: Sequence[tuple[Lines, int]]) -> Lines:
    """The lines of several forests, whose outputs stand one after the other; with each how many it has."""
    heads = np.cumsum([0, *(len(lines.outputs) for lines, _ in parts)])
    outputs = np.cumsum([0, *(number for _, number in parts)])
    return Lines(
        np.concatenate([lines.outputs + at for (lines, _), at in zip(parts, outputs, strict=False)]),
        np.concatenate([lines.steep for lines, _ in parts]),
        np.concatenate([lines.level for lines, _ in parts]),
        np.concatenate([lines.odds for lines, _ in parts]),
        np.concatenate([lines.crossing + at for (lines, _), at in zip(parts, heads, strict=False)]),
    )


@numba.njit(inline="always")
def expit(odds: float) -> float:
    """The probability of some log-odds, as `scipy.special.expit` gives it to the bit."""
    return 1.0 / (1.0 + math.exp(-odds))


@compiled(numba.void(TABLE, INTS, FLOATS, FLOATS, INTS, numba.int64[:, ::1], TABLE))
def _answer(
    raw: Array, outputs: Array, steep: Array, level: Array, odds: Array, crossing: Array, found: Array
) -> None:
    for row in range(len(raw)):
        for head in range(len(outputs)):
            answer = steep[head] * raw[row, outputs[head]] + level[head]
            found[row, head] = expit(answer) if odds[head] == 1 else answer
        for pair in range(len(crossing)):
            low, high = crossing[pair, 0], crossing[pair, 1]
            if found[row, low] > found[row, high]:
                found[row, low], found[row, high] = found[row, high], found[row, low]
