"""Experiments keep to their share of every limit, and what is logged of them is the chance of it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.allocation import Limit
from serving.deciding.choice import NOTHING, best, choose
from serving.deciding.decide import Decided, Weighed, decide
from serving.deciding.room import experimental, kept_of, live_within, room_draws, within
from serving.policy import Removed, shipped_policy
from serving.policy.nouns import Arm

OPTIONS, EXPLORATION, CELLS = 3, 0.3, 40_000
ARMS = (
    Arm("control", "universal_control", 0.1),
    Arm("random", "random_eligible", 0.15),
    Arm("propensity", "propensity_only", 0.2),
    Arm("free", "no_constraints", 0.05),
    Arm("champion", "champion", 0.5),
)
places = st.integers(NOTHING, OPTIONS - 1)
masks = st.lists(st.booleans(), min_size=OPTIONS, max_size=OPTIONS)


@pytest.fixture(scope="module")
def policy(catalogue):
    return replace(shipped_policy(catalogue), arms=ARMS, exploration=EXPLORATION)


def _weighed(allowed, values, propensity, rows):
    """The same customer `rows` times."""
    codes = np.where(allowed, 0, 1).astype(np.uint8)
    removed = Removed(np.tile(codes, (rows, 1)), ("", "rule"))
    return Weighed(
        removed,
        np.tile(np.asarray(values, dtype=np.float32), (rows, 1)),
        np.full(rows, propensity if propensity >= 0 and allowed[propensity] else NOTHING),
    )


def _all_draws(allowed):
    """Every way that the draws of one customer can end: arm, draws, and the chance of that."""
    candidates = sum(allowed) + 1
    cells = [
        (place, (explores, (pick + 0.5) / candidates), arm.share * chance / candidates)
        for place, arm in enumerate(ARMS)
        for explores, chance in ((0.0, EXPLORATION), (0.99, 1.0 - EXPLORATION))
        for pick in range(candidates)
    ]
    arm, draws, weight = (np.array(column) for column in zip(*cells, strict=True))
    return arm, draws, weight


def _decided(weighed, champion, arm, draws):
    may, n = weighed.removed.allowed, len(arm)
    by = {
        "propensity_only": weighed.by_propensity,
        "no_constraints": best(weighed.values.astype(float), may),
        "champion": np.full(n, champion),
    }
    made = choose(ARMS, arm, by, may, EXPLORATION, draws)
    planned = np.array([a.what == "champion" for a in ARMS])[arm] & (draws[:, 0] >= EXPLORATION)
    return Decided(
        weighed, arm.astype(np.uint8), planned, made.action, made.action, made.probability, weighed.values
    )


@given(
    masks,
    st.lists(st.floats(-5, 5, width=32), min_size=OPTIONS, max_size=OPTIONS),
    places,
    places,
    masks,
)
def test_the_logged_chance_is_the_share_of_draws_that_end_in_the_action(
    policy, allowed, values, propensity, wanted, room
):
    champion = wanted if wanted == NOTHING or allowed[wanted] else NOTHING
    arm, draws, weight = _all_draws(allowed)
    weighed = _weighed(allowed, values, propensity, len(arm))
    made = _decided(weighed, champion, arm, draws)
    found = within(made, np.full(len(arm), champion), np.tile(room, (len(arm), 1)), policy)
    shares = np.bincount(found.action + 1, weight, minlength=OPTIONS + 1)
    np.testing.assert_allclose(found.probability, shares[found.action + 1], atol=1e-12)
    np.testing.assert_allclose(shares.sum(), 1.0)
    # What experiments have no room for is done where the champion planned it, and nowhere else.
    acts = found.action != NOTHING
    assert (np.array(room)[found.action[acts]] | found.planned[acts]).all()
    assert (found.action[found.planned] == champion).all()
    assert (found.option[~found.planned] == found.action[~found.planned]).all()


def test_with_the_real_draws_live_decisions_are_as_frequent_as_logged(policy):
    """One customer under many names: in each band of numbers for the room, frequencies meet the chances."""
    closed, kept = np.array([False, True, False]), np.array([0.4, 1.0, 1.0])
    weighed = _weighed([True, True, True], [3.0, 2.0, 1.0], 1, CELLS)
    ids = [f"C{n:05d}" for n in range(CELLS)]
    said = {"salt": "pepper", "occasion": "2026-01-01T00:00:00Z"}
    prices = np.where(closed, np.inf, np.array([2.5, 0.0, 0.2]))
    made = decide(ids, weighed, prices, policy, **said)
    found = live_within(made, ids, closed, kept, policy, **said)
    assert 1 not in set(found.action.tolist())
    within_room = room_draws(ids, **said) < kept[0]
    for band in (within_room, ~within_room):
        total = 0.0
        for action in set(found.action[band].tolist()):
            here = found.action[band] == action
            (chance,) = set(found.probability[band][here].round(12).tolist())
            error = np.sqrt(chance * (1.0 - chance) / band.sum())
            assert abs(here.mean() - chance) < 4.0 * error
            total += chance
        assert total == pytest.approx(1.0)


def test_with_room_for_all_nothing_changes(policy):
    arm, draws, _ = _all_draws([True, True, False])
    made = _decided(_weighed([True, True, False], [1.0, 2.0, 3.0], 0, len(arm)), 1, arm, draws)
    assert within(made, np.full(len(arm), 1), np.ones((len(arm), OPTIONS), dtype=bool), policy) is made


def test_experiments_are_all_arms_that_decide_beside_the_champion_and_what_it_explores(policy):
    assert experimental(policy) == pytest.approx(0.15 + 0.2 + 0.05 + 0.5 * EXPLORATION)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 60), st.floats(0.05, 1.0), st.floats(0.0, 40.0))
def test_experiments_use_no_more_than_their_share_and_only_what_uses_a_scarce_thing_is_cut(
    seed, contacts, share, most
):
    rng = np.random.default_rng(seed)
    usage = (rng.integers(0, 4, OPTIONS).astype(float), np.ones(OPTIONS))
    limits = (
        Limit("money", "EUR", most, usage[0]),
        Limit("contacts", "contacts", 2.0 * most, usage[1]),
        Limit("least", "contacts", 5.0, usage[1], at_least=True),
    )
    actions, draws = rng.integers(0, OPTIONS, contacts), rng.random(contacts)
    kept = kept_of(limits, share, actions, draws, OPTIONS)
    assert ((kept >= 0.0) & (kept <= 1.0)).all()
    made = draws < kept[actions]
    for limit in limits[:2]:
        assert np.asarray(limit.usage)[actions[made]].sum() <= share * limit.limit * (1.0 + 1e-9) + 1e-9
    total = [np.asarray(limit.usage)[actions].sum() for limit in limits[:2]]
    if all(used <= share * limit.limit for used, limit in zip(total, limits[:2], strict=True)):
        assert (kept == 1.0).all()
    if total[1] <= share * limits[1].limit:  # then only money may cut, and what is free stays
        assert (kept[usage[0] == 0.0] == 1.0).all()
