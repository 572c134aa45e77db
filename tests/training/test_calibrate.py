import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from training.calibrate import conformal_shift, mean_shift, platt


def test_platt_finds_the_line_that_made_the_outcomes() -> None:
    rng = np.random.default_rng(1)
    raw = rng.normal(-2, 2, 200_000)
    outcome = (rng.random(len(raw)) < expit(0.6 * raw - 0.4)).astype(float)
    slope, intercept = platt(raw, outcome)
    assert slope == pytest.approx(0.6, abs=0.01)
    assert intercept == pytest.approx(-0.4, abs=0.02)
    peer = LogisticRegression(C=np.inf).fit(raw[:, None], outcome)
    assert slope == pytest.approx(peer.coef_[0, 0], abs=1e-3)
    assert expit(slope * raw + intercept).sum() == pytest.approx(outcome.sum(), rel=1e-3)


def test_scores_that_separate_the_outcomes_give_finite_numbers() -> None:
    raw = np.array([-3.0, -2.0, 2.0, 3.0])
    slope, intercept = platt(raw, np.array([0.0, 0.0, 1.0, 1.0]))
    assert np.isfinite([slope, intercept]).all()
    assert slope > 0


def test_a_ranking_is_never_turned_round() -> None:
    raw = np.linspace(-2, 2, 100)
    slope, intercept = platt(raw, (raw < 0).astype(float))
    assert slope == 0.0
    assert expit(intercept) == pytest.approx(0.5, abs=0.02)


def test_a_constant_score_is_calibrated_to_the_base_rate() -> None:
    slope, intercept = platt(np.full(1000, -1.0), (np.arange(1000) < 100).astype(float))
    assert expit(-slope + intercept) == pytest.approx(0.1, abs=0.002)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(-1e3, 1e3))
def test_the_mean_shift_makes_the_total_unbiased(actual: list[float], predicted: float) -> None:
    truth = np.array(actual)
    guess = np.full(len(truth), predicted)
    corrected = guess + mean_shift(guess, truth)
    assert corrected.sum() == pytest.approx(truth.sum(), abs=1e-3)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.9]))
def test_a_shifted_quantile_keeps_its_level_on_its_own_rows(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    predicted, actual = rng.normal(size=200), rng.lognormal(size=200)
    below = np.mean(actual <= predicted + conformal_shift(predicted, actual, level))
    assert below == pytest.approx(level, abs=0.011)


def test_the_range_holds_on_new_rows_whatever_the_first_guess() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=4000), rng.gamma(2.0, 100.0, 4000)
    old, new = slice(0, 2000), slice(2000, 4000)
    low = x[new] + conformal_shift(x[old], y[old], 0.1)
    high = x[new] + conformal_shift(x[old], y[old], 0.9)
    assert np.mean((low <= y[new]) & (y[new] <= high)) == pytest.approx(0.8, abs=0.03)
