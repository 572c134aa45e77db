"""A model's input: its features in order, and what its training rows held of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import InputError
from features.rows import Rows

__all__ = ["Feature", "unseen", "watched"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Feature:
    """One column of the model's input, in contract order.

    levels
        The words of a string feature, in the order of their codes; None for numbers.
    typical
        Median over the training rows, in the feature's unit; None for words.
    gaps
        Whether it was missing in some training row; if in none, a missing value is news to the trees.
    """

    name: str
    dtype: str
    levels: tuple[str, ...] | None
    typical: float | None
    label: str
    unit: str
    protected: bool
    gaps: bool = True

    def codes(self, values: "Sequence[Any] | pd.Series[Any]") -> Matrix:
        """Values as float64, shape (n,); missing and unseen words become NaN.

        Raises
        ------
        InputError
            If a number is expected and something else is there.
        """
        if self.levels is not None:
            code = {level: float(i) for i, level in enumerate(self.levels)}
            return np.array([code.get(value, np.nan) for value in values], dtype=np.float64)
        try:
            if isinstance(values, pd.Series):
                return values.to_numpy(dtype=np.float64, na_value=np.nan)
            return np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"feature '{self.name}': not a number; cure: rebuild the features") from None


def _words(columns: Mapping[str, Sequence[Any]], name: str) -> Sequence[Any]:
    return columns.words(name) if isinstance(columns, Rows) else columns[name]


def watched(features: Sequence[Feature]) -> list[int]:
    """Places of the features that may be as training never saw them: words, and what had no gaps."""
    return [place for place, f in enumerate(features) if f.levels is not None or not f.gaps]


def unseen(
    features: Sequence[Feature],
    columns: Mapping[str, Sequence[Any]],
    matrix: Matrix,
) -> list[tuple[str, ...]]:
    """For each row what training never saw: `unseen_missing:<feature>`, `unseen_category:<feature>`.

    Parameters
    ----------
    features
        Those that are `watched`, of one model or of several.
    matrix
        The columns as the features code them, shape (n, n_features).
    """
    found: list[list[str]] = [[] for _ in range(len(matrix))]
    for row, nth in np.argwhere(np.isnan(matrix)).tolist():
        feature = features[nth]
        if feature.levels is not None and _words(columns, feature.name)[row] not in (None, ""):
            found[row].append(f"unseen_category:{feature.name}")
        elif not feature.gaps:
            found[row].append(f"unseen_missing:{feature.name}")
    return [tuple(dict.fromkeys(names)) for names in found]
