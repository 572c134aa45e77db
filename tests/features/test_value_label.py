"""Realised value against a plain reading of its definition, and what discounting may not change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import load_catalogue
from features.labels import VALUE_PARTS, Outcome, value_labels
from features.labels.value import discount, realised
from features.vocabulary import Catalogue
from tests.features.conftest import row
from tests.features.memory_bank import connect

SHIPPED = load_catalogue(Path(__file__).parents[2] / "features" / "catalogue.toml")
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
CUSTOMERS = ("a", "b", "c")
PRODUCTS = ("current_account", "savings_account", "card", "loan")

_days = st.integers(-90, 400)
_holding = st.fixed_dictionaries(
    {
        "customer": st.sampled_from(CUSTOMERS),
        "product": st.sampled_from(PRODUCTS),
        "opened": _days,
        "open_days": st.integers(1, 400) | st.none(),
        "balances": st.lists(st.tuples(_days, st.integers(-9_000_00, 9_000_00)), max_size=4),
    }
)
_charge = st.tuples(st.sampled_from(CUSTOMERS), _days, st.integers(1, 90_00))


def after(days: float) -> datetime:
    return AS_OF + timedelta(days=days)


def bank(holdings: list[dict[str, Any]], fees: list[Any], contacts: list[Any]) -> dict[str, Any]:
    """Tables of a bank in memory; everybody holds an account since long ago, so all are at risk."""
    # Noon, so that no two events share a moment with the start of a step.
    rows = [row("holdings", holding_id=f"own-{c}", customer_id=c) for c in CUSTOMERS]
    booked = []
    for n, h in enumerate(holdings):
        opened = after(h["opened"] + 0.5)
        first = row(
            "holdings",
            holding_id=f"H{n}",
            customer_id=h["customer"],
            product=h["product"],
            opened_at=opened,
        )
        rows.append(first)
        if h["open_days"] is not None:
            closed = opened + timedelta(days=h["open_days"])
            rows.append(first | {"closed_at": closed, "close_reason": "customer", "known_at": closed})
        booked += [(f"H{n}", h["customer"], day, "other", 0, cents) for day, cents in h["balances"]]
    booked += [(f"own-{c}", c, day, "fee", -cents, None) for c, day, cents in fees]
    transactions = [
        row(
            "transactions",
            transaction_id=f"T{n:03d}",
            holding_id=holding,
            customer_id=customer,
            at=after(day + 0.5) + timedelta(seconds=n),
            category=category,
            amount=amount,
            balance_after=balance,
        )
        for n, (holding, customer, day, category, amount, balance) in enumerate(booked)
    ]
    interactions = [
        row("interactions", interaction_id=f"I{n}", customer_id=c, at=after(day + 0.5), cost=cents)
        for n, (c, day, cents) in enumerate(contacts)
    ]
    return {"holdings": rows, "transactions": transactions, "interactions": interactions}


def expected_value(tables: dict[str, Any], customer: str, catalogue: Catalogue, days: int) -> float:
    """The definition read plainly: month by month, what is held at its end, charged and spent in it."""
    total, versions = 0.0, {}
    for h in tables["holdings"]:
        versions[h["holding_id"]] = h  # the later version closes the holding
    for month in range(1, days // 30 + 1):
        end, worth = after(30 * month), discount(catalogue.discount_rate, month)
        for h in (h for h in versions.values() if h["customer_id"] == customer):
            if not (h["opened_at"] < end and (h["closed_at"] is None or h["closed_at"] >= end)):
                continue
            p = catalogue.products[h["product"]]
            known = [
                t
                for t in tables["transactions"]
                if t["holding_id"] == h["holding_id"] and t["at"] < end and t["balance_after"] is not None
            ]
            last = max(known, key=lambda t: t["at"], default={"balance_after": 0})
            earned = (p.balance_margin - p.loss_rate) * 30 / 365 * abs(last["balance_after"]) / 100
            total += worth * (earned + p.monthly_margin - p.monthly_cost)
        for table, amount, sign in (("transactions", "amount", -1), ("interactions", "cost", -1)):
            for event in tables[table]:
                inside = after(30 * (month - 1)) <= event["at"] < end and event["customer_id"] == customer
                if inside and event.get("category", "fee") == "fee":
                    total += worth * sign * event[amount] / 100
    return total


@settings(max_examples=10, deadline=None)
@given(
    holdings=st.lists(_holding, max_size=5),
    fees=st.lists(_charge, max_size=3),
    contacts=st.lists(_charge, max_size=3),
    rate=st.floats(0, 0.5),
    days=st.sampled_from([90, 360, 720]),
)
def test_the_parts_add_up_and_the_total_is_the_definitions(
    holdings: list[Any], fees: list[Any], contacts: list[Any], rate: float, days: int
) -> None:
    catalogue = replace(SHIPPED, discount_rate=rate)
    tables = bank(holdings, fees, contacts)
    outcome = Outcome(connect(tables), AS_OF, 0, days, known=after(2000))
    labels = value_labels(outcome, catalogue).set_index("customer_id")
    assert labels.index.tolist() == list(CUSTOMERS)
    for customer, one in labels.iterrows():
        assert one["value"] == pytest.approx(sum(one[part] for part in VALUE_PARTS), abs=1e-9)
        assert one["value"] == pytest.approx(
            expected_value(tables, str(customer), catalogue, days), rel=1e-6, abs=5e-3
        )


def test_who_costs_more_than_he_brings_has_a_negative_value() -> None:
    outcome = Outcome(connect(bank([], [], [("a", 10, 500_00)])), AS_OF, 0, 360, known=after(2000))
    values = value_labels(outcome, SHIPPED).set_index("customer_id")["value"]
    assert values["a"] < -490
    assert values["b"] < 0  # an empty account costs its upkeep


def test_without_a_present_money_is_not_discounted() -> None:
    tables = bank([], [("a", 200, 10_00)], [])
    outcome = Outcome(connect(tables), AS_OF, 0, 360, known=after(2000))
    cut, people = outcome.at(outcome.closes), outcome.at_risk()
    plain = realised(cut, outcome.opens, people, SHIPPED).set_index("customer_id")
    today = realised(cut, outcome.opens, people, SHIPPED, present=AS_OF).set_index("customer_id")
    assert plain.loc["a", "fees"] == 10.0
    assert today.loc["a", "fees"] == pytest.approx(10 * 1.06 ** (-7 / 12), abs=1e-5)
    free = replace(SHIPPED, discount_rate=0.0)
    assert realised(cut, outcome.opens, people, free, present=AS_OF).set_index("customer_id").equals(plain)
