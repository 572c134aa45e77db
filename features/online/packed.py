"""One row of a feature view as bytes: a header, a null bitmap, eight bytes a number, words as UTF-8.

    schema hash   8 bytes    another view, or another version of it, is never read as this one
    event_ts      int64      microseconds since 1970, UTC
    created_ts    int64      microseconds since 1970, UTC
    null bitmap   1 bit a field, lowest bit first
    fields        int64 or float64 a number; uint32 byte length a word; zero where null
    words         UTF-8, in the order of the fields

Everything is little-endian. The same row gives the same bytes, packed alone or by the thousand.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.errors import CorruptError

if TYPE_CHECKING:
    import pyarrow as pa

    from features.families.base import Family

__all__ = ["Codec", "View", "stamp_of", "views_of"]

_FORMAT = 1
_STAMP = struct.Struct("<qq")
_CODES = {"int64": "q", "float64": "d", "string": "I"}
_DTYPES = {"int64": "<i8", "float64": "<f8", "string": "<u4"}


@dataclass(frozen=True)
class View:
    """What is stored of one feature view.

    fields
        (name, dtype) in the order of storage; dtype is int64, float64 or string.
    ttl_days
        Days after which a row is stale; 0 if it never is.
    """

    name: str
    fields: tuple[tuple[str, str], ...]
    ttl_days: int = 0

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the fields."""
        return tuple(name for name, _ in self.fields)


def views_of(families: "Iterable[Family]") -> tuple[View, ...]:
    """The views of some families, in their order."""
    return tuple(
        View(family.name, tuple((f.name, f.dtype) for f in family.fields), family.ttl_days)
        for family in families
    )


def stamp_of(row: bytes) -> tuple[int, int]:
    """(event_ts, created_ts) of a packed row of any view, in microseconds."""
    event, created = _STAMP.unpack_from(row, 8)
    return event, created


