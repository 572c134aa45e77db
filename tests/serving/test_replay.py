"""A month through the API spends what the plan spends and earns what it earns."""

import pytest

from benchmarks.replay import BUDGET, plan_month, replay
from features.home import Home


@pytest.fixture
def month(own_bank):
    """A bank with a plan for the month; money and phone hours are scarce."""
    home: Home = own_bank[0]
    return home, plan_month(home)


def test_a_month_through_the_api_spends_the_budget_and_earns_what_the_plan_earns(month):
    """The tolerances are those of some dozen dear contacts in random order, far wider than the benchmark's.

    No limit is passed, whoever asks in one question.
    """
    home, plan = month
    found = replay(home, plan, at_once=30)
    money, hours, value = found.shares()
    assert found.spent >= 0.85 * plan.spent[BUDGET]
    assert money <= 1.0 + 1e-9 and hours <= 1.0 + 1e-9
    assert 0.93 <= value <= 1.03


def test_no_less_of_the_money_is_spent_where_fewer_come_than_were_planned_for(month):
    home, plan = month
    paced = replay(home, plan, come=0.7, at_once=30).shares()[0]
    fixed = replay(home, plan, come=0.7, at_once=30, paced=False).shares()[0]
    assert fixed - 0.05 <= paced <= 1.0 + 1e-9
