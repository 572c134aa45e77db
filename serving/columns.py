"""Columns of feature rows as arrays: the same reading of None for one customer and for all."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.errors import InputError
from features.rows import Rows

__all__ = ["Columns", "Floats", "cell", "from_frame", "length", "numbers", "put", "ruled", "take", "words"]

Columns = Mapping[str, Any]
"""Feature rows by column; every sequence has one value a row, and None where it is missing."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


def from_frame(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """The columns of a frame, with None for every missing value."""
    columns: dict[str, list[Any]] = {}
    for name in frame.columns:
        values, missing = frame[name].tolist(), frame[name].isna().tolist()
        columns[str(name)] = [None if gone else v for v, gone in zip(values, missing, strict=True)]
    return columns


def length(columns: Columns) -> int:
    """The number of rows."""
    if isinstance(columns, Rows):
        return columns.count
    return len(next(iter(columns.values()))) if columns else 0


def take(columns: Columns, rows: Sequence[int]) -> Columns:
    """The given rows of every column, in the given order."""
    if isinstance(columns, Rows):
        return columns if list(rows) == list(range(columns.count)) else columns.some(rows)
    if len(rows) == 1:
        (row,) = rows
        if length(columns) == 1 and row == 0:
            return dict(columns)
        return {name: [values[row]] for name, values in columns.items()}
    return {name: [values[i] for i in rows] for name, values in columns.items()}


def ruled(columns: Columns, scores: Mapping[str, Floats]) -> Columns:
    """Columns with scores among them, each (n,), as rules read them."""
    if isinstance(columns, Rows):
        return columns.beside(scores)
    return {**columns, **scores}


def numbers(columns: Columns, name: str) -> Floats:
    """One column as float64, NaN where it is missing.

    Raises
    ------
    InputError
        If there is no such column.
    """
    if isinstance(columns, Rows) and name in columns:
        return columns.picked((name,))[:, 0]
    return np.array([np.nan if v is None else v for v in _column(columns, name)], dtype=np.float64)


def words(columns: Columns, name: str) -> list[str]:
    """One column as text, empty where it is missing.

    Raises
    ------
    InputError
        If there is no such column.
    """
    if isinstance(columns, Rows) and name in columns:
        return [word or "" for word in columns.words(name)]
    return ["" if v is None else str(v) for v in _column(columns, name)]


def cell(columns: Columns, name: str, row: int) -> Any:
    """One row's value of a feature."""
    return columns.cell(name, row) if isinstance(columns, Rows) else columns[name][row]


def put(columns: Columns, name: str, row: int, value: int) -> None:
    """Say otherwise of one row's feature, in columns that are nobody else's."""
    if isinstance(columns, Rows):
        columns.put(row, name, value)
    else:
        columns[name][row] = value


def _column(columns: Columns, name: str) -> Sequence[Any]:
    if name not in columns:
        raise InputError(f"features: column '{name}' is missing; cure: run `tenure features build`")
    found: Sequence[Any] = columns[name]
    return found
