"""Packed trees of one booster or of many, which answer by rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import lightgbm
import numpy as np
from numpy.typing import NDArray

from features.errors import InputError
from training.forest.kernel import add_up
from training.forest.parse import Trees, join, parse
from training.forest.quick import quick_of
from training.forest.shapley import Ways, contribute, ways_of

__all__ = ["Forest", "pack", "together"]

Matrix = NDArray[np.float64]

_ROWS = 4_096
"""Rows of a matrix that lies otherwise in memory are copied so many at a time."""


_packed: "WeakKeyDictionary[lightgbm.Booster, Forest]" = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees whose leaves add up to one or more outputs.

    parts
        The trees of each output.
    """

    n_features: int
    parts: tuple[Trees, ...]
    _ways: dict[int, tuple[Ways, ...]] = field(default_factory=dict, init=False, repr=False)
    _splits: dict[tuple[int, ...], tuple[NDArray[np.int64], ...]] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def outputs(self) -> int:
        """The number of answers for a row."""
        return len(self.parts)

    def raw(self, matrix: Matrix) -> Matrix:
        """Raw scores, shape (n, outputs), to the bit as `Booster.predict(raw_score=True)` gives them.

        `matrix` is (n, n_features), NaN where a value is missing, and codes of words.

        Raises
        ------
        InputError
            If the matrix is of another width, or a tree has more than 64 leaves.
        """
        return self.varied(matrix, (), np.empty((len(matrix), 1, 0)))[:, 0]

    def varied(self, matrix: Matrix, places: Sequence[int], values: Matrix) -> Matrix:
        """Raw scores of m variations of each row, shape (n, m, outputs), to the bit as of copied rows.

        Parameters
        ----------
        matrix
            Shape (n, n_features); what it holds at `places` does not matter.
        places, values
            The features that vary, p of them, and their values, shape (n, m, p).

        Raises
        ------
        InputError
            If the matrix is of another width, the values of another shape, or a place is no feature.
        """
        self._fits(matrix)
        fitting = values.ndim == 3 and values.shape[::2] == (len(matrix), len(places))
        if not fitting or any(not 0 <= place < self.n_features for place in places):
            raise InputError(
                f"forest: values of {values.shape} at places {list(places)[:5]} for {len(matrix)} rows; "
                "cure: (rows, variations, places), and places below the number of features"
            )
        sums = np.empty((*values.shape[:2], self.outputs))
        fixed, varying, moved = self._split(tuple(places))
        for begin in range(0, len(matrix), _ROWS):
            some = slice(begin, begin + _ROWS)
            add_up(
                *self._quick,
                *(_in_rows(matrix[some]), fixed, varying, _in_rows(values[some]), moved, sums[some]),
            )
        return sums

    def contributions(self, matrix: Matrix, output: int = 0) -> Matrix:
        """Exact Shapley contributions to one output's raw score, shape (n, n_features), without the bias.

        Raises
        ------
        InputError
            If the matrix is of another width.
        """
        self._fits(matrix)
        trees = self.parts[output]
        if output not in self._ways:
            self._ways[output] = ways_of(trees)
        shares = np.zeros(matrix.shape)
        for begin in range(0, len(matrix), _ROWS):
            rows = _in_rows(matrix[begin : begin + _ROWS])
            for told in self._ways[output]:
                contribute(
                    *(trees.nodes, trees.leaves, trees.words, trees.starts),
                    *(told.edges, told.met, told.missed, told.gains, told.losses, told.dilution),
                    *(rows, shares[begin : begin + _ROWS]),
                )
        return shares

    @cached_property
    def _quick(self) -> tuple[NDArray[Any], ...]:
        """What the kernels take."""
        quick = quick_of(self.parts, self.n_features)
        return tuple(getattr(quick, one.name) for one in fields(quick))

    def _split(self, places: tuple[int, ...]) -> tuple[NDArray[np.int64], ...]:
        """Features that stay, those that vary, and the trees that these move."""
        if places not in self._splits:
            trees = join(self.parts)
            fixed = np.setdiff1d(trees.nodes["feature"], places).astype(np.int64)
            self._splits[places] = fixed, np.array(places, dtype=np.int64), _moved_by(trees, places)
        return self._splits[places]

    def _fits(self, matrix: Matrix) -> None:
        if matrix.ndim != 2 or matrix.shape[1] != self.n_features:
            raise InputError(
                f"forest: a matrix of {matrix.shape}, not (n, {self.n_features}); "
                "cure: code the rows by the model's contract"
            )


def pack(booster: lightgbm.Booster) -> Forest:
    """One booster's trees, of one output; packed once for as long as the booster lives.

    Raises
    ------
    InputError
        If its answer is not one sum of constant leaves (`training.forest.parse`).
    """
    if booster not in _packed:
        _packed[booster] = Forest(booster.num_feature(), (parse(booster),))
    return _packed[booster]


def together(parts: Sequence[tuple[Forest, Sequence[int]]], n_features: int) -> Forest:
    """Several forests on one common row, their outputs one after the other.

    Parameters
    ----------
    parts
        Each forest with its features' places in the common row.
    n_features
        Width of the common row.
    """
    moved = []
    for forest, places in parts:
        where = np.array(places, dtype=np.int32)
        for trees in forest.parts:
            nodes = trees.nodes.copy()
            nodes["feature"] = where[nodes["feature"]]
            moved.append(replace(trees, nodes=nodes))
    return Forest(n_features, tuple(moved))


def _in_rows(values: Matrix) -> Matrix:
    return np.ascontiguousarray(values, dtype=np.float64)


def _moved_by(trees: Trees, places: tuple[int, ...]) -> NDArray[np.int64]:
    """The trees that split by one of the features."""
    grown = np.flatnonzero(trees.roots >= 0)
    splits = np.flatnonzero(np.isin(trees.nodes["feature"], places))
    return np.unique(grown[np.searchsorted(trees.roots[grown], splits, side="right") - 1])
