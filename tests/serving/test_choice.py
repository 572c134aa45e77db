import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serving.deciding.choice import NOTHING, at_prices, best, choose
from serving.policy.nouns import Arm

ARMS = (
    Arm("control", "universal_control", 0.1),
    Arm("random", "random_eligible", 0.1),
    Arm("propensity", "propensity_only", 0.2),
    Arm("free", "no_constraints", 0.1),
    Arm("champion", "champion", 0.5),
)
EXPLORATION = 0.2
masks = arrays(bool, st.tuples(st.integers(1, 6), st.just(3)))


def _actions(seed, allowed):
    """Any actions that the rules allow, one set for each deciding arm."""
    rng = np.random.default_rng(seed)
    found = {}
    for what in ("propensity_only", "no_constraints", "champion"):
        wanted = rng.integers(NOTHING, allowed.shape[1], len(allowed))
        may = np.where(wanted == NOTHING, True, allowed[np.arange(len(allowed)), wanted])
        found[what] = np.where(may, wanted, NOTHING)
    return found


@given(masks, st.integers(0, 99))
def test_the_logged_chance_is_the_share_of_draws_that_end_in_the_action(allowed, seed):
    by, n = _actions(seed, allowed), len(allowed)
    expected = np.zeros((n, allowed.shape[1] + 1))
    candidates = allowed.sum(axis=1) + 1
    logged = {}
    for place, arm in enumerate(ARMS):
        for explores in (0.0, 0.99):
            weight = {0.0: EXPLORATION, 0.99: 1 - EXPLORATION}[explores] * arm.share
            for pick in range(1, allowed.shape[1] + 2):
                # A draw in the middle of each candidate's share of [0, 1).
                draws = np.stack(
                    [np.full(n, explores), (np.minimum(pick, candidates) - 0.5) / candidates], 1
                )
                made = choose(ARMS, np.full(n, place), by, allowed, EXPLORATION, draws)
                counts = pick <= candidates
                expected[np.flatnonzero(counts), made.action[counts]] += (weight / candidates)[counts]
                for row in np.flatnonzero(counts):
                    logged.setdefault((row, made.action[row]), made.probability[row])
                assert allowed[np.flatnonzero(made.action >= 0), made.action[made.action >= 0]].all()
    np.testing.assert_allclose(expected.sum(axis=1), 1.0)
    for (row, action), chance in logged.items():
        np.testing.assert_allclose(chance, expected[row, action])


@given(masks, st.integers(0, 99))
def test_whoever_is_in_the_control_is_left_alone(allowed, seed):
    draws = np.random.default_rng(seed).random((len(allowed), 2))
    made = choose(
        ARMS, np.zeros(len(allowed), dtype=int), _actions(seed, allowed), allowed, EXPLORATION, draws
    )
    assert (made.action == NOTHING).all()
    assert (made.probability >= ARMS[0].share).all()


def test_the_best_option_is_allowed_and_gains_and_prices_change_it():
    values = np.array([[3.0, 2.0, -1.0], [np.nan, -1.0, 0.0], [5.0, 4.0, 1.0]])
    allowed = np.array([[True, True, True], [True, True, True], [False, True, True]])
    assert best(values, allowed).tolist() == [0, NOTHING, 1]
    assert at_prices(values, allowed, np.array([2.0, 0.0, 0.0])).tolist() == [1, NOTHING, 1]
    own = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    assert at_prices(values, allowed, own).tolist() == [0, NOTHING, 2]
