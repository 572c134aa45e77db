"""The set-wise optimiser against brute force, an exact solver, and what must not change its answer."""

from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RefusedError
from serving.allocation import (
    Block,
    Fairness,
    GroupLimit,
    Limit,
    Plan,
    Problem,
    allocate,
    at_once,
    best_choices,
    evaluate,
)
from serving.allocation.exact import solve_exactly
from serving.allocation.stream import survey
from serving.allocation.tables import tables_of

Array = np.ndarray[Any, Any]


def plans(problem: Problem, n: int) -> list[Array]:
    """Every plan that k and the offers allow."""
    m = len(problem.offers)
    sets = [
        chosen
        for chosen in product(range(-1, m), repeat=problem.k)
        if len({problem.offers[j] for j in chosen if j >= 0}) == sum(j >= 0 for j in chosen)
        and list(chosen) == sorted(chosen)
    ]
    return [np.array(rows, np.int16).reshape(n, problem.k) for rows in product(sets, repeat=n)]


def best(problem: Problem, block: Block) -> float | None:
    """The value of the best plan that keeps every row, by trying all."""
    found = []
    for chosen in plans(problem, len(block.values)):
        rows, slots = np.nonzero(chosen >= 0)
        if (block.values[rows, chosen[rows, slots]] > -np.inf).all():
            evaluation = evaluate(problem, chosen)
            if not evaluation.broken:
                found.append(evaluation.value)
    return max(found, default=None)


@st.composite
def tiny(draw: st.DrawFn) -> tuple[Problem, Block]:
    """Few customers and options, with every kind of row."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    k = draw(st.integers(1, 2))
    n, m = (draw(st.integers(1, 5)), 3) if k == 1 else (draw(st.integers(1, 3)), 4)
    values = rng.normal(2.0, 5.0, (n, m)).round(draw(st.integers(0, 2)))
    values[rng.random((n, m)) < 0.3] = -np.inf
    values[0, 0] = 1.0
    block = Block(values, rng.integers(-1, 2, n), rng.integers(0, 3, n), rng.random((n, m)).round(1))
    limits = [Limit("budget", "EUR", rng.integers(0, 6), rng.integers(0, 4, m))]
    if draw(st.booleans()):
        limits.append(Limit("incentive", "EUR", round(rng.random() * n, 1), "costs"))
    if draw(st.booleans()):
        limits.append(Limit("volume", "offers", rng.integers(0, 3), np.arange(m) < 2, at_least=True))
    group = GroupLimit("manager", "hour", rng.integers(0, 3, 2), np.arange(m) % 2)
    fairness = Fairness("fair", "EUR", rng.integers(0, 4), draw(st.sampled_from(["value", "contacts"])))
    problem = Problem(
        at_once(block),
        np.arange(m) // 2,
        tuple(limits),
        group if draw(st.booleans()) else None,
        fairness if draw(st.booleans()) else None,
        k,
    )
    return problem, block


def test_a_slope_that_is_the_same_at_both_ends_of_a_step_ends_no_search() -> None:
    """Found by chance: prices moved, and not one choice with them."""
    no = -np.inf
    values = np.array([[1.0, no, 5.0, 16.0], [0.0, 5.0, 2.0, 0.0], [no, no, -8.0, no]])
    block = Block(values, np.array([1, 0, 0]), np.array([2, 1, 1]))
    limits = (
        Limit("budget", "EUR", 2, np.array([0, 1, 3, 0])),
        Limit("volume", "offers", 0, np.array([True, True, False, False]), at_least=True),
    )
    group = GroupLimit("manager", "hour", np.array([0, 1]), np.array([0, 1, 0, 1]))
    fairness = Fairness("fair", "EUR", 1, "contacts")
    problem = Problem(at_once(block), np.array([0, 0, 1, 1]), limits, group, fairness, 2)
    plan, optimum = allocate(problem), best(problem, block)
    assert optimum is not None and plan.value <= optimum + 1e-9 <= plan.bound + 2e-9
    assert evaluate(problem, plan.chosen).broken == {}


@settings(max_examples=60, deadline=None)
@given(tiny())
def test_the_bound_lies_above_the_best_plan_and_the_plan_below_it(drawn: tuple[Problem, Block]) -> None:
    problem, block = drawn
    optimum = best(problem, block)
    if optimum is None:
        with pytest.raises(RefusedError):
            allocate(problem)
        return
    plan = allocate(problem)
    evaluation = evaluate(problem, plan.chosen)
    assert evaluation.broken == {}
    assert plan.value == evaluation.value <= optimum + 1e-9
    assert optimum <= plan.bound + 1e-9
    assert plan.gap == pytest.approx((plan.bound - plan.value) / (abs(plan.bound) or 1.0), abs=1e-12)


def test_what_a_plan_is_worth_is_what_its_choices_add_up_to_in_their_order() -> None:
    """Found by chance: three tenths in another order are another sum."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        block = Block(rng.normal(2.0, 5.0, (9, 4)).round(1))
        budget = Limit("budget", "EUR", 7, np.array([1, 2, 1, 3]))
        problem = Problem(at_once(block), np.array([0, 0, 1, 1]), (budget,), k=2)
        plan = allocate(problem)
        assert plan.value == evaluate(problem, plan.chosen).value
        assert (np.diff(np.where(plan.chosen < 0, 9, plan.chosen), axis=1) >= 0).all()


