"""Rows under construction, and the same rows as the contract's tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from features.history.contract import BY_NAME
from features.history.tables import arrow_schema
from features.simulate.money import Array
from features.simulate.randomness import DAY

__all__ = ["NOTHING", "Rows", "as_table", "ids_of_month", "numbered", "stamps", "words"]

NOTHING = -1
"""The code of an absent word, id, time or amount."""

_FOUR_DIGITS = np.array([[ord(d) for d in f"{i:04d}"] for i in range(10_000)], np.uint8)
_TIMESTAMP = pa.timestamp("us", tz="UTC")


class Rows:
    """Columns of whole numbers, codes and floats that grow by `add`.

    A default given as a numpy scalar sets the column's type, so that codes stay small.
    """

    def __init__(self, **defaults: Any) -> None:
        self._defaults = {"who": np.int32(0), **defaults}
        self._parts: list[dict[str, Array]] = []

    def add(self, who: Array, **columns: Any) -> None:
        """Add one row for each of `who`; scalars are repeated, columns left out take the default."""
        if len(who):
            full = {**self._defaults, **columns, "who": who}
            self._parts.append({k: np.broadcast_to(np.asarray(v), who.shape) for k, v in full.items()})

    def column(self, name: str) -> Array:
        """One column, in the order of adding."""
        kind = np.asarray(self._defaults[name]).dtype
        parts = [part[name] for part in self._parts] or [np.zeros(0, kind)]
        return np.concatenate(parts, dtype=kind, casting="unsafe")

    def columns(self) -> dict[str, Array]:
        """Every column, in the order of adding."""
        return {name: self.column(name) for name in self._defaults}


def ids_of_month(customers: int, month: int, tenth: int = 0) -> int:
    """First number of one of ten ranges of ids of a month, far apart enough for so many customers."""
    return (month * 10 + tenth) * 1_000_000 * (1 + (customers - 1) // 1_000_000)


def numbered(prefix: str, numbers: Array, width: int) -> pa.Array:
    """Ids such as C000123, wider where the largest number needs it; NOTHING is null."""
    width = max(width, len(str(numbers.max(initial=0))))
    digits = (width + 3) // 4 * 4
    text = np.empty((len(numbers), digits), np.uint8)
    rest = np.maximum(numbers, 0).astype(np.int64)
    for end in range(digits, 0, -4):
        rest, four = np.divmod(rest, 10_000)
        text[:, end - 4 : end] = _FOUR_DIGITS[four]
    ids = np.empty((len(numbers), 1 + width), np.uint8)
    ids[:, 0] = ord(prefix)
    ids[:, 1:] = text[:, digits - width :]
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * (1 + width)
    missing = numbers < 0
    valid = pa.array(~missing).buffers()[1] if missing.any() else None
    return pa.Array.from_buffers(
        pa.string(), len(numbers), [valid, pa.py_buffer(offsets), pa.py_buffer(ids)]
    )


def words(codes: Array, vocabulary: Sequence[str]) -> pa.Array:
    """The words that codes stand for; NOTHING is null."""
    return pa.array(vocabulary, pa.string()).take(pa.array(codes, mask=codes < 0))


def stamps(times: Array) -> pa.Array:
    """Microseconds since 1970 as UTC timestamps; NOTHING is null."""
    return pa.array(times, pa.int64(), mask=times == NOTHING).cast(_TIMESTAMP)


def as_table(name: str, columns: Mapping[str, Any]) -> pa.Table:
    """Put columns into the contract's order and types; days become dates, NOTHING becomes null."""
    schema = arrow_schema(BY_NAME[name])
    ready = []
    for column in schema:
        values = columns[column.name]
        if isinstance(values, np.ndarray):
            values = _plain(values, column)
        ready.append(values.cast(column.type))
    return pa.Table.from_arrays(ready, schema=schema)


def _plain(values: Array, column: pa.Field) -> pa.Array:
    if column.type == _TIMESTAMP:
        return stamps(values)
    if column.type == pa.date32():
        return pa.array((values // DAY).astype(np.int32)).cast(pa.date32())
    if column.type == pa.float64():
        return pa.array(values, mask=np.isnan(values))
    return pa.array(values)
