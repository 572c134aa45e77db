"""Labels on histories small enough to check by hand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from features.catalogue import load_catalogue
from features.labels import VALUE_PARTS, Outcome, churn_labels, uptake_labels, value_labels
from tests.features.conftest import row
from tests.features.memory_bank import connect

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "features" / "catalogue.toml")
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
LATER = datetime(2025, 3, 1, tzinfo=UTC)


def outcome(
    tables: dict[str, list[dict[str, Any]]], known: datetime = LATER, horizon: int = 180
) -> Outcome:
    return Outcome(connect(tables), AS_OF, gap_days=14, horizon_days=horizon, known=known)


def after(days: float) -> datetime:
    return AS_OF + timedelta(days=days)


def closed(customer: str, at: datetime, reason: str = "customer") -> list[dict[str, Any]]:
    first = row("holdings", holding_id=f"H-{customer}", customer_id=customer)
    return [first, first | {"closed_at": at, "close_reason": reason, "known_at": at}]


def test_closure_counts_only_departures_inside_the_window_and_by_own_will() -> None:
    holdings = [
        *closed("in_gap", after(5)),
        *closed("left", after(60)),
        *closed("last_moment", after(194) - timedelta(seconds=1)),
        *closed("after_window", after(194)),
        *closed("thrown_out", after(60), "bank"),
        *closed("ran_out", after(60), "matured"),
        row("holdings", holding_id="H-stays", customer_id="stays"),
    ]
    labels = churn_labels(outcome({"holdings": holdings}), "closure", CATALOGUE)
    assert dict(zip(labels.customer_id, labels.churn, strict=True)) == {
        "after_window": 0.0,
        "last_moment": 1.0,
        "left": 1.0,
        "stays": 0.0,
    }
    assert set(labels.as_of) == {AS_OF}


def test_a_departure_not_yet_known_is_not_in_the_label() -> None:
    holdings = closed("left", after(60))
    early = churn_labels(outcome({"holdings": holdings}, known=after(59)), "closure", CATALOGUE)
    assert early.churn.tolist() == [0.0]


def _balance(customer: str, at: datetime, euros: int) -> dict[str, Any]:
    return row(
        "transactions",
        transaction_id=f"{customer}-{at:%Y%m%d}",
        customer_id=customer,
        holding_id=f"H-{customer}",
        at=at,
        amount=1,
        balance_after=euros * 100,
    )


@pytest.mark.parametrize(
    ("before", "later", "label"),
    [
        (1000, 500, 1.0),
        (1000, 501, 0.0),
        (1000, 0, 1.0),
        (299, 0, None),
        (300, 150, 1.0),
        (-50, -500, None),
    ],
)
def test_attrition_is_half_the_reference_and_needs_the_floor(
    before: int, later: int, label: float | None
) -> None:
    bookings = [_balance("a", after(-100), before), _balance("a", after(20), later)]
    holdings = [row("holdings", holding_id="H-a", customer_id="a")]
    labels = churn_labels(
        outcome({"holdings": holdings, "transactions": bookings}), "balance_attrition", CATALOGUE
    )
    assert labels.churn.tolist() == ([] if label is None else [label])


def test_uptake_is_a_new_holding_of_ones_own() -> None:
    base = [row("holdings", holding_id=f"H-{c}", customer_id=c) for c in ("a", "b", "c", "d")]
    new = [
        row("holdings", holding_id="N1", customer_id="a", product="card", opened_at=after(30)),
        row("holdings", holding_id="N2", customer_id="b", product="card", opened_at=after(300)),
        row(
            "holdings",
            holding_id="N3",
            customer_id="c",
            product="card",
            opened_at=after(30),
            role="co_owner",
        ),
    ]
    sold = [row("holdings", holding_id=f"S-{p}", customer_id="e", product=p) for p in ("card", "loan")]
    labels = uptake_labels(outcome({"holdings": base + sold + new}), ["card", "loan"])
    assert labels.card.tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert labels.loan.tolist() == [0.0] * 5


def test_nobody_is_said_to_have_declined_what_was_not_on_sale_yet() -> None:
    base = [row("holdings", holding_id=f"H-{c}", customer_id=c) for c in ("a", "b")]
    new = row("holdings", holding_id="N1", customer_id="a", product="card", opened_at=after(30))
    labels = uptake_labels(outcome({"holdings": [*base, new]}), ["card", "loan"])
    assert labels[["card", "loan"]].isna().all(axis=None)
    assert labels.dtypes[["card", "loan"]].tolist() == ["float64"] * 2


def test_value_is_the_sum_of_parts_that_follow_from_the_catalogue() -> None:
    tables = {
        "holdings": [
            row("holdings", holding_id="H-a", customer_id="a"),
            row("holdings", holding_id="L-a", customer_id="a", product="loan"),
        ],
        "transactions": [
            _balance("a", after(-10), 1000),
            _balance("a", after(1), 1000) | {"holding_id": "L-a", "balance_after": -2_000_00},
            _balance("a", after(20), 1000) | {"category": "fee", "amount": -350},
            _balance("a", after(5), 1000) | {"category": "fee", "amount": -999},  # before the window
        ],
        "interactions": [row("interactions", customer_id="a", at=after(30), cost=150)],
    }
    (value,) = value_labels(outcome(tables, horizon=360), CATALOGUE).to_dict("records")
    account, loan = CATALOGUE.products["current_account"], CATALOGUE.products["loan"]
    counts = [(1 + CATALOGUE.discount_rate) ** (-(month + 14 / 30) / 12) for month in range(1, 13)]
    months = sum(counts)
    years = months * 30 / 365
    assert value["interest_margin"] == pytest.approx(
        years * (1000 * account.balance_margin + 2000 * loan.balance_margin)
    )
    assert value["fees"] == pytest.approx(3.50 * counts[0])
    assert value["cost_to_serve"] == pytest.approx(
        -months * (account.monthly_cost + loan.monthly_cost) - 1.50 * counts[0], abs=1e-4
    )
    assert value["expected_loss"] == pytest.approx(-years * 2000 * loan.loss_rate)
    assert value["value"] == pytest.approx(sum(value[part] for part in VALUE_PARTS))
