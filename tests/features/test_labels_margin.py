"""What a product newly taken earned: whose, which holdings, and how much."""

from typing import Any

import pandas as pd
import pytest

from features.labels import margin_labels
from tests.features.conftest import row
from tests.features.small_bank import AS_OF, CATALOGUE, GAP, after, closed, held, outcome

WINDOW = 270
CARD = CATALOGUE.products["card"]
A_YEAR = 12 * (CARD.monthly_margin - CARD.monthly_cost)


def opened(customer: str, product: str, day: float) -> dict[str, Any]:
    return held(customer, product, opened_at=after(day))


def labels(
    holdings: list[dict[str, Any]], transactions: list[dict[str, Any]] | None = None
) -> pd.DataFrame:
    tables = {
        "holdings": [*(held(c) for c in "abcd"), *holdings],
        "transactions": transactions or [],
        "interactions": [],
        "customers": [row("customers", customer_id=c) for c in "abcd"],
    }
    return margin_labels(outcome(tables, horizon=WINDOW), CATALOGUE.offered).set_index("customer_id")


def test_a_card_taken_early_earns_its_year() -> None:
    found = labels([opened("a", "card", GAP + 1), opened("b", "card", GAP + 89)])
    assert found["card"].tolist() == pytest.approx([A_YEAR, A_YEAR])
    assert found["as_of"].unique().tolist() == [pd.Timestamp(AS_OF)]
    assert found.drop(columns=["as_of", "card"]).isna().all(axis=None)


def test_who_took_nothing_or_took_it_too_late_or_before_has_no_row() -> None:
    found = labels([opened("a", "card", GAP - 1), opened("b", "card", GAP + 90), opened("c", "card", GAP)])
    assert found.index.tolist() == ["c"]


def test_a_holding_closed_meanwhile_earns_less() -> None:
    gone = [h | {"opened_at": after(GAP + 1)} for h in closed("a", after(GAP + 135), product="card")]
    found = labels(gone)
    assert 0 < found.loc["a", "card"] < A_YEAR / 2


def test_a_loan_earns_by_its_own_balance() -> None:
    loan = CATALOGUE.products["loan"]
    booked = [
        row(
            "transactions",
            transaction_id=f"T{n}",
            holding_id=f"loan-{c}",
            customer_id=c,
            at=after(GAP + 3),
            balance_after=-amount,
        )
        for n, (c, amount) in enumerate((("a", 10_000_00), ("b", 1_000_00)))
    ]
    found = labels([opened("a", "loan", GAP + 2), opened("b", "loan", GAP + 2)], booked)
    flat = 12 * (loan.monthly_margin - loan.monthly_cost)
    yearly = (loan.balance_margin - loan.loss_rate) * 360 / 365
    assert (found["loan"] - flat).tolist() == pytest.approx([10_000 * yearly, 1_000 * yearly])
