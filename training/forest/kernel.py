"""The compiled walk through trees: LightGBM's decisions and its order of addition, to the last bit.

After `Tree::Predict` and `GBDT::PredictRaw` of LightGBM (src/boosting, include/LightGBM/tree.h).
"""

from typing import Any

import numba
import numpy as np

from features.native import CUBE, FLOATS, INTS, TABLE, Array, compiled
from training.forest.parse import CATEGORY, NAN_LEFT, NODE, ZERO_LEFT

__all__ = ["MOST", "NODES", "add_up", "add_up_varied", "read"]

NODES = numba.from_dtype(NODE)[::1]

_ZERO = float(np.float32(1e-35))
"""LightGBM takes what is nearer to zero for zero (kZeroThreshold)."""
MOST = 2147483648.0
"""Words are 32-bit integers."""
_BLOCK = 64
"""Rows that go through one tree before the next one is read."""


@compiled(numba.void(FLOATS, FLOATS))
def read(row: Array, into: Array) -> None:
    """A row as LightGBM reads it: what is nearly zero is zero."""
    for i in range(len(row)):
        into[i] = 0.0 if abs(row[i]) <= _ZERO else row[i]


@numba.njit(inline="always")
def _leaf(nodes: Array, root: Any, rows: Array, i: int, words: Array, starts: Array) -> Any:
    """The leaf that a row ends in; places are unsigned, which saves a look at negative ones."""
    at = root
    while at >= 0:
        node = nodes[np.uint64(at)]
        value, kind = rows[np.uint64(i), np.uint64(node.feature)], node.kind
        # LightGBM's NumericalDecision and CategoricalDecision. Written out, for handing arrays on at
        # every node costs several times the decision.
        if kind <= NAN_LEFT:
            left = (value <= node.threshold) | ((kind == NAN_LEFT) & (value != value))
        elif kind == CATEGORY:
            left = False
            # NaN, words below zero and beyond what an integer holds are in no set.
            if value > -1.0 and value < MOST:
                word, which = np.int64(value), np.uint64(node.threshold)
                place = np.uint64(starts[which] + (word >> 5))
                if place < starts[which + np.uint64(1)]:
                    left = (words[place] >> (word & 31)) & 1 == 1
        elif value == 0.0:
            left = kind & ZERO_LEFT != 0
        else:
            left = (value <= node.threshold) | ((kind & NAN_LEFT != 0) & (value != value))
        at = np.int64(node.left) if left else np.int64(node.right)
    return np.uint64(~at)


@compiled(numba.void(NODES, FLOATS, INTS, INTS, INTS, INTS, TABLE, TABLE))
def add_up(
    nodes: Array,
    leaves: Array,
    roots: Array,
    words: Array,
    starts: Array,
    ends: Array,
    matrix: Array,
    sums: Array,
) -> None:
    """Leaves of each output's trees, those from ends[k] to ends[k + 1], added to `sums` (n, outputs)."""
    rows = np.empty((min(_BLOCK, len(matrix)), matrix.shape[1]))
    for begin in range(0, len(matrix), _BLOCK):
        size = min(_BLOCK, len(matrix) - begin)
        for i in range(size):
            read(matrix[begin + i], rows[i])
        for k in range(len(ends) - 1):
            for tree in range(ends[k], ends[k + 1]):
                for i in range(size):
                    leaf = _leaf(nodes, roots[tree], rows, i, words, starts)
                    sums[begin + i, k] += leaves[leaf]


@compiled(numba.void(NODES, FLOATS, INTS, INTS, INTS, INTS, TABLE, CUBE, CUBE, INTS, INTS))
def add_up_varied(
    nodes: Array,
    leaves: Array,
    roots: Array,
    words: Array,
    starts: Array,
    ends: Array,
    matrix: Array,
    values: Array,
    sums: Array,
    places: Array,
    moved: Array,
) -> None:
    """The same sums for m variations of each row, `values` (n, m, p) at `places` (p,), (n, m, outputs).

    moved
        1 for the trees that split by one of the places; the others are walked once a row.
    """
    rows, still = np.empty((1, matrix.shape[1])), np.empty(len(roots))
    row = rows[0]
    varied = np.empty(len(places))
    for i in range(len(matrix)):
        read(matrix[i], row)
        for tree in range(len(roots)):
            if moved[tree] == 0:
                still[tree] = leaves[_leaf(nodes, roots[tree], rows, 0, words, starts)]
        for j in range(values.shape[1]):
            read(values[i, j], varied)
            for p in range(len(places)):
                row[places[p]] = varied[p]
            for k in range(len(ends) - 1):
                total = 0.0
                for tree in range(ends[k], ends[k + 1]):
                    if moved[tree] == 0:
                        total += still[tree]
                    else:
                        total += leaves[_leaf(nodes, roots[tree], rows, 0, words, starts)]
                sums[i, j, k] = total