def bank(n: int, *, seed: int = 3, minimum: bool = True, k: int = 1) -> tuple[Problem, Block]:
    """A small bank: three offers on three channels, a budget, calls, managers, a volume to reach."""
    rng = np.random.default_rng(seed)
    offers, channels = np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3)
    wealth = np.exp(rng.normal(0.0, 1.0, (n, 1)))
    values = 10.0 * wealth * np.exp(rng.normal(0.0, 0.6, (n, 9))) - np.array([0.1, 6.0, 20.0])[channels]
    values[rng.random((n, 9)) < 0.4] = -np.inf
    cost = np.array([0.1, 6.0, 20.0])[channels] + 5.0 * offers
    limits = (
        Limit("budget", "EUR", 1.2 * n, cost),
        Limit("calls", "minute", 0.8 * n, np.where(channels == 1, 8.0, 0.0)),
        Limit("cards", "offers", 0.05 * n, (offers == 2).astype(float), at_least=True),
    )
    managers = GroupLimit("managers", "talk", np.full(5, n // 100), (channels == 2).astype(float))
    block = Block(values, rng.integers(0, 5, n), rng.integers(1, 3, n))
    kept = limits if minimum else limits[:2]
    return Problem(at_once(block), offers, kept, managers, k=k), block


@pytest.mark.parametrize("k", [1, 2])
def test_a_few_hundred_customers_come_close_to_the_exact_solver(k: int) -> None:
    problem, block = bank(300, k=k)
    chosen = solve_exactly(block, tables_of(problem, survey(problem)))
    assert chosen is not None
    optimum = evaluate(problem, chosen)
    plan = allocate(problem)
    assert optimum.broken == evaluate(problem, plan.chosen).broken == {}
    assert 0.985 * optimum.value <= plan.value <= optimum.value + 1e-6 <= plan.bound + 2e-6


def test_thousands_of_customers_are_certified_within_a_tenth_of_a_percent() -> None:
    for k in (1, 2):
        plan = allocate(bank(10_000, k=k)[0])
        assert 0.0 <= plan.gap < 1e-3


def blocks_of(block: Block, size: int) -> Any:
    parts = [slice(at, at + size) for at in range(0, len(block.values), size)]
    return lambda: (Block(block.values[p], block.groups[p], block.sides[p]) for p in parts)  # type: ignore[index]


def same(one: Plan, other: Plan) -> bool:
    return (
        np.array_equal(one.chosen, other.chosen)
        and one.prices == other.prices
        and np.array_equal(one.group_prices, other.group_prices)
        and one.bound == other.bound
    )


def test_sizes_of_blocks_and_threads_change_nothing() -> None:
    problem, block = bank(12_000)
    problem = replace(problem, fairness=Fairness("fair", "EUR", 0.1, "value"))
    plan = allocate(problem)
    for size in (1_000, 2_048, 5_003):
        assert same(plan, allocate(replace(problem, blocks=blocks_of(block, size))))
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert same(plan, allocate(problem))
    finally:
        numba.set_num_threads(threads)


def test_a_sample_starts_the_prices_of_many_customers_whatever_their_blocks() -> None:
    problem, block = bank(110_000)
    plan = allocate(problem, seed=1)
    assert plan.gap < 1e-4
    assert same(plan, allocate(replace(problem, blocks=blocks_of(block, 30_011)), seed=1))


def test_values_in_another_currency_scale_the_prices() -> None:
    problem, block = bank(5_000)
    plan = allocate(problem)
    scaled = allocate(replace(problem, blocks=at_once(replace(block, values=block.values * 8.0))))
    assert np.array_equal(plan.chosen, scaled.chosen)
    assert scaled.bound == pytest.approx(8.0 * plan.bound, rel=1e-12)
    assert list(scaled.prices.values()) == pytest.approx([8.0 * p for p in plan.prices.values()], rel=1e-9)


def test_more_budget_never_lowers_the_bound() -> None:
    problem, _ = bank(5_000)
    bounds = []
    for share in (0.9, 1.0, 1.2, 1.5, 3.0):
        budget = replace(problem.limits[0], limit=problem.limits[0].limit * share)
        bounds.append(allocate(replace(problem, limits=(budget, *problem.limits[1:]))).bound)
    assert all(low <= high * (1.0 + 1e-5) for low, high in pairwise(bounds))


def test_customers_in_another_order_choose_nearly_all_the_same() -> None:
    problem, block = bank(5_000)
    order = np.random.default_rng(0).permutation(5_000)
    moved = Block(block.values[order], block.groups[order], block.sides[order])  # type: ignore[index]
    plan, other = allocate(problem), allocate(replace(problem, blocks=at_once(moved)))
    assert np.mean(plan.chosen[order] == other.chosen) > 0.995
    assert other.value == pytest.approx(plan.value, rel=1e-3)


def test_choices_at_the_prices_are_the_plan_but_for_customers_between_two() -> None:
    problem, block = bank(5_000)
    plan = allocate(problem)
    live = best_choices(block, plan.pricing)
    assert np.mean(live == plan.chosen) > 0.99
    one = Block(block.values[7:8], block.groups[7:8])  # type: ignore[index]
    assert np.array_equal(best_choices(one, plan.pricing), live[7:8])


def test_float32_values_give_nearly_the_same_plan() -> None:
    problem, block = bank(5_000)
    narrow = replace(problem, blocks=at_once(replace(block, values=block.values.astype(np.float32))))
    assert allocate(narrow).value == pytest.approx(allocate(problem).value, rel=1e-3)


def test_a_fairness_row_holds_and_costs_something() -> None:
    problem, block = bank(5_000)
    richer = replace(block, values=np.where(block.sides[:, None] == 1, 3.0, 1.0) * block.values)  # type: ignore[index]
    free = replace(problem, blocks=at_once(richer))
    fair = replace(free, fairness=Fairness("fair", "EUR", 1.0, "value"))
    plan, unfair = allocate(fair), allocate(replace(fair, fairness=replace(fair.fairness, delta=1e6)))
    assert abs(unfair.usage["fair"]) > 2.0
    assert abs(plan.usage["fair"]) <= 1.0 + 1e-6
    assert plan.value < unfair.value
    assert plan.gap < 1e-2
