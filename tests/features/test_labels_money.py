"""Leaving by money, checked by hand: the month of attrition, and margin that falls."""

from datetime import timedelta

import pytest

from features.labels.money import LITTLE, LITTLE_EARNED
from features.labels.standing import BANK, MATURED
from tests.features.small_bank import (
    AS_OF,
    CATALOGUE,
    CLOSES,
    OPENS,
    after,
    booked,
    came,
    closed,
    held,
    labels,
    months,
    outcome,
    reasons,
    together,
)

MICROSECOND = timedelta(microseconds=1)


def balance(customer: str, days: float, euros: int, **values: object) -> dict:
    return booked(customer, after(days), balance_after=euros * 100, **values)


def test_the_month_of_attrition_is_the_first_whose_last_ninety_days_are_low() -> None:
    # Of the four levels that count at a month's end, 30 days apart, two must be gone.
    expected = {
        "from the start": ([(14, 0)], 2),
        "a moment before the first end": ([(43, 0)], 2),
        "from the first end": ([(44, 0)], 3),
        "late": ([(134, 0)], 6),
        "too late": ([(164, 0)], None),
        # Back again before the end: the window as a whole did not fall.
        "and back": ([(14, 0), (100, 1000)], None),
        "twice": ([(14, 0), (80, 1000), (110, 0)], 2),
    }
    cases = {
        name: [balance("a", -100, 1000), *(balance("a", days, euros) for days, euros in moves)]
        for name, (moves, _) in expected.items()
    }
    found = outcome(together(cases))
    fell = {name: month for name, (_, month) in expected.items() if month}
    assert months(found, "balance_attrition") == fell
    assert labels(found, "balance_attrition") == {name: float(name in fell) for name in expected}


def test_money_that_the_bank_or_a_term_took_away_is_no_attrition() -> None:
    customers = ("bank", "term", "loan", "card", "little")
    deposit = {c: f"savings_account-{c}" for c in customers}
    bookings = [
        r
        for c in customers
        for r in (
            balance(c, -100, 10 if c == "little" else 5000, holding_id=deposit[c]),
            balance(c, 60, 0, holding_id=deposit[c]),
        )
    ]
    holdings = [
        *(held(c) for c in customers),
        *closed("bank", after(60), "bank", "savings_account"),
        *closed("term", AS_OF, "matured", "savings_account"),
        # A loan that is paid off, and a card, hold no money of the customer.
        *closed("loan", after(60), "matured", "loan"),
        *closed("card", after(60), "bank", "card"),
    ]
    found = outcome({"holdings": holdings, "transactions": bookings})
    assert labels(found, "balance_attrition") == {"loan": 1.0, "card": 1.0}
    assert reasons(found, "balance_attrition") == {"bank": BANK, "term": MATURED, "little": LITTLE}


# A current account with 10,000 earns 10,000 x 0.015 x 180/365 in 180 days, and costs 6 x 1.20.
EARNED = 10_000 * CATALOGUE.products["current_account"].balance_margin * 180 / 365
COST = 6 * CATALOGUE.products["current_account"].monthly_cost


def test_value_falls_where_the_window_earns_less_than_half_of_as_long_before() -> None:
    assert pytest.approx(66.77, abs=0.01) == EARNED - COST
    emptied = balance("a", 10, 0)
    fell = {
        # From the window's start nothing is left, so only costs remain.
        "emptied": [emptied],
        # Three of six steps' ends are left: interest halves, but the costs do not.
        "half": [balance("a", 14 + 100, 0)],
        "fee in the gap": [emptied, booked("a", OPENS - MICROSECOND, category="fee", amount=-60_00)],
        "fee after the window": [emptied, booked("a", CLOSES, category="fee", amount=-60_00)],
        "contacts that cost": [came("a", after(60), cost=40_00)],
    }
    held_up = {
        "nothing": [],
        "four of six steps": [balance("a", 14 + 125, 0)],
        "fee": [emptied, booked("a", OPENS, category="fee", amount=-60_00)],
        "contact that costs less": [came("a", after(60), cost=20_00)],
        "never known": [balance("a", 10, 0, known_at=after(500))],
    }
    cases = {name: [balance("a", -400, 10_000), *rows] for name, rows in (fell | held_up).items()}
    expected = dict.fromkeys(fell, 1.0) | dict.fromkeys(held_up, 0.0)
    assert labels(outcome(together(cases)), "falling_value") == expected


def test_the_fall_of_next_to_nothing_is_noise() -> None:
    # The lowest tier with a bound asks for 60 a year, 29.59 in 180 days: a balance of 4,973.
    cases = {str(euros): [balance("a", -400, euros)] for euros in (-50_000, 0, 4_900, 5_000)}
    found = outcome(together(cases))
    assert labels(found, "falling_value") == {"-50000": 0.0, "5000": 0.0}
    assert reasons(found, "falling_value") == {"0": LITTLE_EARNED, "4900": LITTLE_EARNED}


def test_value_that_a_term_or_the_bank_ended_did_not_fall_by_the_customers_will() -> None:
    customers = ("loan", "card", "own", "later")
    holdings = [
        *(held(c) for c in customers),
        *closed("loan", after(60), "matured", "loan"),
        *closed("card", AS_OF, "bank", "card"),
        *closed("own", after(60), "customer", "card"),
        *closed("later", CLOSES, "bank", "card"),
    ]
    bookings = [balance(c, -400, 10_000) for c in customers]
    found = outcome({"holdings": holdings, "transactions": bookings})
    assert labels(found, "falling_value") == {"own": 0.0, "later": 0.0}
    assert reasons(found, "falling_value") == {"loan": MATURED, "card": BANK}
