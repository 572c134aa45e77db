import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.lists.export import COLUMNS, ListRow, safe_cell, to_csv


def _row(**changes):
    base = {
        "list_id": "card-20260101-abc",
        "rank": 1,
        "customer_id": "C1",
        "arm": "target",
        "offer": "Take a credit card",
        "product": "card",
        "channel": "app",
        "probability": 0.071,
        "expected_value": -3.5,
        "currency": "EUR",
        "reasons": ("Balance: -10.00 EUR", "-5 left", "c", "one too many"),
        "tier": "core",
        "segment": "senior",
        "manager_id": "M1",
        "as_of": "2026-01-01T00:00:00Z",
        "uplift": 0.012,
        "terms": "",
    }
    return ListRow(**{**base, **changes})


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "＝1", "＋1"]
)
def test_an_id_that_is_a_formula_is_neutralised(cell):
    assert safe_cell(cell) == f"'{cell}"
    read = next(csv.DictReader(io.StringIO(to_csv([_row(customer_id=cell)]).decode(), newline="")))
    assert read["customer_id"] == f"'{cell}"


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_no_text_is_read_as_a_formula_and_none_is_lost(text):
    assert not safe_cell(text).startswith((*"=+-@\t\r\n\0", "＝", "＋", "－", "＠"))
    assert safe_cell(text).removeprefix("'") == text.removeprefix("'")


def test_columns_are_the_designs_and_numbers_stay_numbers():
    content = to_csv([_row()]).decode()
    assert content.splitlines()[0] == (
        "list_id,rank,customer_id,arm,offer,product,channel,probability,expected_value,currency,"
        "reason_1,reason_2,reason_3,tier,segment,manager_id,as_of,uplift,terms"
    )
    read = next(csv.DictReader(io.StringIO(content, newline="")))
    assert (float(read["probability"]), float(read["expected_value"])) == (0.071, -3.5)
    assert (read["reason_1"], read["reason_2"], read["reason_3"]) == (
        "Balance: -10.00 EUR",
        "'-5 left",
        "c",
    )
    assert len(COLUMNS) == 19


@pytest.mark.parametrize(
    "column", ["list_id", "offer", "product", "tier", "segment", "manager_id", "terms", "customer_id"]
)
def test_no_cell_that_a_bank_or_a_customer_words_is_a_formula(column):
    read = next(csv.DictReader(io.StringIO(to_csv([_row(**{column: "=cmd|' /C calc'!A0"})]).decode())))
    assert read[column] == "'=cmd|' /C calc'!A0"
    assert not any(str(cell).startswith("=") for cell in read.values())
