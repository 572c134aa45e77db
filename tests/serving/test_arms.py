"""Arms by salted hash: stable, of the stated shares, independent of order and of each other."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.deciding.arms import assign, drawn, list_arm
from serving.log.decisions import CONTROL, TARGET
from serving.policy import Arm

ARMS = (
    Arm("nobody", "universal_control", 0.05),
    Arm("any", "random_eligible", 0.10),
    Arm("best", "champion", 0.85),
)
IDS = [f"C{i:06d}" for i in range(20_000)]


@pytest.mark.parametrize(("salt", "period"), [("salt", "1"), ("salt", "2"), ("other", "1")])
def test_shares_are_within_binomial_bounds_and_draws_are_independent(salt, period):
    places = assign(salt, period, ARMS, IDS)
    for place, arm in enumerate(ARMS):
        share = (places == place).mean()
        assert abs(share - arm.share) < 4 * np.sqrt(arm.share * (1 - arm.share) / len(IDS))
    first = assign("salt", "0", ARMS, IDS)
    both = ((places == 1) & (first == 1)).mean()
    assert abs(both - 0.01) < 4 * np.sqrt(0.01 * 0.99 / len(IDS)), "a new label or salt draws anew"


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.text(max_size=8), min_size=1, max_size=20, unique=True), st.randoms(use_true_random=False)
)
def test_an_arm_depends_on_no_other_customer_and_on_no_order(ids, random):
    arms = dict(zip(ids, assign("s", "p", ARMS, ids).tolist(), strict=True))
    shuffled = random.sample(ids, len(ids))
    assert assign("s", "p", ARMS, shuffled).tolist() == [arms[i] for i in shuffled]
    assert [int(assign("s", "p", ARMS, [i])[0]) for i in ids] == [arms[i] for i in ids]


def test_a_change_of_later_shares_moves_nobody_out_of_an_earlier_arm():
    changed = (ARMS[0], replace(ARMS[1], share=0.30), replace(ARMS[2], share=0.65))
    before, after = assign("s", "p", ARMS, IDS), assign("s", "p", changed, IDS)
    assert ((before == 0) == (after == 0)).all()
    assert (after[before == 1] == 1).all()
    assert (before != after).any()


def test_shares_that_miss_one_by_rounding_leave_nobody_without_an_arm():
    tenths = tuple(Arm(str(n), "champion", 0.1) for n in range(10))
    assert set(assign("s", "p", tenths, IDS).tolist()) == set(range(10))
    assert assign("s", "p", ARMS[2:], IDS).max() == 0


def test_draws_are_uniform_and_below_one():
    draws = drawn("salt", "scope", IDS)
    assert draws.min() >= 0.0 and draws.max() < 1.0
    counts = np.histogram(draws, bins=20, range=(0, 1))[0]
    assert ((counts - 1_000) ** 2 / 1_000).sum() < 50, "chi-square, 19 degrees of freedom"


def test_the_groups_of_a_list_follow_the_share_and_change_with_salt_and_list():
    groups = [list_arm("salt", "list-1", i, 0.10) for i in IDS]
    assert set(groups) == {CONTROL, TARGET}
    assert abs(groups.count(CONTROL) / len(IDS) - 0.10) < 4 * np.sqrt(0.09 / len(IDS))
    for salt, name in (("other", "list-1"), ("salt", "list-2")):
        other = [list_arm(salt, name, i, 0.10) for i in IDS]
        both = sum(a == b == CONTROL for a, b in zip(groups, other, strict=True)) / len(IDS)
        assert abs(both - 0.01) < 0.004, "the draws are independent"
