"""Leaving by contract, checked by hand: everything is closed, or one product line."""

from datetime import timedelta

import pytest

from features.errors import InputError
from features.labels import CHURN_DEFINITIONS, churn_definition, line_labels
from features.labels.contracts import NOT_HELD
from features.labels.standing import BANK, GONE, MATURED, UNSTATED
from tests.features.small_bank import (
    AS_OF,
    CLOSES,
    LATER,
    OPENS,
    after,
    booked,
    closed,
    held,
    labels,
    months,
    outcome,
    reasons,
)

MICROSECOND = timedelta(microseconds=1)


def test_who_gets_no_label_is_told_why() -> None:
    holdings = [
        *closed("gap", OPENS - MICROSECOND),
        *closed("window", OPENS),
        *closed("bank", after(60), "bank"),
        *closed("term", after(60), "matured"),
        *closed("unstated", after(60), None),
        *closed("both", after(50), "bank", "card"),
        *closed("both", after(60)),
        *closed("before", AS_OF - MICROSECOND),
        held("stays"),
        *closed("stays", after(60), "bank", "card"),
    ]
    found = outcome({"holdings": holdings})
    assert labels(found, "closure") == {"stays": 0.0, "window": 1.0}
    assert reasons(found, "closure") == {
        "bank": BANK,
        "both": BANK,
        "gap": GONE,
        "term": MATURED,
        "unstated": UNSTATED,
    }


def test_one_line_is_asked_of_those_who_held_it_and_of_nobody_else() -> None:
    holdings = [
        *(held(c) for c in ("keeps", "drops", "other", "bank", "never", "again")),
        *(held(c, "card") for c in ("keeps", "other")),
        *closed("drops", after(60), product="card"),
        *closed("other", after(60), product="loan"),
        *closed("bank", after(60), "bank", "card"),
        *closed("again", after(60), product="card"),
        held("again", "card") | {"holding_id": "second"},
        *closed("all", after(60)),
        *closed("all", after(60), product="card"),
        *closed("account", after(60)),
    ]
    found = outcome({"holdings": holdings})
    assert labels(found, "product_line:card") == {
        "all": 1.0, "again": 0.0, "drops": 1.0, "keeps": 0.0, "other": 0.0,
    }  # fmt: skip
    assert reasons(found, "product_line:card") == {"account": NOT_HELD, "bank": BANK, "never": NOT_HELD}
    assert months(found, "product_line:card")["drops"] == 2
    for line in line_labels(found).query("product == 'card' and churn == churn").itertuples():
        assert labels(found, "product_line:card")[line.customer_id] == line.churn


@pytest.mark.parametrize("name", ["product_line:", "closure:card", "boredom", ":card", ""])
def test_a_definition_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"is not a definition; cure: one of closure, balance_attrition"):
        churn_definition(name)


def test_a_line_that_the_bank_does_not_sell_is_refused_with_those_it_does() -> None:
    with pytest.raises(InputError, match=r"no product 'boat' in the catalogue; cure: one of .*card"):
        labels(outcome({"holdings": [held("a")]}), "product_line:boat")


@pytest.mark.parametrize("definition", CHURN_DEFINITIONS)
def test_no_definition_takes_the_banks_or_the_heirs_closing_for_leaving(definition: str) -> None:
    customers = ("bank", "term", "gone", "left")
    holdings = [
        *closed("bank", after(60), "bank"),
        *closed("term", after(60), "matured"),
        *closed("gone", after(5)),
        *closed("left", after(60)),
    ]
    # Regular, active and rich enough before as_of for every definition to look at them.
    bookings = [
        booked(c, after(-days), category=category, balance_after=50_000_00)
        for c in customers
        for days in (15, 45, 75, 105, 170)
        for category in ("salary", "card")
    ]
    found = outcome({"holdings": holdings, "transactions": bookings})
    assert labels(found, definition) == {"left": 1.0}
    assert {c: why for c, why in reasons(found, definition).items() if c != "gone"} == {
        "bank": BANK,
        "term": MATURED,
    }


