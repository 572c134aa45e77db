"""Customer-sorted history in runs of customers: row groups in, arrays of integers out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.engines.compiled.kernel import encode, finish_codes
from features.engines.compiled.plan import NOTHING, Coding
from features.vocabulary import CUSTOMER_ID

__all__ = ["ROWS", "Rows", "Run", "Span", "codes_of"]

Ints = np.ndarray[Any, Any]
ROWS = 1_000_000
"""Rows of one run: enough to be worth a call, few enough to hold a few runs in memory."""
_WORDS = (pa.string(), pa.large_string())


@dataclass(frozen=True)
class Span:
    """A run of whole customers: those after `after` (all if empty) up to `last`, and their row groups."""

    after: str
    last: str
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """The rows of one span.

    customers
        Ids, rising; (c,).
    bounds
        Row at which each customer begins, and n at the end; (c + 1,).
    columns
        Other columns: numbers and microseconds as int64 (n,), NOTHING where missing; words as
        dictionary arrays.
    """

    customers: pa.Array
    bounds: Ints
    columns: dict[str, Any]

    @property
    def time(self) -> tuple[Ints, Ints, Ints]:
        """at, known_at, known_until."""
        return self.columns["at"], self.columns["known_at"], self.columns["known_until"]


class Rows:
    """A customer-sorted table; its footer, which lists thousands of row groups, is read once."""

    def __init__(self, path: Path) -> None:
        self._path, self._meta = path, pq.read_metadata(path)
        schema = self._meta.schema.to_arrow_schema()
        self._words = [field.name for field in schema if field.type in _WORDS]

    def spans(self, most: int = ROWS) -> list[Span]:
        """Cut the table into runs of customers, by the statistics of its row groups.

        Parameters
        ----------
        most
            Rows after which a run ends with the row group at hand.
        """
        place = self._meta.schema.names.index(CUSTOMER_ID)
        every = (self._meta.row_group(n) for n in range(self._meta.num_row_groups))
        groups = {n: group for n, group in enumerate(every) if group.num_rows}
        ends = {n: group.column(place).statistics for n, group in groups.items()}
        ranges = {n: (of.min, of.max) for n, of in ends.items()}
        spans: list[Span] = []
        after, rows = "", 0
        for number, group in groups.items():
            rows += group.num_rows
            last = ranges[number][1]
            if last > after and (rows >= most or number == max(groups)):
                held = (n for n, (low, high) in ranges.items() if high > after and low <= last)
                spans.append(Span(after, last, tuple(held)))
                after, rows = last, 0
        return spans

    def read(self, span: Span, columns: Sequence[str]) -> Run:
        """Read one span.

        Parameters
        ----------
        columns
            What is needed beside customer_id and the times.
        """
        wanted = [CUSTOMER_ID, *dict.fromkeys(("at", "known_at", *columns))]
        if self._corrected(span):
            wanted.append("known_until")
        words = [name for name in self._words if name in wanted]
        with pq.ParquetFile(self._path, metadata=self._meta, read_dictionary=words) as file:
            table = file.read_row_groups(list(span.groups), columns=wanted, use_threads=False)
        table = table.unify_dictionaries()
        who = _dictionary(table[CUSTOMER_ID])
        codes = who.indices.to_numpy()
        begins = np.append(0, np.flatnonzero(codes[1:] != codes[:-1]) + 1)
        ids = who.dictionary.take(pa.array(codes[begins]))
        keep = pc.and_(pc.greater(ids, span.after), pc.less_equal(ids, span.last))
        kept = np.flatnonzero(keep.to_numpy(zero_copy_only=False))
        bounds = np.append(begins, len(codes))
        first, after = bounds[kept[0]], bounds[kept[-1] + 1]
        rows = table.slice(first, after - first)
        read = {name: _column(rows[name]) for name in wanted[1:]}
        # Corrections are rare: most spans have none, and there is nothing to read.
        read.setdefault("known_until", np.full(len(rows), NOTHING))
        return Run(ids.slice(kept[0], len(kept)), bounds[kept[0] : kept[-1] + 2] - first, read)

    def _corrected(self, span: Span) -> bool:
        """Whether a row of the span may have been superseded."""
        place = self._meta.schema.names.index("known_until")
        known = (self._meta.row_group(n).column(place).statistics for n in span.groups)
        return any(of is None or of.num_values > 0 for of in known)


def codes_of(run: Run, coding: Coding, amounts: Ints) -> Ints:
    """The code of every row; `amounts` tell the sign, empty where the relation has none."""
    codes = np.zeros(len(run.columns["at"]), np.int64)
    for (column, words), size in zip(coding.words.items(), coding.sizes, strict=False):
        held = run.columns[column]
        number = {word: n for n, word in enumerate(words, 1)}
        digits = np.array([number.get(word, 0) for word in held.dictionary.to_pylist()] + [0], np.int64)
        # A missing word has no index; it takes the last digit, which is that of an unasked word.
        missing = held.indices.fill_null(len(digits) - 1) if held.null_count else held.indices
        encode(codes, missing.to_numpy(), digits, size)
    finish_codes(codes, run.columns["at"], amounts, coding.hours, coding.sizes[-1])
    return codes


def _column(column: pa.ChunkedArray) -> Any:
    if pa.types.is_dictionary(column.type) or column.type in _WORDS:
        return _dictionary(column)
    array = _one_chunk(column)
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", "UTC")).view(pa.int64())
    elif pa.types.is_floating(array.type):
        array = _millionths(array)
    return (array.fill_null(NOTHING) if array.null_count else array).to_numpy()


def _millionths(array: pa.Array) -> pa.Array:
    """Millionths as integers, half away from zero: their sum does not depend on the order."""
    return pc.round(pc.multiply(array, 1e6), round_mode="half_towards_infinity").cast(pa.int64())


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    array = _one_chunk(column)
    return array if pa.types.is_dictionary(array.type) else array.dictionary_encode()


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array, without a copy where it is one already."""
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
