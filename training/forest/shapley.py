"""Exact Shapley contributions of trees, as an integral instead of a sum over subsets.

What a leaf says of a row is a product over the features on its way: 1 or 0 where the feature is known
(o), the share z of training rows that go its way where it is not. The Shapley value of a feature is the
integral over t in [0, 1] of the derivative of that product's multilinear extension, each factor
z + t (o - z) (Owen 1972). It is a polynomial in t, so Gauss's points take it exactly: half as many
points as a way has features. Trees are walked once, up and down, as in Linear TreeSHAP (Yu et al.
2022); every factor is known before the row is. The answer is that of TreeSHAP by path-dependent covers
(Lundberg 2018), which LightGBM's `pred_contrib` computes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from features.native import FLOATS, INTS, TABLE, Array, compiled
from training.forest.kernel import MOST, NODES, read
from training.forest.parse import CATEGORY, NAN_LEFT, ZERO_LEFT, Trees

__all__ = ["Ways", "contribute", "ways_of"]

_Floats = NDArray[np.float64]

_LANES = 4
"""Points that are computed side by side."""

_MISSED_BEFORE, _MISSED, _MET = 0, 1, 2
"""Of an edge and a row: an edge above missed its feature; this is the first to; none has."""


@dataclass(frozen=True)
class Ways:
    """What is known of the ways through some trees before any row is.

    An edge is a child of a node, in the order of a walk from the root; q points, four or a multiple of it.

    edges
        Per edge: feature, the node it leaves, 1 for its left side, the node it reaches or ~leaf, the edge
        above it (n_edges: none), the nearest edge above of the same feature (-1: none); (n_edges, 6).
    met, missed
        Factors of the product where the row has met every split of the feature so far, and where it
        first misses at this edge; (n_edges, q).
    gains, losses
        Weights of what lies below in the feature's contribution, in the same two cases; (n_edges, q).
    dilution
        The factor where the row missed the feature before, (n_edges,).
    """

    edges: NDArray[np.int32]
    met: _Floats
    missed: _Floats
    gains: _Floats
    losses: _Floats
    dilution: _Floats


def ways_of(trees: Trees) -> tuple[Ways, ...]:
    """Precompute the ways through some trees; those with more features on a way need more points."""
    by_points: dict[int, list[int]] = {}
    for root in trees.roots.tolist():
        if root >= 0:
            # n points of Gauss and Legendre are exact to degree 2n - 1, a way's features less one.
            deepest = max(len(way) for *_, way in _walk(trees, root))
            by_points.setdefault(_LANES * -(-deepest // (2 * _LANES)), []).append(root)
    return tuple(_ways(trees, roots, points) for points, roots in sorted(by_points.items()))


def _ways(trees: Trees, roots: list[int], points: int) -> Ways:
    edges, shares = _edges(trees, roots)
    at, weights = np.polynomial.legendre.leggauss(points)
    t, w = (at + 1) / 2, weights / 2
    above = edges[:, 5]
    before = np.where(above < 0, 1.0, shares[above])
    z, z_before = shares[:, None], before[:, None]
    known, known_before = z + t * (1 - z), z_before + t * (1 - z_before)
    gain, gain_before = w * (1 - z) / known, w * (1 - z_before) / known_before
    with np.errstate(divide="ignore", invalid="ignore"):
        dilution = np.where(before > 0, shares / before, 0.0)
    return Ways(
        edges=edges,
        met=known / known_before,
        missed=z * (1 - t) / known_before,
        gains=gain - gain_before,
        losses=-w / (1 - t) - gain_before,
        dilution=dilution,
    )


def _walk(trees: Trees, root: int) -> Iterator[tuple[int, int, dict[int, int], dict[int, int]]]:
    """Every edge of a tree, above before below: node, child, and the last edge of each feature before
    and behind it, edges counted from 0."""
    waiting: list[tuple[int, dict[int, int]]] = [(root, {})]
    number = 0
    while waiting:
        at, last = waiting.pop()
        feature = int(trees.nodes["feature"][at])
        for child in (int(trees.nodes["left"][at]), int(trees.nodes["right"][at])):
            way = {**last, feature: number}
            yield at, child, last, way
            number += 1
            if child >= 0:
                waiting.append((child, way))


def _edges(trees: Trees, roots: list[int]) -> tuple[NDArray[np.int32], _Floats]:
    """Edges, and the share of rows that go all splits of an edge's feature so far."""
    edges: list[tuple[int, ...]] = []
    shares: list[float] = []
    for root in roots:
        first, came = len(edges), dict[int, int]()
        for at, child, last, _ in _walk(trees, root):
            feature = int(trees.nodes["feature"][at])
            cover = trees.covers[child] if child >= 0 else trees.leaf_covers[~child]
            same = last[feature] + first if feature in last else -1
            shares.append((shares[same] if same >= 0 else 1.0) * float(cover) / float(trees.covers[at]))
            left = int(child == trees.nodes["left"][at])
            edges.append((feature, at, left, child, came.get(at, -1), same))
            if child >= 0:
                came[child] = len(edges) - 1
    table = np.array(edges, np.int32).reshape(-1, 6)
    table[table[:, 4] < 0, 4] = len(table)
    return table, np.array(shares)