class Codec:
    """Packs and unpacks the rows of one view.

    `hash` is what each row begins with: eight bytes that name the view and its fields; `head` the length
    of a row without its words.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.names = view.names
        schema = json.dumps([_FORMAT, view.name, view.fields], ensure_ascii=False)
        self.hash = hashlib.sha256(schema.encode()).digest()[:8]
        self._words = [i for i, (_, dtype) in enumerate(view.fields) if dtype == "string"]
        self._bitmap = (len(view.fields) + 7) // 8
        codes = "".join(_CODES[dtype] for _, dtype in view.fields)
        self._struct = struct.Struct(f"<8sqq{self._bitmap}s{codes}")
        self.head = self._struct.size
        self._dtype = np.dtype(
            [("hash", "V8"), ("event", "<i8"), ("created", "<i8"), ("null", "u1", (self._bitmap,))]
            + [(str(i), _DTYPES[dtype]) for i, (_, dtype) in enumerate(view.fields)]
        )

    def pack(self, event: int, created: int, values: Sequence[Any]) -> bytes:
        """One row: values in the order of the fields, None where null."""
        mask, fixed, words = 0, list(values), []
        for i, value in enumerate(values):
            if value is None:
                mask |= 1 << i
                fixed[i] = 0
            elif isinstance(value, str):
                words.append(value.encode())
                fixed[i] = len(words[-1])
        bitmap = mask.to_bytes(self._bitmap, "little")
        return self._struct.pack(self.hash, event, created, bitmap, *fixed) + b"".join(words)

    def unpack(self, row: bytes) -> list[Any] | None:
        """The values of one row, or None if it was packed for other fields.

        Raises
        ------
        CorruptError
            If the row is not as long as its header says.
        """
        if row[:8] != self.hash:
            return None
        if len(row) < self._struct.size:
            raise self.torn()
        _, _, _, bitmap, *values = self._struct.unpack_from(row)
        at = self._struct.size
        for i in self._words:
            end = at + values[i]
            values[i] = row[at:end].decode()
            at = end
        if at != len(row):
            raise self.torn()
        mask = int.from_bytes(bitmap, "little")
        while mask:
            lowest = mask & -mask
            values[lowest.bit_length() - 1] = None
            mask ^= lowest
        return values

    def columns(self, rows: Sequence[bytes]) -> list[list[Any]]:
        """The values of many rows, all packed for these fields: one list a field.

        Raises
        ------
        CorruptError
            If a row is not as long as its header says.
        """
        size = self._struct.size
        heads = np.frombuffer(b"".join([row[:size] for row in rows]), np.uint8)
        if len(heads) != size * len(rows):
            raise self.torn()
        table = heads.view(self._dtype)
        columns: list[list[Any]] = [table[str(i)].tolist() for i in range(len(self.names))]
        ends = [size] * len(rows)
        for i in self._words:
            lengths, columns[i] = columns[i], []
            for nth, (row, length) in enumerate(zip(rows, lengths, strict=True)):
                columns[i].append(row[ends[nth] : ends[nth] + length].decode())
                ends[nth] += length
        if ends != [len(row) for row in rows]:
            raise self.torn()
        null = np.unpackbits(table["null"], axis=1, bitorder="little")
        for place, row_number in zip(*(found.tolist() for found in np.nonzero(null.T)), strict=True):
            columns[place][row_number] = None
        return columns

    def pack_batch(
        self, batch: "pa.RecordBatch", event: NDArray[np.int64], created: NDArray[np.int64]
    ) -> list[bytes]:
        """Many rows at once: a batch that has a column for each field, and stamps of shape (n,)."""
        heads = np.zeros(batch.num_rows, self._dtype)
        heads["hash"] = np.void(self.hash)
        heads["event"], heads["created"] = event, created
        null = np.zeros((batch.num_rows, 8 * self._bitmap), bool)
        words = []
        for i, (name, dtype) in enumerate(self.view.fields):
            column = batch.column(name)
            null[:, i] = column.is_null().to_numpy(zero_copy_only=False)
            if dtype == "string":
                words.append(_utf8(column))
                heads[str(i)] = np.diff(words[-1][0])
            else:
                heads[str(i)] = column.fill_null(0).to_numpy(zero_copy_only=False)
        heads["null"] = np.packbits(null, axis=1, bitorder="little")
        return _join(heads, words)

    def torn(self) -> CorruptError:
        """What is raised where a row is not as long as its header says."""
        return CorruptError(
            f"online store: a row of the view '{self.view.name}' is torn; "
            "cure: run `tenure features materialize`"
        )


def _utf8(column: "pa.Array") -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Offsets (n + 1,) and bytes of a column of words, nulls as empty words."""
    filled = column.cast("string").fill_null("")
    _, offsets, data = filled.buffers()
    ends = np.frombuffer(offsets, np.int32)[filled.offset : filled.offset + len(filled) + 1]
    return ends.astype(np.int64), np.frombuffer(data or b"", np.uint8)


def _join(heads: NDArray[Any], words: Sequence[tuple[NDArray[np.int64], NDArray[np.uint8]]]) -> list[bytes]:
    """Each head with its words behind it, as one bytes a row."""
    size = heads.dtype.itemsize
    if not words:
        whole = heads.tobytes()
        return [whole[start : start + size] for start in range(0, len(whole), size)]
    lengths = np.full(len(heads), size, np.int64)
    for offsets, _ in words:
        lengths += np.diff(offsets)
    ends = np.cumsum(lengths)
    at = ends - lengths
    joined = np.empty(int(lengths.sum()), np.uint8)
    joined[at[:, None] + np.arange(size)] = heads.view(np.uint8).reshape(len(heads), size)
    at = at + size
    for offsets, data in words:
        first, last = offsets[0], offsets[-1]
        target = np.repeat(at - offsets[:-1], np.diff(offsets)) + np.arange(first, last)
        joined[target] = data[first:last]
        at = at + np.diff(offsets)
    whole = joined.tobytes()
    starts = (ends - lengths).tolist()
    return [whole[start:end] for start, end in zip(starts, ends.tolist(), strict=True)]
