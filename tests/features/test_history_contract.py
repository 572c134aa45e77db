"""The contract says of every column what it is, its unit, how sensitive it is, and if it may be empty."""

from typing import get_args

import pytest

from features.history.contract import BY_NAME, FREE_WORDS, TABLES, Column, DataClass, Table
from features.history.structure import _SECRETS

COLUMNS = [pytest.param(t, column, id=f"{t.name}.{column.name}") for t in TABLES for column in t.columns]

# What a bank's history must be able to say: the words of the design, table by table.
SAYS = {
    "customers": """customer_id kind birth_date gender occupation education region income joined_at
        household_id manager_id preferred_channel consent_marketing consent_profiling valid_from
        known_at""",
    "holdings": "holding_id customer_id product role opened_at closed_at close_reason known_at",
    "transactions": """transaction_id customer_id holding_id at amount currency category channel
        counterparty balance_after known_at""",
    "interactions": """interaction_id customer_id at channel direction kind product response rating
        resolved_at cost known_at""",
    "rates": "currency date rate known_at",
}


def test_every_table_says_all_that_it_should_and_nothing_else() -> None:
    assert {table.name: [c.name for c in table.columns] for table in TABLES} == {
        name: columns.split() for name, columns in SAYS.items()
    }


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_every_column_has_meaning_unit_class_and_nullability(table: Table, column: Column) -> None:
    assert column.meaning
    assert column.unit
    assert column.data_class in get_args(DataClass)
    assert isinstance(column.nullable, bool)
    assert not _SECRETS.search(column.name)
    if column.name in table.key or column.name == table.time:
        assert not column.nullable, "what identifies or orders rows may not be empty"
    if column.type == "cents":
        assert "cents" in column.unit
        assert column.low is not None, "an amount has bounds"
        assert column.high is not None, "an amount has bounds"
    if column.type == "float64":
        assert column.low is not None, "a number has bounds"
        assert column.high is not None, "a number has bounds"


def test_who_a_customer_is_and_does_is_sensitive() -> None:
    for table in TABLES:
        if "customer_id" in {c.name for c in table.columns}:
            assert table.column("customer_id").data_class == "C2"
    for name in ("birth_date", "gender", "occupation", "education", "income", "household_id"):
        assert BY_NAME["customers"].column(name).data_class == "C2"
    for name in ("amount", "balance_after", "counterparty"):
        assert BY_NAME["transactions"].column(name).data_class == "C2"


def test_what_only_one_kind_of_contact_carries_names_a_kind_and_may_be_empty() -> None:
    interactions = BY_NAME["interactions"]
    only = {c.name: c.only for c in interactions.columns if c.only}
    assert only == {"response": "campaign", "rating": "survey", "resolved_at": "complaint"}
    assert set(only.values()) <= set(interactions.column("kind").allowed)
    assert all(interactions.column(name).nullable for name in only)


def test_open_lists_of_words_are_columns_without_a_closed_one() -> None:
    assert [BY_NAME["customers"].column(name).allowed for name in FREE_WORDS] == [()] * len(FREE_WORDS)
