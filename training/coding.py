"""Feature columns to the numbers that trees take, without a look at any feature by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from features.errors import InputError
from features.rows import Rows
from training.contract import Feature, Matrix

__all__ = ["Coder"]

Levels = dict[Any, float]


@dataclass(frozen=True)
class Coder:
    """Codes rows by the features of one model, or of several; `reader` is who is told of in errors."""

    reader: str
    features: tuple[Feature, ...]

    def matrix(self, columns: Mapping[str, Sequence[Any]] | pd.DataFrame) -> Matrix:
        """Columns by name in the order of the features, shape (n, n_features); missing values are NaN.

        A word is its place among the levels (`Feature.codes`). Other columns are ignored.

        Raises
        ------
        InputError
            If a feature's column is missing, is of another length or does not hold numbers.
        """
        if isinstance(columns, Rows):
            return self._of_rows(columns)
        missing = [name for name in self._names if name not in columns]
        if missing:
            raise InputError(
                f"{self.reader}: no column {missing[:5]}; cure: build the features with this version"
            )
        if not self.features:
            return np.empty((0, 0))
        if isinstance(columns, pd.DataFrame):
            return self._one_by_one(columns)
        values = [columns[name] for name in self._names]
        for place, levels in self._levels:
            values[place] = [levels.get(value, np.nan) for value in values[place]]
        try:
            return np.array(values, dtype=np.float64).T.copy()
        except (TypeError, ValueError):
            return self._one_by_one(columns)

    def _of_rows(self, rows: Rows) -> Matrix:
        """Customers from the online store, whose fields are numbers already."""
        try:
            found = rows.picked(self._picked)
        except KeyError as error:
            raise InputError(
                f"{self.reader}: no column {list(error.args)}; cure: build the features with this version"
            ) from None
        for place, levels in self._levels:
            found[:, place] = [levels.get(word, np.nan) for word in rows.words(self._names[place])]
        return np.ascontiguousarray(found)

    @cached_property
    def _picked(self) -> tuple[str, ...]:
        return tuple(self._names)

    def _one_by_one(self, columns: Mapping[str, Sequence[Any]] | pd.DataFrame) -> Matrix:
        values = [feature.codes(columns[feature.name]) for feature in self.features]
        if len({len(v) for v in values}) > 1:
            raise InputError(f"{self.reader}: columns differ in length")
        return np.column_stack(values)

    @cached_property
    def _names(self) -> list[str]:
        return [feature.name for feature in self.features]

    @cached_property
    def _levels(self) -> list[tuple[int, Levels]]:
        return [
            (place, {level: float(i) for i, level in enumerate(feature.levels)})
            for place, feature in enumerate(self.features)
            if feature.levels is not None
        ]
