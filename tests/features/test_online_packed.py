"""A packed row gives back exactly what went in, packed alone or by the thousand."""

import math
import struct
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import CorruptError
from features.online.packed import Codec, View, stamp_of
from features.online.storage import from_us, pack_views, supersedes, to_us
from tests.features.online_rows import AS_OF, MONEY, batch

KINDS = {"int64": pa.int64(), "float64": pa.float64(), "string": pa.string()}
int64 = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    "int64": st.one_of(st.none(), int64, st.sampled_from([0, 2**63 - 1, -(2**63)])),
    "float64": st.one_of(st.none(), st.floats(), st.sampled_from([-0.0, 0.0, math.nan])),
    "string": st.one_of(st.none(), st.text(), st.sampled_from(["", "née", "🙂", "\x00"])),
}
dtypes = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=19)


def rows_of(kinds: list[str]) -> st.SearchStrategy[tuple[list[str], list[tuple[Any, ...]]]]:
    row = st.tuples(*(VALUES[kind] for kind in kinds))
    return st.tuples(st.just(kinds), st.lists(row, max_size=7))


def bits(values: Any) -> list[Any]:
    """Floats by their bits: -0.0 is not 0.0, and a NaN is itself."""
    return [struct.pack("<d", v) if isinstance(v, float) else v for v in values]


@settings(max_examples=200, deadline=None)
@given(dtypes.flatmap(rows_of), int64, int64, st.integers(0, 3))
def test_what_goes_in_comes_out_alone_and_in_bulk(
    case: tuple[list[str], list[tuple[Any, ...]]], event: int, created: int, skip: int
) -> None:
    kinds, rows = case
    codec = Codec(View("v", tuple((f"f{i}", kind) for i, kind in enumerate(kinds))))
    alone = [codec.pack(event, created, row) for row in rows]
    assert [bits(codec.unpack(packed) or []) for packed in alone] == [bits(row) for row in rows]
    assert all(stamp_of(packed) == (event, created) for packed in alone)
    assert [bits(c) for c in codec.columns(alone)] == [
        bits(row[i] for row in rows) for i in range(len(kinds))
    ]
    columns = {f"f{i}": pa.array([row[i] for row in rows], KINDS[kind]) for i, kind in enumerate(kinds)}
    cut = pa.record_batch(columns).slice(skip)  # Arrow columns may begin anywhere in their buffers
    stamps = np.full(cut.num_rows, event), np.full(cut.num_rows, created)
    assert codec.pack_batch(cut, *stamps) == alone[skip:]


@pytest.mark.parametrize(
    "other",
    [
        View("cash", MONEY.fields),
        View("money", (("balance", "float64"), ("share", "float64"))),
        View("money", (("balance", "int64"), ("part", "float64"))),
        View("money", (("share", "float64"), ("balance", "int64"))),
        View("money", MONEY.fields[:1]),
    ],
)
def test_a_row_of_another_schema_is_never_read_as_this_one(other: View) -> None:
    packed = Codec(MONEY).pack(0, 0, [2**63 - 1, -0.0])
    assert Codec(other).unpack(packed) is None


@pytest.mark.parametrize("kind", ["int64", "string"])
def test_a_torn_row_is_an_error_and_no_value(kind: str) -> None:
    codec = Codec(View("v", (("a", kind),)))
    packed = codec.pack(1, 2, [7 if kind == "int64" else "seven"])
    for torn in (*(packed[:length] for length in range(8, len(packed))), packed + b"\x00"):
        with pytest.raises(CorruptError, match="torn"):
            codec.unpack(torn)
        with pytest.raises(CorruptError, match="torn"):
            codec.columns([packed, torn])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1))
def test_the_winner_does_not_hang_on_the_order_of_arrival(stamps: list[tuple[int, int, int]]) -> None:
    rows = [Codec(MONEY).pack(event, created, [value, None]) for event, created, value in stamps]

    def last(order: list[bytes]) -> bytes | None:
        kept = None
        for row in order:
            kept = row if supersedes(row, kept) else kept
        return kept

    winner = last(rows)
    assert winner == last(rows[::-1]) == last(sorted(rows)) == last(rows + rows)
    assert winner is not None
    assert stamp_of(winner) == max((event, created) for event, created, _ in stamps)


def test_a_snapshot_that_is_not_as_declared_is_refused() -> None:
    whole = batch({"C1": (1, 0.5, "north", 3)})
    lacking = whole.select([n for n in whole.schema.names if n != "share"])
    retyped = whole.set_column(3, "balance", pa.array(["1"]))
    for wrong, name in ((lacking, "share"), (retyped, "balance")):
        with pytest.raises(CorruptError, match=f"column '{name}'"):
            pack_views((MONEY,), wrong)


def test_moments_are_exact_microseconds_and_never_naive() -> None:
    moment = AS_OF.replace(microsecond=1)
    assert from_us(to_us(moment)) == moment
    with pytest.raises(TypeError):
        to_us(datetime(2026, 1, 1))
