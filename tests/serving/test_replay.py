"""A month through the API spends the budget and earns what the plan earns, whoever comes first."""

import pytest

from benchmarks.replay import Month, best_month, replay
from benchmarks.replay_bank import BUDGET, plan_month
from features.home import Home


@pytest.fixture
def month(own_bank):
    """A bank with a plan for the month, for which money is scarce."""
    home: Home = own_bank[0]
    return home, plan_month(home, money=0.4)


def test_a_month_in_the_worst_order_spends_the_budget_and_earns_what_the_plan_earns(month):
    """But for one contact of the dearest kind, by which a small bank's money cannot be divided."""
    home, plan = month
    ids = Month(order="worst first").questions(home, plan)
    found, best = replay(home, plan, ids), best_month(home, ids)
    dearest = max(plan.usage[BUDGET])
    assert best.used[BUDGET] - dearest <= found.used[BUDGET] <= plan.limits[BUDGET] * (1.0 + 1e-9)
    assert 0.95 <= found.value / best.value <= 1.05


def test_what_is_left_is_spent_where_fewer_come_than_were_planned_for(month):
    home, plan = month
    ids = Month(come=0.7).questions(home, plan)
    paced, best = replay(home, plan, ids), best_month(home, ids)
    dearest = max(plan.usage[BUDGET])
    assert best.used[BUDGET] - 2.0 * dearest <= paced.used[BUDGET] <= plan.limits[BUDGET] * (1.0 + 1e-9)
    assert paced.value / best.value >= 0.95
