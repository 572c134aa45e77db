"""A month through the API spends what the plan spends and earns what it earns."""

import pytest

from benchmarks.replay import HOURS, plan_month, replay
from features.home import Home


@pytest.fixture
def month(own_bank):
    """A bank with a plan for the month; money and phone hours are scarce."""
    home: Home = own_bank[0]
    return home, plan_month(home)


def test_a_month_through_the_api_spends_the_budget_and_earns_what_the_plan_earns(month):
    """Half of the customers' order decides how well few contacts fill a budget.

    At 3,000 customers one contact by phone is about a hundredth of the budget, so the tolerance is wider
    than that of the benchmark's table.
    """
    home, plan = month
    money, hours, value = replay(home, plan, at_once=30).shares()
    assert 0.95 <= money <= 1.0 + 1e-9
    assert hours <= 1.0 + 1e-9 and plan.spent[HOURS] > 0.0
    assert 0.95 <= value <= 1.0 + plan.gap + 0.02


def test_the_money_is_spent_also_where_fewer_come_than_were_planned_for(month):
    home, plan = month
    paced = replay(home, plan, come=0.7, at_once=30).shares()[0]
    fixed = replay(home, plan, come=0.7, at_once=30, paced=False).shares()[0]
    assert fixed < paced
    assert 0.9 <= paced <= 1.0 + 1e-9
