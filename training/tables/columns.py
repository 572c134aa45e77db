"""Columns of a foreign table as a model takes them: numbers, words and moments."""

import re
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import InputError

__all__ = ["DATES", "NUMBERS", "OTHER", "WORDS", "Kind", "kind_of", "moments", "numbers", "words"]

Kind = Literal["numbers", "words", "dates", "other"]
NUMBERS: Kind = "numbers"
WORDS: Kind = "words"
DATES: Kind = "dates"
OTHER: Kind = "other"

_MOST_WORDS = 1000
"""More different words than these are names of rows, not a category."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
_LOOKED_AT = 100
_NARROW = (pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.float16(), pa.float32())


def kind_of(held: pa.DataType) -> Kind:
    """What a model can make of an Arrow type.

    >>> kind_of(pa.bool_()), kind_of(pa.date32()), kind_of(pa.list_(pa.int8()))
    ('numbers', 'dates', 'other')
    """
    t = pa.types
    number = (t.is_boolean, t.is_integer, t.is_floating, t.is_decimal, t.is_null)
    if any(is_so(held) for is_so in number):
        return NUMBERS
    if t.is_timestamp(held) or t.is_date(held):
        return DATES
    if t.is_dictionary(held):
        return WORDS if kind_of(held.value_type) == WORDS else OTHER
    return WORDS if t.is_string(held) or t.is_large_string(held) else OTHER


def numbers(column: pa.ChunkedArray) -> "np.ndarray[Any, Any]":
    """Numbers of shape (n,), NaN where empty; float32 where that loses nothing, else float64."""
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.uint8())
    narrow = column.type in _NARROW
    cast = pc.cast(column, pa.float32() if narrow else pa.float64(), safe=False)
    return np.array(cast.to_numpy())


def words(name: str, column: pa.ChunkedArray) -> tuple[pd.Categorical | None, str]:
    """Words of shape (n,), missing where empty; or why there is nothing to learn from them.

    Raises
    ------
    InputError
        If they are dates.
    """
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    held = column.unify_dictionaries().combine_chunks()
    held = held if isinstance(held, pa.DictionaryArray) else held.chunk(0)
    levels = [str(level) for level in held.dictionary.to_pylist()]
    codes = pc.fill_null(held.indices, -1).to_numpy(zero_copy_only=False)
    known = [level for level in levels if level]
    if known and all(_DATE.fullmatch(level) for level in known[:_LOOKED_AT]):
        raise InputError(
            f"column '{name}' holds dates; cure: --exclude it, or turn it into days before the row's time"
        )
    if len(known) > _MOST_WORDS:
        return None, f"{len(known):,} different words, which name rows rather than kinds"
    found = pd.Categorical.from_codes(codes, categories=pd.Index(levels))
    if "" in levels:
        found = found.remove_categories([""])
    found = found.remove_unused_categories()
    if not len(found.categories):
        return None, "no value in any row"
    if len(found.categories) == 1 and not found.isna().any():
        return None, "the same value in every row"
    return found, ""


def moments(name: str, column: pa.ChunkedArray) -> "pd.Series[Any]":
    """Moments in UTC, microseconds, NaT where empty; a moment without a zone is taken as UTC.

    Raises
    ------
    InputError
        If the column holds no dates.
    """
    if kind_of(column.type) == WORDS:
        found = pd.to_datetime(
            column.cast(pa.string()).to_pandas(), utc=True, errors="coerce", format="ISO8601"
        )
        # An unreadable date is told from an empty one by what was there.
        if (found.isna().to_numpy() & column.is_valid().to_numpy()).any():
            raise InputError(f"column '{name}' holds words, not dates; cure: write them as 2026-01-31")
        return pd.Series(found).astype("datetime64[us, UTC]")
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        raise InputError(f"column '{name}' holds {column.type}, not dates; cure: write them as 2026-01-31")
    if pa.types.is_timestamp(column.type) and column.type.tz:
        cast = pc.cast(column, pa.timestamp("us", "UTC"), safe=False)
    else:
        cast = pc.cast(column, pa.timestamp("us"), safe=False).cast(pa.timestamp("us", "UTC"))
    return pd.Series(cast.to_pandas()).astype("datetime64[us, UTC]")
