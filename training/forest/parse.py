"""A booster's trees as flat arrays, read once from LightGBM's own text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from features.errors import InputError

__all__ = ["CATEGORY", "NAN_LEFT", "NODE", "ZERO_LEFT", "ZERO_MISSING", "Trees", "join", "parse"]

NODE = np.dtype(
    [("threshold", "f8"), ("feature", "i4"), ("kind", "i4"), ("left", "i4"), ("right", "i4")], align=True
)
"""A split; children below zero are leaves, ~child their place. Of words, `threshold` is their bit set."""

NAN_LEFT, CATEGORY, ZERO_MISSING, ZERO_LEFT = 1, 2, 4, 8
"""Bits of a node's kind: NaN goes left; the feature is words; zero is a missing value; and goes left."""

_CATEGORICAL, _DEFAULT_LEFT, _MISSING_ZERO, _MISSING_NAN = 1, 2, 4, 8
"""Bits of LightGBM's decision_type (include/LightGBM/tree.h)."""


@dataclass(frozen=True)
class Trees:
    """Trees in LightGBM's order; all places count from the first tree on.

    nodes
        Splits of dtype NODE, (n_nodes,).
    leaves
        Values, (n_leaves,).
    roots
        Each tree's first node, or ~leaf where it is one leaf, (n_trees,).
    words, starts
        Bit sets of categories one after the other, and where each begins, (n_sets + 1,).
    covers, leaf_covers
        Training rows that came through each node and each leaf.
    """

    nodes: NDArray[Any]
    leaves: NDArray[np.float64]
    roots: NDArray[np.int64]
    words: NDArray[np.int64]
    starts: NDArray[np.int64]
    covers: NDArray[np.float64]
    leaf_covers: NDArray[np.float64]


def parse(booster: lightgbm.Booster) -> Trees:
    """The trees that `booster.predict` adds up.

    Raises
    ------
    InputError
        If its answer is not the plain sum of constant leaves: linear trees, a random forest, several
        classes.
    """
    head, *blocks = booster.model_to_string().split("\nTree=")
    about = _lines(head)
    trees = [_lines(block) for block in blocks]
    linear = any(tree["is_linear"] != "0" for tree in trees)
    if linear or about["num_tree_per_iteration"] != "1" or "average_output" in head.splitlines():
        raise InputError(
            "forest: the booster's answer is not one sum of leaves; cure: train gradient boosted trees "
            "without linear_tree, for one class"
        )
    return join([_tree(tree) for tree in trees])


def join(parts: Sequence[Trees]) -> Trees:
    """Trees one after the other, with the places that they have there."""
    ints = np.empty(0, np.int64)
    empty = Trees(
        np.empty(0, NODE), np.empty(0), ints, ints, np.zeros(1, np.int64), np.empty(0), np.empty(0)
    )
    parts = [empty, *parts]
    nodes_at, leaves_at, words_at, sets_at = (
        np.cumsum([0, *(len(getattr(part, name)) for part in parts)])
        for name in ("nodes", "leaves", "words", "starts")
    )
    # Every part has one more start than sets.
    sets_at = sets_at - np.arange(len(sets_at))
    nodes = np.concatenate([part.nodes for part in parts])
    sizes = [len(part.nodes) for part in parts]
    node_shift, leaf_shift, set_shift = (np.repeat(at[:-1], sizes) for at in (nodes_at, leaves_at, sets_at))
    for side in ("left", "right"):
        nodes[side] += np.where(nodes[side] >= 0, node_shift, -leaf_shift)
    nodes["threshold"] += np.where(nodes["kind"] & CATEGORY, set_shift, 0)
    return Trees(
        nodes=nodes,
        leaves=np.concatenate([part.leaves for part in parts]),
        roots=np.concatenate(
            [
                part.roots + np.where(part.roots >= 0, node, -leaf)
                for part, node, leaf in zip(parts, nodes_at, leaves_at, strict=False)
            ]
        ),
        words=np.concatenate([part.words for part in parts]),
        starts=np.concatenate(
            [[0], *(part.starts[1:] + at for part, at in zip(parts, words_at, strict=False))]
        ),
        covers=np.concatenate([part.covers for part in parts]),
        leaf_covers=np.concatenate([part.leaf_covers for part in parts]),
    )


def _lines(block: str) -> dict[str, str]:
    """What the lines before the first empty one say, `name=value`."""
    lines = (line.partition("=") for line in block.partition("\n\n")[0].splitlines())
    return {name: value for name, _, value in lines}


def _tree(said: Mapping[str, str]) -> Trees:
    leaves = _numbers(said, "leaf_value")
    if said["num_leaves"] == "1":
        return Trees(
            *(np.empty(0, NODE), leaves, np.array([-1]), np.empty(0, "i8"), np.zeros(1, "i8")),
            *(np.empty(0), np.ones(1)),
        )
    nodes = np.empty(len(leaves) - 1, NODE)
    nodes["threshold"] = _numbers(said, "threshold")
    for name, line in (("feature", "split_feature"), ("left", "left_child"), ("right", "right_child")):
        nodes[name] = _numbers(said, line)
    nodes["kind"] = _kinds(_numbers(said, "decision_type").astype(np.int64), nodes["threshold"])
    return Trees(
        nodes=nodes,
        leaves=leaves,
        roots=np.zeros(1, np.int64),
        words=_numbers(said, "cat_threshold").astype(np.int64),
        starts=_numbers(said, "cat_boundaries", "0").astype(np.int64),
        covers=_numbers(said, "internal_count"),
        leaf_covers=_numbers(said, "leaf_count"),
    )


def _kinds(types: NDArray[np.int64], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """LightGBM's decision types as bits that say where NaN and zero go, whatever the reason."""
    words, default_left = types & _CATEGORICAL != 0, types & _DEFAULT_LEFT != 0
    as_nan, as_zero = types & _MISSING_NAN != 0, types & _MISSING_ZERO != 0
    # Where NaN is not a missing value of its own, it is taken for zero.
    zero_left = np.where(as_zero, default_left, thresholds >= 0.0)
    nan_left = np.where(as_nan, default_left, zero_left)
    numeric = np.where(nan_left, NAN_LEFT, 0) | np.where(as_zero, ZERO_MISSING, 0)
    numeric |= np.where(as_zero & zero_left, ZERO_LEFT, 0)
    return np.where(words, CATEGORY, numeric)


def _numbers(said: Mapping[str, str], name: str, otherwise: str = "") -> NDArray[np.float64]:
    return np.array(said.get(name, otherwise).split(), dtype=np.float64)
