"""The compiled answers of trees: LightGBM's decisions and its order of addition, to the last bit.

After `Tree::Predict` and `GBDT::PredictRaw` of LightGBM (src/boosting, include/LightGBM/tree.h), in the
order of `training.forest.quick`.
"""

from typing import Any

import numba
import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from features.native import CUBE, FLOATS, INTS, TABLE, Array
from training.forest.parse import CATEGORY, NAN_LEFT, NODE, ZERO_LEFT

__all__ = ["MOST", "NODES", "add_up", "read"]

NODES = numba.from_dtype(NODE)[::1]

_ZERO = float(np.float32(1e-35))
"""LightGBM takes what is nearer to zero for zero (kZeroThreshold)."""
MOST = 2147483648.0
"""Words are 32-bit integers."""


@numba.njit
def read(value: Any) -> Any:
    """A value as LightGBM reads it: what is nearly zero is zero."""
    return 0.0 if abs(value) <= _ZERO else value


@numba.njit
def _strike(
    features: Array,
    values: Array,
    left: Array,
    thresholds: Array,
    trees: Array,
    keeps: Array,
    keeps_nan: Array,
    spans: Array,
) -> None:
    """Take away the leaves that the values of some features lead past; `left` holds those of each tree."""
    for i in range(len(features)):
        f, value = features[i], read(values[i])
        at, end = np.uint64(spans[f]), np.uint64(spans[f + 1])
        if value != value:
            while at < end:
                left[np.uint64(trees[at])] &= keeps_nan[at]
                at += np.uint64(1)
        else:
            while at < end and thresholds[at] < value:
                left[np.uint64(trees[at])] &= keeps[at]
                at += np.uint64(1)


@numba.njit
def _strike_odd(
    features: Array,
    values: Array,
    left: Array,
    odd: Array,
    trees: Array,
    keeps: Array,
    spans: Array,
    words: Array,
    starts: Array,
) -> None:
    """The same for splits by words, or where zero is a missing value.

    Written out: to hand arrays on at every split costs several times the decision.
    """
    for i in range(len(features)):
        f, value = features[i], read(values[i])
        for o in range(np.uint64(spans[f]), np.uint64(spans[f + 1])):
            kind, goes_left = odd[o].kind, False
            if kind == CATEGORY:
                # NaN, words below zero and beyond what an integer holds are in no set.
                if -1.0 < value < MOST:
                    word, which = np.int64(value), np.uint64(odd[o].threshold)
                    place = np.uint64(starts[which] + (word >> 5))
                    if place < starts[which + np.uint64(1)]:
                        goes_left = (words[place] >> (word & 31)) & 1 == 1
            elif value == 0.0:
                goes_left = kind & ZERO_LEFT != 0
            else:
                goes_left = value <= odd[o].threshold or (kind & NAN_LEFT != 0 and value != value)
            if not goes_left:
                left[np.uint64(trees[o])] &= keeps[o]


def _signatures() -> list[Any]:
    """One for each width of the leaves' bits."""
    found = []
    for width in (numba.uint16[::1], numba.uint32[::1], numba.uint64[::1]):
        leaves = (FLOATS, INTS, width, INTS)
        splits = (FLOATS, INTS, width, width, INTS, NODES, INTS, width, INTS, INTS, INTS)
        found.append(numba.void(*leaves, *splits, TABLE, INTS, INTS, CUBE, INTS, CUBE))
    return found


@numba.njit(_signatures(), cache=True, nogil=True)
def add_up(
    leaves: Array,
    firsts: Array,
    whole: Array,
    ends: Array,
    thresholds: Array,
    trees: Array,
    keeps: Array,
    keeps_nan: Array,
    spans: Array,
    odd: Array,
    odd_trees: Array,
    odd_keeps: Array,
    odd_spans: Array,
    words: Array,
    starts: Array,
    matrix: Array,
    fixed: Array,
    places: Array,
    values: Array,
    moved: Array,
    sums: Array,
) -> None:
    """Leaves of each output's trees, added up in their order, for m variations of each row.

    Parameters
    ----------
    leaves ... starts
        `Quick`.
    matrix, fixed
        Rows, (n, n_features), and the features whose values they hold, in rising order.
    places, values
        The other features, (p,), and their values, (n, m, p).
    moved
        The trees that split by one of the places; the others answer once a row.
    sums
        (n, m, outputs), written.
    """
    still = np.empty(len(firsts))
    base, left, row = np.empty_like(whole), np.empty_like(whole), np.empty(len(fixed))
    for i in range(len(matrix)):
        base[:] = whole
        for f in range(len(fixed)):
            row[f] = matrix[i, fixed[f]]
        _strike(fixed, row, base, thresholds, trees, keeps, keeps_nan, spans)
        _strike_odd(fixed, row, base, odd, odd_trees, odd_keeps, odd_spans, words, starts)
        for t in range(np.uint64(len(firsts))):
            still[t] = leaves[np.uint64(firsts[t]) + np.uint64(trailing_zeros(base[t]))]
        for j in range(values.shape[1]):
            for m in range(np.uint64(len(moved))):
                left[np.uint64(moved[m])] = base[np.uint64(moved[m])]
            _strike(places, values[i, j], left, thresholds, trees, keeps, keeps_nan, spans)
            _strike_odd(places, values[i, j], left, odd, odd_trees, odd_keeps, odd_spans, words, starts)
            for m in range(np.uint64(len(moved))):
                t = np.uint64(moved[m])  # type: ignore[assignment]
                still[t] = leaves[np.uint64(firsts[t]) + np.uint64(trailing_zeros(left[t]))]
            for k in range(len(ends) - 1):
                total = 0.0
                for t in range(np.uint64(ends[k]), np.uint64(ends[k + 1])):
                    total += still[t]
                sums[i, j, k] = total
