"""The table of scores, composed from the models' answers and checked, compiled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from features.native import FLOATS, INTS, MASK, TABLE, Array, compiled

__all__ = ["Composition", "bounds_of", "check"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Composition:
    """Where scores come from.

    direct
        By score the column of the answers that it is, -1 where it is none of them, (names,).
    parts
        Columns of the answers that a horizon's amounts are multiples of, (parts,).
    totals, shares
        By horizon the score of the sum, (horizons,), and those of its parts, (horizons, parts).
    factors
        What a part brings over a horizon for each unit of it, (horizons, parts).
    """

    direct: Ints
    parts: Ints
    totals: Ints
    shares: Ints
    factors: Floats

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        columns: dict[str, int],
        parts: Sequence[str],
        horizons: Sequence[tuple[str, Sequence[float]]],
    ) -> "Composition":
        """From the names of the scores, columns of the answers by score, and the parts of the value.

        Parameters
        ----------
        horizons
            What the names of its scores begin with, and its factors in the order of the parts.
        """
        place = {name: at for at, name in enumerate(names)}
        return cls(
            np.array([columns.get(name, -1) for name in names], dtype=np.int64),
            np.array([columns[f"value_{part}"] for part in parts], dtype=np.int64),
            np.array([place[f"{begin}expected"] for begin, _ in horizons], dtype=np.int64),
            np.array(
                [[place[f"{begin}{part}"] for part in parts] for begin, _ in horizons], dtype=np.int64
            ),
            np.array([factors for _, factors in horizons], dtype=np.float64),
        )

    def table(self, answers: Floats) -> Floats:
        """The scores of n rows from the answers (n, heads), (n, names); NaN where they do not say one."""
        found = np.empty((len(answers), len(self.direct)))
        _compose(self.direct, self.parts, self.totals, self.shares, self.factors, answers, found)
        return found


def check(
    table: Floats, may: NDArray[np.bool_], first: int, low: Floats, high: Floats
) -> NDArray[np.bool_]:
    """Leave NaN in place of scores that are not asked for, and of all of a row with an impossible one.

    Parameters
    ----------
    table
        (n, names), changed.
    may
        (n, products): whether the scores from the column `first` on are asked for; all others are.
    low, high
        The least and the most that each score can be, (names,).

    Returns
    -------
    array
        (n, names), which scores are impossible: not finite, or beyond the bounds.
    """
    wrong = np.empty(table.shape, dtype=np.bool_)
    _check(table, may, first, low, high, wrong)
    return wrong


def bounds_of(
    names: Sequence[str], parts: Sequence[str], saw: Mapping[str, Sequence[float]]
) -> tuple[Floats, Floats]:
    """The least and the most that each score can be, infinities excluded, (names,) each.

    A customer may cost the bank money, so value has no floor of its own: what training saw, and as much
    again on either side, is what it can be. Models that do not say what they saw have no bound.

    Parameters
    ----------
    parts
        Of the value.
    saw
        Least and greatest amount of training, by part, and of the whole as `value`.
    """
    money = np.array([name.startswith(("value_", "margin_")) for name in names])
    most = np.finfo(np.float64).max
    low, high = np.where(money, -most, 0.0), np.where(money, most, 1.0)
    for name, label in {
        **{p: p for p in parts},
        **dict.fromkeys(("expected", "p10", "p90"), "value"),
    }.items():
        if label in saw:
            least, greatest = saw[label]
            place, width = names.index(f"value_{name}"), greatest - least
            low[place], high[place] = least - width, greatest + width
    return low, high


@compiled(numba.void(INTS, INTS, INTS, numba.int64[:, ::1], TABLE, TABLE, TABLE))
def _compose(
    direct: Array, parts: Array, totals: Array, shares: Array, factors: Array, answers: Array, found: Array
) -> None:
    for row in range(len(answers)):
        for name in range(len(direct)):
            found[row, name] = answers[row, direct[name]] if direct[name] >= 0 else np.nan
        for horizon in range(len(totals)):
            total = 0.0
            for part in range(len(parts)):
                amount = answers[row, parts[part]] * factors[horizon, part]
                found[row, shares[horizon, part]] = amount
                total += amount
            found[row, totals[horizon]] = total


@compiled(numba.void(TABLE, MASK, numba.int64, FLOATS, FLOATS, MASK))
def _check(table: Array, may: Array, first: int, low: Array, high: Array, wrong: Array) -> None:
    rows, names = table.shape
    for row in range(rows):
        sound = True
        for name in range(names):
            product, score = name - first, table[row, name]
            asked = not (0 <= product < may.shape[1]) or may[row, product]
            wrong[row, name] = asked and not (low[name] <= score <= high[name])
            sound &= not wrong[row, name]
            if not asked:
                table[row, name] = np.nan
        if not sound:
            for name in range(names):
                table[row, name] = np.nan
