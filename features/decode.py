"""Packed rows to numbers, compiled: for `features.rows`."""

from typing import Any

import numba
import numpy as np

from features.native import FLOATS, INTS, Array, compiled
from features.rows import BITMAP, EVENT, INT, WORD

__all__ = ["decode"]


@numba.njit
def _bits(data: Array, at: int, width: int) -> Any:
    """Little-endian bytes as an unsigned integer."""
    found = np.uint64(0)
    for byte in range(width):
        found |= np.uint64(data[at + byte]) << np.uint64(8 * byte)
    return found


@numba.njit
def _put(data: Array, base: int, field: Array, place: int, numbers: Array, bits: Array) -> None:
    """Write one field, if it is not null; a word as 0."""
    bit, at = field[2], base + field[1]
    if (data[base + BITMAP + (bit >> 3)] >> (bit & 7)) & 1 == 1:
        numbers[place] = np.nan
    elif field[3] == WORD:
        numbers[place] = 0.0
    elif field[3] == INT:
        numbers[place] = np.float64(np.int64(_bits(data, at, 8)))
    else:
        bits[place] = _bits(data, at, 8)


@compiled(
    numba.int64(
        *(numba.types.Array(numba.uint8, 1, "C", readonly=True), INTS, INTS, INTS, numba.int64[:, ::1]),
        *(FLOATS, numba.int64[:, ::1], INTS),
    )
)
def decode(
    data: Array,
    sizes: Array,
    spans: Array,
    heads: Array,
    fields: Array,
    numbers: Array,
    words: Array,
    events: Array,
) -> int:
    """Fill the numbers, where each word begins and ends, and the events; the view that is torn, or -1."""
    base, bits = 0, numbers.view(np.uint64)
    for view in range(len(sizes)):
        events[view], end = 0, heads[view]
        if sizes[view] == 0:
            continue
        if sizes[view] < end:
            return view
        events[view] = np.int64(_bits(data, base + EVENT, 8))
        for f in range(spans[view], spans[view + 1]):
            _put(data, base, fields[f], f, numbers, bits)
            if fields[f, 3] == WORD:
                begun, end = end, end + np.int64(_bits(data, base + fields[f, 1], 4))
                words[fields[f, 4], 0], words[fields[f, 4], 1] = base + begun, base + end
        if end != sizes[view]:
            return view
        base += sizes[view]
    return -1
