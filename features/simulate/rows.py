"""Rows under construction, and the same rows as the contract's tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.history.contract import BY_NAME
from features.history.tables import arrow_schema
from features.simulate.money import Array
from features.simulate.randomness import DAY

__all__ = ["NOTHING", "Rows", "as_table", "numbered", "stamps", "words"]

NOTHING = -1
"""The code of an absent word, id, time or amount."""

_TIMESTAMP = pa.timestamp("us", tz="UTC")


class Rows:
    """Columns of whole numbers, codes and floats that grow by `add`."""

    def __init__(self, **defaults: Any) -> None:
        self._defaults = defaults
        self._parts: list[dict[str, Array]] = []

    def add(self, who: Array, **columns: Any) -> None:
        """Add one row for each of `who`; scalars are repeated, columns left out take the default."""
        full = {"who": who, **self._defaults, **columns}
        self._parts.append({k: np.broadcast_to(np.asarray(v), who.shape) for k, v in full.items()})

    def columns(self) -> dict[str, Array]:
        """Every column, in the order of adding."""
        names = ("who", *self._defaults)
        if not self._parts:
            return {name: np.zeros(0, np.int64) for name in names}
        return {name: np.concatenate([part[name] for part in self._parts]) for name in names}


def numbered(prefix: str, numbers: Array, width: int) -> pa.Array:
    """Ids such as C000123; NOTHING is null."""
    text = pc.utf8_lpad(pa.array(numbers, mask=numbers < 0).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(pa.scalar(prefix), text, "")


def words(codes: Array, vocabulary: Sequence[str]) -> pa.Array:
    """The words that codes stand for; NOTHING is null."""
    return pa.array(vocabulary, pa.string()).take(pa.array(codes.astype(np.int64), mask=codes < 0))


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
