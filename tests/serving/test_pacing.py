import math
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from serving.deciding.pacing import DAYS, demand, elapsed, pace, paced
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


steeps = st.floats(0.1, 10.0)


@given(amounts, limits, steeps)
def test_the_factor_is_bounded_and_one_where_the_rest_uses_what_is_left(due, left, steepness):
    assert 1 / 8 - 1e-9 <= pace(due, left, steepness) <= 8 + 1e-9
    assert pace(left, left, steepness) == 1.0


@given(amounts, amounts, limits, steeps)
def test_the_factor_rises_with_what_is_due_and_falls_with_what_is_left(one, other, amount, steepness):
    less, more = sorted((one, other))
    assert pace(less, amount, steepness) <= pace(more, amount, steepness) + 1e-12
    assert pace(amount, less, steepness) >= pace(amount, more, steepness) - 1e-12


@given(limits, steeps)
def test_nothing_due_lets_prices_fall_to_the_floor_and_nothing_left_lifts_them_to_the_top(limit, steepness):
    assert math.isclose(pace(0.0, limit, steepness), 1 / 8)
    assert math.isclose(pace(limit, 0.0, steepness), 8.0)


@given(st.floats(0.7, 1.4), st.floats(0.5, 4.0))
def test_at_the_new_price_the_rest_uses_what_is_left(ratio, steepness):
    """Where use falls with the price as steeply as was measured, one step is all that it takes."""
    factor = pace(ratio * 100.0, 100.0, steepness)
    assert math.isclose(ratio * 100.0 * factor**-steepness, 100.0, rel_tol=1e-9)


@given(st.integers(0, 10_000), shares)
def test_as_many_as_were_planned_for_are_no_news_and_half_of_many_is_half(planned, share):
    assert demand(round(share * planned), planned, share) == 1.0
    assert demand(5_000, 0, share) == 1.0
    assert demand(5_000, 20_000, 0.5) == 0.5


@given(shares)
def test_on_the_path_the_plans_prices_stand_to_the_bit(share):
    spent = {row: share * limit for row, limit in PLAN.limits.items()}
    assert paced(PLAN, spent, share).prices == PLAN.prices


@given(amounts, shares)
def test_minimum_volumes_keep_their_price_and_no_price_is_below_zero(spent, share):
    found = paced(PLAN, {"total budget": spent, "call hours": spent, "least card": spent}, share).prices
    assert found["least card"] == PLAN.prices["least card"]
    assert found["total budget"] >= 2.0 / 8.001 and found["call hours"] >= 0.0


def test_what_the_plan_does_not_use_up_is_free_until_more_is_due_than_is_left():
    """The plan uses 2 of 5 hours; half way, 1 is due."""

    def price(spent):
        return paced(PLAN, {"call hours": spent}, 0.5).prices["call hours"]

    assert price(1.0) == price(4.0) == 0.0
    assert price(4.4) == 0.0, "chance explains as much"
    assert 0.0 < price(4.6) < price(4.9)


def test_where_fewer_come_prices_fall_so_that_those_who_come_use_it():
    spent = {"total budget": 40.0}
    fewer = paced(PLAN, spent, 0.5, coming=0.5).prices["total budget"]
    assert fewer < paced(PLAN, spent, 0.5).prices["total budget"] <= 2.0


def test_the_plans_days_pass_evenly_and_end():
    for days, share in ((-1, 0.0), (0, 0.0), (DAYS / 2, 0.5), (DAYS, 1.0), (2 * DAYS, 1.0)):
        assert elapsed(PLAN, AS_OF + timedelta(days=days)) == share
