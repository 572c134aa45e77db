import math
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from serving.allocation import Limit, Problem
from serving.deciding.pacing import DAYS, elapsed, pace, paced, still_come
from serving.deciding.prices import FACTORS, PlanPrices
from serving.lists.steering import demand

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
EVEN = [1.0 / factor for factor in FACTORS]
"""Of a row of which half is used at twice the price."""
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
    customers=1_000,
    demand={"total budget": EVEN, "call hours": EVEN, "least card": EVEN},
    contacts=[500, 20],
    kept=[1.0, 1.0],
)
shares = st.floats(0.0, 1.0)
amounts = st.floats(0.0, 1e9)
limits = st.floats(0.01, 1e9)


@st.composite
def tables(draw):
    """What is used at each factor, falling, 1 at the plan's price; steps, as from single dear contacts."""
    falls = draw(st.lists(st.floats(0.0, 2.0), min_size=len(FACTORS), max_size=len(FACTORS)))
    used = np.cumsum(falls[::-1])[::-1] + 1e-3
    return (used / used[FACTORS.index(1.0)]).tolist()


@given(amounts, limits, tables())
def test_the_factor_is_bounded_and_one_where_the_rest_uses_what_is_left(due, left, used):
    assert 1 / 8 - 1e-9 <= pace(due, left, used) <= 8 + 1e-9
    assert pace(left, left, used) == 1.0


@given(amounts, amounts, limits, tables())
def test_the_factor_rises_with_what_is_due_and_falls_with_what_is_left(one, other, amount, used):
    less, more = sorted((one, other))
    assert pace(less, amount, used) <= pace(more, amount, used) + 1e-12
    assert pace(amount, less, used) >= pace(amount, more, used) - 1e-12


@given(limits, tables())
def test_nothing_due_lets_prices_fall_to_the_floor_and_nothing_left_lifts_them_to_the_top(limit, used):
    assert math.isclose(pace(0.0, limit, used), 1 / 8)
    assert math.isclose(pace(limit, 0.0, used), 8.0)


@given(st.floats(0.01, 100.0), tables())
def test_at_the_new_price_the_rest_uses_what_is_left(ratio, used):
    """As the plan found use to fall, straight between two prices it looked at, one step is all it takes."""
    factor = pace(100.0, ratio * 100.0, used)
    uses = float(np.interp(math.log(factor), np.log(FACTORS), used))
    assert math.isclose(uses, min(max(ratio, used[-1]), used[0]), rel_tol=1e-9)


@given(st.floats(0.5, 4.0))
def test_where_use_falls_evenly_the_plans_own_factors_are_found_again(steepness):
    for factor in FACTORS:
        found = pace(100.0, 100.0 * factor**-steepness, [each**-steepness for each in FACTORS])
        assert math.isclose(found, factor, rel_tol=1e-9)


def test_a_plan_tells_what_is_used_at_each_price():
    """A call uses 1 and is worth 6 and 3 more than an app message; experiments use 1.5."""
    values = np.array([[0.5, 6.5], [0.5, 3.5], [0.5, -np.inf]], dtype=np.float32)
    limits = (Limit("calls", "call", 2.0, np.array([0.0, 1.0])), Limit("all", "offer", 9.0, np.ones(2)))
    problem = Problem(blocks=lambda: [], offers=np.arange(2), limits=limits)
    priced, free = demand(values, problem, np.array([2.0, 0.0]), np.array([1.5, 0.0]))
    calls = [2 if factor < 1.5 else 1 if factor < 3.0 else 0 for factor in FACTORS]
    assert priced.tolist() == [(made + 1.5) / 3.5 for made in calls]
    assert free.tolist() == [1.0 / factor for factor in FACTORS], "what has no price says nothing"


@given(st.integers(1, 10_000), shares)
def test_all_are_expected_as_long_as_chance_explains_who_is_missing(planned, share):
    assert still_come(round(share * planned), planned, share) == 1.0
    assert still_come(planned, planned, share) == 1.0


def test_as_many_come_in_the_rest_of_the_month_as_came_until_now():
    """Six in ten came in the half of the month, or the whole one, that is over."""
    assert 300_000 <= 700_000 * still_come(300_000, 10**6, 0.5) <= 330_000
    assert still_come(600_000, 10**6, 1.0) == 0.0
    assert still_come(0, 10**6, 0.01) > 0.8, "the first hours say little"
    assert still_come(0, 10**6, 0.5) < 0.1


def rest_of(came):
    """The plan's contacts with those who have not come, a share of whom came."""
    return (1.0 - came) * np.asarray(PLAN.contacts)


@given(shares, shares)
@example(1.0, 0.9999999999999999)  # what is due and what is left are rounding, both
def test_who_came_first_does_not_matter_where_they_used_what_was_planned(cheap, dear):
    left = np.asarray(PLAN.contacts) * (1.0 - np.array([cheap, dear]))
    used = PLAN.limits["total budget"] - float(np.dot(PLAN.usage["total budget"], left))
    assert math.isclose(paced(PLAN, {"total budget": used}, left).prices["total budget"], 2.0)


@given(amounts, shares)
def test_minimum_volumes_keep_their_price_and_no_price_is_below_zero(spent, share):
    used = {"total budget": spent, "call hours": spent, "least card": spent}
    found = paced(PLAN, used, rest_of(share)).prices
    assert found["least card"] == PLAN.prices["least card"]
    assert found["total budget"] >= 2.0 / 8.001 and found["call hours"] >= 0.0


def test_what_the_plan_does_not_use_up_is_free_until_more_is_due_than_is_left():
    """The plan uses 2.5 of 5 hours; half way, 1.25 is due."""

    def price(spent):
        return paced(PLAN, {"call hours": spent}, rest_of(0.5)).prices["call hours"]

    assert price(1.0) == price(3.75) == 0.0
    assert 0.0 < price(3.8) < price(4.9)


def test_where_fewer_come_prices_fall_so_that_those_who_come_use_it():
    spent = {"total budget": 40.0}
    fewer = paced(PLAN, spent, 0.5 * rest_of(0.5)).prices["total budget"]
    assert fewer < paced(PLAN, spent, rest_of(0.5)).prices["total budget"] <= 2.0


def test_the_plans_days_pass_evenly_and_end():
    for days, share in ((-1, 0.0), (0, 0.0), (DAYS / 2, 0.5), (DAYS, 1.0), (2 * DAYS, 1.0)):
        assert elapsed(PLAN, AS_OF + timedelta(days=days)) == share
