"""What a month used, and who of its plan that was: in a file as on a server."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.home import Home
from serving.deciding.spending import Spending
from serving.log.decisions import record_decisions
from serving.log.outcomes import Outcome, record_outcomes
from tests.serving.test_decisions import ONE

AT = "2026-01-01T00:00:00Z"
LATER = datetime(2026, 1, 3, tzinfo=UTC)
PLAN = "plan-20260101-0123abcd"


def planned(customer, action, slot=""):
    name = f"{PLAN}:{customer}{slot}"
    return replace(ONE, decision_id=name, campaign=PLAN, kind="plan", customer_id=customer, action=action)


def live(customer, action, number):
    name = f"q{number}:{customer}"
    return replace(ONE, decision_id=name, campaign="live", kind="live", customer_id=customer, action=action)


@pytest.fixture
def home(where, tmp_path):
    return Home(where.parent) if isinstance(where, Path) else Home(tmp_path, decisions=where)


def test_who_came_of_the_plan_is_counted_once_with_all_that_it_has_for_them(home):
    log = home.decisions_db
    spending = Spending(home, ["card.app", "card.call"], offers=2)
    assert not spending.since(AT, LATER, PLAN).known
    of_plan = [
        *(planned("C1", "card.app"), planned("C1", "card.call", ":2")),
        *(planned("C2", ""), planned("C3", "card.call"), planned("C4", "card.app")),
    ]
    record_decisions(log, of_plan)
    assert spending.since(AT, LATER, PLAN).planned.tolist() == [0, 0]
    record_decisions(
        log, [live("C1", "card.app", 1), live("C2", "card.call", 2), live("new", "card.app", 3)]
    )
    record_decisions(log, [live("C1", "card.app", 4), live("C1", "card.call", 5)])
    found = spending.since(AT, LATER, PLAN)
    assert found.known and found.came == 2
    assert found.contacts.tolist() == [2, 2] and found.planned.tolist() == [1, 1]
    shown = Outcome(
        outcome_id="o1",
        decision_id=f"{PLAN}:C3",
        customer_id="C3",
        at=LATER,
        kind="shown",
        known_at=LATER,
    )
    record_outcomes(log, [shown])
    anew = Spending(home, ["card.app", "card.call"], offers=2).since(AT, LATER, PLAN)
    assert (anew.came, anew.contacts.tolist(), anew.planned.tolist()) == (3, [2, 3], [1, 2])
    other = spending.since(AT, LATER, "another")
    assert not other.known and other.came == 0 and other.planned.tolist() == [0, 0]
