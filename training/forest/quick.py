"""Every tree's leaf at once: splits by feature instead of by tree, each striking out leaves (QuickScorer).

A tree's leaves are bits from left to right. A split that a row fails takes the leaves to its left away;
of what is left of a tree the first leaf is the row's (Lucchese et al. 2015). A feature's splits lie in
order of their thresholds, so those that a value fails come first: no branch to guess wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import InputError
from training.forest.parse import NAN_LEFT, Trees, join

__all__ = ["MOST_LEAVES", "Quick", "quick_of"]

Ints = NDArray[np.int64]

MOST_LEAVES = 64

_WIDTHS = ((16, np.uint16), (32, np.uint32), (64, np.uint64))
"""Leaves that fit into the bits of a type."""


@dataclass(frozen=True)
class Quick:
    """The trees of several outputs for the kernels; splits are ordered by feature.

    leaves, firsts, whole
        Values from left to right, (n_leaves,), where each tree's begin, and all bits set, (n_trees,).
    ends
        Trees of output k are those from ends[k] to ends[k + 1], (outputs + 1,).
    thresholds, trees, keeps, keeps_nan
        Of plain splits by a number, in rising order for each feature: the tree, the leaves that are left
        where a row fails it, and where its value is missing; (splits,) each.
    spans
        A feature's plain splits are those from spans[f] to spans[f + 1], (n_features + 1,).
    odd, odd_trees, odd_keeps, odd_spans
        The same of all other splits, nodes of dtype NODE: by words, or where zero is a missing value.
    words, starts
        The sets of words, as in `Trees`.
    """

    leaves: NDArray[np.float64]
    firsts: Ints
    whole: NDArray[Any]
    ends: Ints
    thresholds: NDArray[np.float64]
    trees: Ints
    keeps: NDArray[Any]
    keeps_nan: NDArray[Any]
    spans: Ints
    odd: NDArray[Any]
    odd_trees: Ints
    odd_keeps: NDArray[Any]
    odd_spans: Ints
    words: Ints
    starts: Ints


def quick_of(parts: Sequence[Trees], n_features: int) -> Quick:
    """Arrange the trees of each output.

    Raises
    ------
    InputError
        If a tree has more than 64 leaves.
    """
    trees = join(parts)
    order, firsts, tree_of, lefts = _struck(trees)
    most = int(np.diff([*firsts, len(order)]).max(initial=1))
    if most > MOST_LEAVES:
        raise InputError(
            f"forest: a tree of {most} leaves; cure: train with num_leaves of at most {MOST_LEAVES}"
        )
    width = next(kind for bits, kind in _WIDTHS if most <= bits)
    keeps = np.array([~left & ((1 << 64) - 1) for left in lefts], dtype=np.uint64).astype(width)
    nodes = trees.nodes
    plain = nodes["kind"] <= NAN_LEFT
    by_number = np.lexsort((nodes["threshold"], nodes["feature"]))
    numeric, odd = by_number[plain[by_number]], by_number[~plain[by_number]]
    nan_left = nodes["kind"][numeric] == NAN_LEFT
    return Quick(
        leaves=trees.leaves[order],
        firsts=firsts,
        whole=np.full(len(firsts), np.iinfo(width).max, width),
        ends=np.cumsum([0, *(len(part.roots) for part in parts)], dtype=np.int64),
        thresholds=np.ascontiguousarray(nodes["threshold"][numeric]),
        trees=tree_of[numeric],
        keeps=keeps[numeric],
        keeps_nan=np.where(nan_left, np.iinfo(width).max, keeps[numeric]).astype(width),
        spans=_spans(nodes["feature"][numeric], n_features),
        odd=nodes[odd],
        odd_trees=tree_of[odd],
        odd_keeps=keeps[odd],
        odd_spans=_spans(nodes["feature"][odd], n_features),
        words=trees.words,
        starts=trees.starts,
    )


def _spans(features: NDArray[np.int32], n_features: int) -> Ints:
    return np.searchsorted(features, np.arange(n_features + 1)).astype(np.int64)


def _struck(trees: Trees) -> tuple[Ints, Ints, Ints, list[int]]:
    """Leaves from left to right, where each tree's begin, each node's tree, and the bits on its left."""
    left, right = trees.nodes["left"].tolist(), trees.nodes["right"].tolist()
    order, firsts = list[int](), list[int]()
    tree_of, lefts = np.zeros(len(left), np.int64), [0] * len(left)
    for tree, root in enumerate(trees.roots.tolist()):
        firsts.append(len(order))
        # Down to the left first; a node comes again once its left side is known.
        waiting = [(root, -1)]
        while waiting:
            at, begun = waiting.pop()
            if at < 0:
                order.append(~at)
            elif begun < 0:
                tree_of[at] = tree
                waiting += [(right[at], -1), (at, len(order)), (left[at], -1)]
            else:
                first = firsts[-1]
                lefts[at] = (1 << (len(order) - first)) - (1 << (begun - first))
    return np.array(order, np.int64), np.array(firsts, np.int64), tree_of, lefts