_STATE, _EDGES = numba.int8[::1], numba.int32[:, ::1]


@compiled(numba.void(NODES, INTS, INTS, _EDGES, FLOATS, _STATE))
def _follow(nodes: Array, words: Array, starts: Array, edges: Array, row: Array, state: Array) -> None:
    """Which edges a row takes, as the state of each."""
    for at in range(len(edges)):
        e = np.uint64(at)
        node, same = nodes[np.uint64(edges[e, 1])], edges[e, 5]
        value, kind = row[np.uint64(node.feature)], node.kind
        # LightGBM's decision, written out: to hand arrays on at every edge costs several times as much.
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
        taken = _MET if left == (edges[e, 2] == 1) else _MISSED
        state[e] = _MISSED_BEFORE if same >= 0 and state[np.uint64(same)] != _MET else taken


@compiled(numba.void(FLOATS, _EDGES, _STATE, TABLE, TABLE, FLOATS, TABLE, TABLE))
def _go_down(
    leaves: Array,
    edges: Array,
    state: Array,
    met: Array,
    missed: Array,
    dilution: Array,
    product: Array,
    below: Array,
) -> None:
    """The product of the factors down to each edge, and what the leaves say below it."""
    for at in range(len(edges)):
        e = np.uint64(at)
        up, child = np.uint64(edges[e, 4]), edges[e, 3]
        leaf = leaves[np.uint64(~child)] if child < 0 else 0.0
        thin, factors = dilution[e], met if state[e] == _MET else missed
        for first in range(0, met.shape[1], _LANES):
            # Four at a time, read before written: then they are one instruction each.
            i, j, k, m = np.uint64(first), np.uint64(first + 1), np.uint64(first + 2), np.uint64(first + 3)
            a, b, c, d = product[up, i], product[up, j], product[up, k], product[up, m]
            if state[e] == _MISSED_BEFORE:
                a, b, c, d = thin * a, thin * b, thin * c, thin * d
            else:
                a, b = factors[e, i] * a, factors[e, j] * b
                c, d = factors[e, k] * c, factors[e, m] * d
            product[e, i], product[e, j], product[e, k], product[e, m] = a, b, c, d
            below[e, i], below[e, j], below[e, k], below[e, m] = leaf * a, leaf * b, leaf * c, leaf * d


@compiled(numba.void(_EDGES, _STATE, TABLE, TABLE, TABLE, FLOATS))
def _come_up(edges: Array, state: Array, gains: Array, losses: Array, below: Array, shares: Array) -> None:
    """Add up what lies below each edge, from the leaves to the roots, and what its feature has of it."""
    for back in range(len(edges)):
        e = np.uint64(len(edges) - 1 - back)
        up, total = np.uint64(edges[e, 4]), 0.0
        weights = gains if state[e] == _MET else losses
        for first in range(0, gains.shape[1], _LANES):
            i, j, k, m = np.uint64(first), np.uint64(first + 1), np.uint64(first + 2), np.uint64(first + 3)
            a, b, c, d = below[e, i], below[e, j], below[e, k], below[e, m]
            if state[e] != _MISSED_BEFORE:
                total += weights[e, i] * a + weights[e, j] * b + (weights[e, k] * c + weights[e, m] * d)
            a, b, c, d = below[up, i] + a, below[up, j] + b, below[up, k] + c, below[up, m] + d
            below[up, i], below[up, j], below[up, k], below[up, m] = a, b, c, d
        shares[np.uint64(edges[e, 0])] += total


@compiled(numba.void(NODES, FLOATS, INTS, INTS, _EDGES, TABLE, TABLE, TABLE, TABLE, FLOATS, TABLE, TABLE))
def contribute(
    nodes: Array,
    leaves: Array,
    words: Array,
    starts: Array,
    edges: Array,
    met: Array,
    missed: Array,
    gains: Array,
    losses: Array,
    dilution: Array,
    matrix: Array,
    shares: Array,
) -> None:
    """Add every row's contributions to `shares` (n, n_features), each row on its own.

    The arrays are those of `Trees` and `Ways`.
    """
    n_edges, q = met.shape
    row, state = np.empty(matrix.shape[1]), np.empty(n_edges, np.int8)
    product, below = np.ones((n_edges + 1, q)), np.zeros((n_edges + 1, q))  # the last is above all roots
    for i in range(len(matrix)):
        for f in range(len(row)):
            row[f] = read(matrix[i, f])
        _follow(nodes, words, starts, edges, row, state)
        _go_down(leaves, edges, state, met, missed, dilution, product, below)
        _come_up(edges, state, gains, losses, below, shares[i])