def test_the_month_of_closing_counts_from_the_windows_start() -> None:
    moments = {
        "first": OPENS,
        "end_of_first": OPENS + timedelta(days=30) - MICROSECOND,
        "second": OPENS + timedelta(days=30),
        "last": CLOSES - MICROSECOND,
    }
    holdings = [r for c, at in moments.items() for r in closed(c, at)]
    holdings += [*closed("two", after(20), product="card"), *closed("two", after(100)), held("stays")]
    found = outcome({"holdings": holdings})
    assert months(found, "closure") == {"first": 1, "end_of_first": 1, "second": 2, "last": 6, "two": 3}
    # By product line the card is what counts first.
    assert months(found, "product_line")["two"] == 1


def test_a_line_is_lost_with_its_last_holding() -> None:
    one, two = held("two_cards", "card"), held("two_cards", "card", holding_id="second")
    ending = {"closed_at": after(60), "close_reason": "customer", "known_at": after(60)}
    customers = ("two_cards", "both_cards", "bank_card", "renewed", "term_loan", "stays", "late_card")
    holdings = [
        *(held(c) for c in customers),
        *(one, one | ending, two),
        *closed("both_cards", after(60), product="card"),
        *closed("bank_card", after(60), "bank", "card"),
        *closed("renewed", after(60), product="card"),
        held("renewed", "card", holding_id="new", opened_at=after(61)),
        *closed("term_loan", after(60), "matured", "loan"),
        # A card that was opened after as_of is no line at risk.
        held("late_card", "card", opened_at=after(20)),
        held("late_card", "card", opened_at=after(20)) | ending,
        *closed("only_loan", after(60), "matured", "loan"),
        *closed("gap_card", after(3), product="card"),
        held("gap_card"),
    ]
    found = outcome({"holdings": holdings})
    expected = dict.fromkeys((*customers, "gap_card"), 0.0) | {"both_cards": 1.0}
    assert labels(found, "product_line") == expected
    assert reasons(found, "product_line") == {"only_loan": MATURED}
    lines = line_labels(found).set_index(["customer_id", "product"])["churn"]
    assert lines["both_cards", "card"] == 1.0
    assert (
        lines["both_cards", "current_account"]
        == lines["two_cards", "card"]
        == lines["renewed", "card"]
        == 0
    )
    excluded = {("bank_card", "card"), ("term_loan", "loan"), ("only_loan", "loan")}
    assert set(lines.index[lines.isna()]) == excluded
    assert ("late_card", "card") not in lines.index and ("gap_card", "card") not in lines.index


@pytest.mark.parametrize("definition", ["closure", "product_line"])
def test_a_closing_counts_once_it_is_known(definition: str) -> None:
    first = held("late")
    ended = first | {"closed_at": after(60), "close_reason": "customer", "known_at": after(200)}
    tables = {"holdings": [first, ended]}
    assert labels(outcome(tables, known=after(199)), definition) == {"late": 0.0}
    assert labels(outcome(tables, known=after(200)), definition) == {"late": 1.0}
    # A correction takes it back.
    undone = first | {"known_at": after(250)}
    assert labels(outcome({"holdings": [first, ended, undone]}, known=LATER), definition) == {"late": 0.0}


def test_windows_and_maturity_are_told() -> None:
    found = outcome({"holdings": [held("a")]}, horizon=100)
    assert (found.opens, found.closes) == (after(14), after(114))
    assert found.matures() == after(114) and found.matures(delay_days=7) == after(121)
    assert found.month_ends == (after(44), after(74), after(104), after(114))
    observed = {name: AS_OF - d.observed_from(found) for name, d in CHURN_DEFINITIONS.items()}
    assert observed["closure"] == timedelta(0) and observed["dormancy"] == timedelta(days=100)
