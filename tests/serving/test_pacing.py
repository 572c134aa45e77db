import math
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from serving.deciding.pacing import DAYS, elapsed, pace, paced
from serving.deciding.prices import PlanPrices

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = PlanPrices(
    plan_id="plan-20260101-00000000",
    as_of="2026-01-01T00:00:00Z",
    feature_generation="2026-01-01.1",
    catalogue="c",
    policy="p",
    models={},
    options=("card.app", "card.call"),
    prices={"total budget": 2.0, "call hours": 0.0, "least card": -3.0},
    usage={"total budget": [0.02, 4.5], "call hours": [0.0, 0.125], "least card": [1.0, 1.0]},
    group_prices={},
    group_usage=[],
    spent={"total budget": 100.0, "call hours": 2.0, "least card": 50.0},
    limits={"total budget": 100.0, "call hours": 5.0, "least card": 50.0},
    value=400.0,
    bound=400.0,
    gap=0.0,
)
shares = st.floats(0.0, 1.0)
amounts = st.floats(0.0, 1e9)
limits = st.floats(0.01, 1e9)


@given(amounts, amounts, limits)
def test_the_factor_is_bounded_and_one_on_the_path(spent, path, limit):
    assert 1 / 8 - 1e-9 <= pace(spent, path, limit) <= 8 + 1e-9
    assert pace(path, path, limit) == 1.0


@given(amounts, amounts, amounts, limits)
def test_the_factor_rises_with_spending_and_falls_with_the_path(one, other, path, limit):
    less, more = sorted((one, other))
    assert pace(less, path, limit) <= pace(more, path, limit)
    assert pace(path, less, limit) >= pace(path, more, limit)


@given(limits)
def test_nothing_spent_lets_prices_fall_to_the_floor_and_all_spent_early_raises_them_to_the_top(limit):
    assert math.isclose(pace(0.0, limit, limit), 1 / 8)
    assert math.isclose(pace(limit, 0.0, limit), 8.0)


@given(st.floats(0.0, 100.0), st.floats(0.0, 100.0), shares)
def test_steps_after_each_customer_add_up_to_the_same_price(first, second, share):
    """The closed form is the product of its multiplicative steps, as long as no bound is met."""
    path = share * 100.0
    together = pace(first + second, path, 1e4)
    assert math.isclose(pace(first, path, 1e4) * pace(second, 0.0, 1e4), together, rel_tol=1e-9)


@given(shares)
def test_on_the_path_the_plans_prices_stand_to_the_bit(share):
    spent = {row: share * limit for row, limit in PLAN.limits.items()}
    assert paced(PLAN, spent, share).prices == PLAN.prices


@given(amounts, shares)
def test_minimum_volumes_keep_their_price_and_no_price_is_below_zero(spent, share):
    found = paced(PLAN, {"total budget": spent, "call hours": spent, "least card": spent}, share).prices
    assert found["least card"] == PLAN.prices["least card"]
    assert found["total budget"] >= 2.0 / 8.001 and found["call hours"] >= 0.0


def test_what_the_plan_does_not_use_up_is_free_until_spending_runs_ahead():
    assert paced(PLAN, {"call hours": 1.0}, 0.5).prices["call hours"] == 0.0
    assert paced(PLAN, {"call hours": 3.5}, 0.5).prices["call hours"] == 0.0, "as far off by chance"
    ahead = paced(PLAN, {"call hours": 3.7}, 0.5).prices["call hours"]
    further = paced(PLAN, {"call hours": 4.5}, 0.5).prices["call hours"]
    assert 0.0 < ahead < further


def test_the_plans_days_pass_evenly_and_end():
    for days, share in ((-1, 0.0), (0, 0.0), (DAYS / 2, 0.5), (DAYS, 1.0), (2 * DAYS, 1.0)):
        assert elapsed(PLAN, AS_OF + timedelta(days=days)) == share
