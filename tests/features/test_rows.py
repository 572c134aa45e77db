"""A row decoded straight to numbers says what unpacking it says."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import CorruptError
from features.online.packed import Codec, View
from features.rows import Layout

VIEWS = (
    View("money", tuple((f"m{i}", ("int64", "float64")[i % 2]) for i in range(9))),
    View("words", (("w0", "string"), ("n", "int64"), ("w1", "string"))),
    View("bare", (("f", "float64"),)),
)
CODECS = [Codec(view) for view in VIEWS]
LAYOUT = Layout(CODECS, ("score",))
VALUES = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False),
    "string": st.text(max_size=8),
}


def _row(view: View) -> st.SearchStrategy[list[Any] | None]:
    return st.none() | st.tuples(*(st.none() | VALUES[dtype] for _, dtype in view.fields)).map(list)


@given(st.tuples(*(_row(view) for view in VIEWS)), st.integers(1, 2**62))
def test_every_field_is_as_unpacked(rows: tuple[list[Any] | None, ...], event: int) -> None:
    packed = [None if r is None else c.pack(event, event, r) for c, r in zip(CODECS, rows, strict=True)]
    row = LAYOUT.rows([packed])
    assert row.events[0].tolist() == [event if r is not None else 0 for r in rows]
    for view, values in zip(VIEWS, rows, strict=True):
        for (name, dtype), value in zip(view.fields, values or [None] * len(view.fields), strict=True):
            assert row[name] == [value]
            [[number]] = row.picked((name,)).tolist()
            if dtype == "string":
                assert row.words(name) == [value]
            else:
                assert (math.isnan(number) and value is None) or number == float(value)


def test_what_is_forgotten_is_missing_and_what_stands_beside_is_told() -> None:
    values = ([1] * 9, ["a", 2, "b"], [0.5])
    packed = [codec.pack(5, 5, row) for codec, row in zip(CODECS, values, strict=True)]
    rows = LAYOUT.rows([packed, packed])
    rows.forget(0, 1)
    assert (rows["n"], rows.words("w0"), rows["m3"]) == ([None, 2], [None, "a"], [1.0, 1.0])
    told = rows.beside({"score": np.array([0.25, 0.75])})
    assert told.picked(("score", "f")).tolist() == [[0.25, 0.5], [0.75, 0.5]]
    assert told.some([1])["score"] == [0.75]
    assert told.some([1]).words("w1") == ["b"]
    assert np.isnan(rows.picked(("score",))).all()
    with pytest.raises(KeyError, match="nothing"):
        rows.picked(("nothing",))


@pytest.mark.parametrize("cut", [lambda row: row[:-1], lambda row: row + b"x", lambda row: row[:30]])
def test_a_torn_row_is_an_error_and_another_schemas_row_is_missing(cut: Any) -> None:
    packed = [c.pack(5, 5, v) for c, v in zip(CODECS, ([1] * 9, ["a", 2, "b"], [0.5]), strict=True)]
    with pytest.raises(CorruptError, match="'words' is torn"):
        LAYOUT.rows([[packed[0], cut(packed[1]), packed[2]]])
    assert LAYOUT.rows([[packed[0], packed[2], packed[1]]])["n"] == [None]
