"""Leaving in silence, checked by hand: dormancy, and the loss of the main relation."""

from datetime import UTC, datetime, timedelta

from features.labels.silence import IRREGULAR, SILENT
from features.labels.standing import BANK
from features.months import months_before
from tests.features.small_bank import (
    AS_OF,
    CLOSES,
    OPENS,
    Rows,
    after,
    booked,
    came,
    closed,
    held,
    labels,
    outcome,
    reasons,
    together,
)

MICROSECOND = timedelta(microseconds=1)
NOVEMBER = datetime(2023, 11, 1, tzinfo=UTC)
OBSERVED = AS_OF - timedelta(days=180)


def test_dormant_is_who_does_nothing_in_the_whole_window() -> None:
    silent = {
        "nothing": [],
        "in the gap": [booked("a", OPENS - MICROSECOND)],
        "after the window": [booked("a", CLOSES)],
        "by itself": [booked("a", after(60), channel="auto")],
        **{
            word: [booked("a", after(60), category=word)]
            for word in ("interest", "fee", "penalty", "standing_order", "salary", "pension")
        },
        "paid by no channel": [booked("a", after(60), category="salary", channel=None)],
        "contact after the window": [came("a", CLOSES)],
        "campaign of the bank": [came("a", after(60), kind="campaign", direction="out")],
        "never known": [booked("a", after(60), known_at=after(500))],
    }
    active = {
        "first moment": [booked("a", OPENS)],
        "last moment": [booked("a", CLOSES - MICROSECOND)],
        "no channel": [booked("a", after(60), channel=None)],
        "bill paid by hand": [booked("a", after(60), category="household", channel="branch")],
        "call": [came("a", OPENS)],
        "session": [came("a", after(60), kind="session", channel="app")],
    }
    cases = {name: [booked("a", after(-10)), *rows] for name, rows in (silent | active).items()}
    expected = dict.fromkeys(silent, 1.0) | dict.fromkeys(active, 0.0)
    assert labels(outcome(together(cases)), "dormancy") == expected


def test_who_was_silent_before_cannot_fall_silent() -> None:
    silent = {
        "too long ago": [booked("a", OBSERVED - MICROSECOND)],
        "by itself": [booked("a", after(-10), channel="auto")],
        "known too late": [booked("a", after(-10), known_at=AS_OF + MICROSECOND)],
        "only in the gap": [booked("a", AS_OF)],
    }
    active = {"at first": [booked("a", OBSERVED)], "a call": [came("a", OBSERVED)]}
    found = outcome(together(silent | active))
    assert reasons(found, "dormancy") == dict.fromkeys(silent, SILENT)
    assert labels(found, "dormancy") == dict.fromkeys(active, 1.0)


def test_who_closes_everything_has_left_though_active_before() -> None:
    tables = {
        "holdings": closed("a", after(60)),
        "transactions": [booked("a", after(-10)), booked("a", after(40))],
    }
    assert labels(outcome(tables), "dormancy") == {"a": 1.0}


def monthly(customer: str, category: str, *months: int) -> Rows:
    """A booking two days into each of the calendar months that lie so far before as_of."""
    return [
        booked(customer, months_before(AS_OF, back) + timedelta(days=2), category=category)
        for back in months
    ]


PAID = monthly("a", "salary", 1, 2, 3, 4)
ORDERS = monthly("a", "standing_order", 1, 2, 3, 4)


def test_the_main_relation_is_lost_when_all_that_came_by_the_month_stops() -> None:
    lost = {
        "pay": PAID,
        "orders": ORDERS,
        "pay and orders": [*PAID, *ORDERS],
        "pay in the gap": [*PAID, booked("a", OPENS - MICROSECOND, category="salary")],
        "pay after the window": [*PAID, booked("a", CLOSES, category="salary")],
        # What never came regularly says nothing.
        "bills begin": [*PAID, booked("a", after(60), category="household")],
        "transfers": [*PAID, booked("a", after(60), category="transfer_in")],
        "three of four months": monthly("a", "salary", 1, 2, 4),
        # Standing orders and household payments are one stream, as are salary and pension.
        "mixed payments": [*monthly("a", "household", 1, 2), *monthly("a", "standing_order", 3)],
        # The fourth month before 2024-03-01 begins on 2023-11-01.
        "four months to the moment": [
            *monthly("a", "salary", 1, 2),
            booked("a", NOVEMBER, category="salary"),
        ],
    }
    kept = {
        "pay": [*PAID, booked("a", after(60), category="salary")],
        "at first": [*PAID, booked("a", OPENS, category="salary")],
        "at last": [*PAID, booked("a", CLOSES - MICROSECOND, category="salary")],
        "retired": [*PAID, booked("a", after(60), category="pension")],
        "orders stay": [*PAID, *ORDERS, booked("a", after(60), category="household")],
    }
    irregular = {
        "two months": monthly("a", "salary", 2, 4),
        "twice in two months": [*monthly("a", "salary", 2, 4), *monthly("a", "pension", 2, 4)],
        "three of five": monthly("a", "salary", 3, 4, 5),
        "four months and a moment": [
            *monthly("a", "salary", 1, 2),
            booked("a", NOVEMBER - MICROSECOND, category="salary"),
        ],
        "known too late": [r | {"known_at": AS_OF + MICROSECOND} for r in monthly("a", "salary", 1, 2, 3)],
        "nothing": [],
    }
    groups = {"lost": lost, "kept": kept, "irregular": irregular}
    cases = {f"{group} {name}": rows for group, some in groups.items() for name, rows in some.items()}
    found = outcome(together(cases))
    label = {"lost": 1.0, "kept": 0.0}
    assert labels(found, "primacy_loss") == {
        name: label[name.split()[0]] for name in sorted(cases) if not name.startswith("irregular")
    }
    assert reasons(found, "primacy_loss") == {f"irregular {name}": IRREGULAR for name in irregular}


def test_who_lost_the_account_to_the_bank_did_not_take_the_pay_elsewhere() -> None:
    ended = {"closed_at": after(5), "close_reason": "bank", "known_at": after(5)}
    holdings = [held("a"), held("a") | ended, held("a", "card"), held("b"), held("b", "card")]
    holdings.append(held("b", "card") | ended)
    bookings = [row | {"balance_after": 100} for row in (*PAID, *monthly("b", "salary", 1, 2, 3, 4))]
    found = outcome({"holdings": holdings, "transactions": bookings})
    assert labels(found, "primacy_loss") == {"b": 1.0}
    assert reasons(found, "primacy_loss") == {"a": BANK}
