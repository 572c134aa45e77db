"""What the optimiser refuses, and what it says."""

import re
from dataclasses import replace

import numpy as np
import pytest

from features.errors import InputError, RefusedError
from serving.allocation import (
    Block,
    Fairness,
    GroupLimit,
    Limit,
    Problem,
    allocate,
    at_once,
    without,
    words,
)

VALUES = np.array([[4.0, 1.0], [3.0, 2.0], [2.0, -np.inf], [5.0, 1.0]])
OFFERS = np.arange(2)
BUDGET = Limit("budget", "EUR", 20.0, np.array([10.0, 5.0]))
CARDS = Limit("cards", "offer", 2.0, np.array([0.0, 1.0]), at_least=True)


def problem(*limits: Limit, block: Block | None = None) -> Problem:
    return Problem(at_once(block or Block(VALUES)), OFFERS, limits)


def test_a_minimum_that_the_budget_cannot_pay_names_both_ways_out() -> None:
    poor = replace(BUDGET, limit=8.0)
    with pytest.raises(RefusedError, match="'cards'") as refused:
        allocate(problem(poor, CARDS))
    assert "lower 'cards' from 2 to 1" in str(refused.value)
    assert "raise 'budget' from 8 to 10 EUR" in str(refused.value)
    allocate(problem(poor, replace(CARDS, limit=1.0)))
    allocate(problem(replace(poor, limit=10.0), CARDS))


def test_a_minimum_beyond_those_who_may_take_it_names_how_many_may() -> None:
    with pytest.raises(RefusedError, match=r"lower 'cards' from 9 to 3$"):
        allocate(problem(BUDGET, replace(CARDS, limit=9.0)))
    nobody = np.where([True, False], VALUES, -np.inf)
    with pytest.raises(RefusedError, match=r"lower 'cards' from 2 to 0$"):
        allocate(problem(BUDGET, CARDS, block=Block(nobody)))


def test_the_relaxation_that_is_named_works_for_many_customers() -> None:
    rng = np.random.default_rng(5)
    values = rng.lognormal(1.0, 1.0, (30_000, 4))
    values[rng.random(values.shape) < 0.4] = -np.inf
    limits = (
        Limit("budget", "EUR", 9_000.0, np.array([1.0, 2.0, 3.0, 4.0])),
        Limit("loans", "offer", 4_000.0, np.array([0.0, 0.0, 1.0, 1.0]), at_least=True),
    )
    asked = Problem(at_once(Block(values)), np.arange(4), limits)
    with pytest.raises(RefusedError) as refused:
        allocate(asked)
    found = re.search(
        r"lower 'loans' from 4,000 to ([\d,.]+); or raise 'budget' from 9,000 to ([\d,.]+) EUR",
        str(refused.value),
    )
    assert found is not None
    lower, raised = (float(text.replace(",", "")) for text in found.groups())
    assert lower == pytest.approx(3_000.0, abs=2.0)
    assert raised == pytest.approx(12_000.0, abs=2.0)
    allocate(replace(asked, limits=(limits[0], replace(limits[1], limit=lower))))
    allocate(replace(asked, limits=(replace(limits[0], limit=raised), limits[1])))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (problem(replace(BUDGET, limit=-1.0)), "'budget': limit below 0"),
        (problem(replace(BUDGET, limit=np.nan)), "'budget': limit below 0 or not finite"),
        (problem(replace(BUDGET, usage=np.array([-1.0, 0.0]))), "'budget': usage below 0"),
        (problem(replace(BUDGET, usage=np.ones(3))), r"usage of shape \(3,\)"),
        (problem(replace(BUDGET, usage="money")), "unknown usage 'money'"),  # type: ignore[arg-type]
        (problem(replace(BUDGET, usage="costs")), "blocks lack costs"),
        (problem(replace(CARDS, usage="costs")), "'cards': a minimum of costs"),
        (problem(BUDGET, BUDGET), "share a name: budget"),
        (problem(block=Block(np.full((3, 2), -np.inf))), "no customer is allowed"),
        (problem(block=Block(np.zeros((0, 2)))), "no customers"),
        (problem(block=Block(np.array([[1.0, np.nan]]))), "row 0 holds NaN"),
        (problem(block=Block(np.ones((2, 3)))), "values of a block"),
        (replace(problem(), k=0), "k = 0"),
        (replace(problem(), offers=np.zeros(0)), "0 options"),
        (replace(problem(), group=GroupLimit("m", "h", np.ones(1), np.ones(2))), "blocks lack groups"),
        (replace(problem(), fairness=Fairness("f", "EUR", 1.0, "mood")), "measure 'mood'"),  # type: ignore[arg-type]
    ],
)
def test_a_broken_contract_is_an_input_error(wrong: Problem, says: str) -> None:
    with pytest.raises(InputError, match=says):
        allocate(wrong)


def test_an_unknown_group_or_negative_cost_names_the_row_and_no_value() -> None:
    grouped = replace(
        problem(block=Block(VALUES, groups=np.array([0, 0, 1, 0]))),
        group=GroupLimit("managers", "hour", np.ones(1), np.ones(2)),
    )
    with pytest.raises(InputError, match="row 2 holds"):
        allocate(grouped)
    costs = np.array([[1.0, 1.0], [1.0, -7.5], [1.0, 1.0], [1.0, 1.0]])
    costly = problem(replace(BUDGET, usage="costs"), block=Block(VALUES, costs=costs))
    with pytest.raises(InputError, match="row 1 holds") as refused:
        allocate(costly)
    assert "7.5" not in str(refused.value)


def test_prices_are_told_in_words() -> None:
    rng = np.random.default_rng(1)
    values = rng.lognormal(2.0, 1.0, (4_000, 3))
    block = Block(values, rng.integers(0, 4, 4_000), rng.integers(1, 3, 4_000))
    limits = (
        Limit("call centre", "hour", 50.0, np.array([0.5, 0.0, 0.0])),
        Limit("e-mail", "message", 9_000.0, np.array([0.0, 1.0, 0.0])),
        Limit("cards", "offer", 3_000.0, np.array([0.0, 0.0, 1.0]), at_least=True),
    )
    managers = GroupLimit("managers", "talk", np.full(4, 20.0), np.array([0.0, 1.0, 0.0]))
    fair = Fairness("equal benefit", "EUR", 0.5, "value")
    asked = Problem(at_once(block), np.arange(3), limits, managers, fair)
    plan = allocate(asked)
    freed = {name: allocate(without(asked, name)) for name in ("cards", "equal benefit")}
    told = words(asked, plan, "EUR", freed)
    assert told[0] == f"one more hour of 'call centre' is worth {plan.prices['call centre']:,.2f} EUR"
    assert told[1] == "'e-mail' is not used up: more of it is worth nothing"
    assert told[2] == "the minimum 'cards' costs nothing: the plan reaches it anyway"
    dearest = int(plan.group_prices.argmax())
    assert told[3].startswith("managers: 4 of 4 are used up; one more talk of number " + str(dearest))
    assert (
        told[4] == f"without 'cards' the plan would earn {freed['cards'].value - plan.value:,.0f} EUR more"
    )
    assert told[5].startswith("the fairness rule 'equal benefit' costs ")
    with pytest.raises(InputError, match="no row is called 'fax'"):
        without(asked, "fax")
