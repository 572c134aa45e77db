import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, norm
from scipy.stats import t as student

from serving.results.comparison import (
    newcombe_difference,
    power_of,
    sample_ratio_p_value,
    summed,
    welch_difference,
)
from training.estimate import Estimate

# Newcombe (1998), Table II, method 10.
PAPER = [
    ((56, 70, 48, 80), (0.0524, 0.3339)),
    ((9, 10, 3, 10), (0.1705, 0.8090)),
    ((6, 7, 2, 7), (0.0582, 0.8062)),
    ((5, 56, 0, 29), (-0.0381, 0.1926)),
    ((0, 10, 0, 20), (-0.1611, 0.2775)),
    ((10, 10, 0, 10), (0.6075, 1.0000)),
]


@pytest.mark.parametrize(("counts", "interval"), PAPER)
def test_the_interval_is_the_papers(counts, interval):
    found = newcombe_difference(*counts)
    assert (round(found.low, 4), round(found.high, 4)) == interval


@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_the_interval_holds_the_point_and_turns_with_the_groups(n_a, n_b, data):
    a, b = data.draw(st.integers(0, n_a)), data.draw(st.integers(0, n_b))
    found, turned = newcombe_difference(a, n_a, b, n_b), newcombe_difference(b, n_b, a, n_a)
    assert -1 - 1e-9 <= found.low <= found.point + 1e-12 and found.point <= found.high + 1e-12
    np.testing.assert_allclose((found.low, found.high), (-turned.high, -turned.low), atol=1e-12)


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(0.5, 0.99))
def test_the_sample_ratio_is_pearsons(target, control, planned):
    n = target + control
    expected = chisquare([target, control], [n * planned, n * (1 - planned)]).pvalue
    assert sample_ratio_p_value(target, control, planned) == pytest.approx(expected, abs=1e-9)


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=40),
    st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=40),
    st.floats(-1e3, 1e3),
)
def test_welchs_interval_holds_the_point_and_moves_with_the_group(a, b, shift):
    x, y = np.array(a), np.array(b)
    found, turned = welch_difference(x, y), welch_difference(y, x)
    moved = welch_difference(x + shift, y)
    assert found.low <= found.point <= found.high
    np.testing.assert_allclose((found.low, found.high), (-turned.high, -turned.low), atol=1e-6)
    np.testing.assert_allclose(moved, np.add(found, shift), atol=1e-5)


def test_welchs_interval_is_welchs():
    # Welch-Satterthwaite by hand: variances 1 and 100/3, means 2 and 0, 3 and 4 customers.
    a, b = np.array([1.0, 2.0, 3.0]), np.array([-5.0, -5.0, 5.0, 5.0])
    square = 1 / 3 + (100 / 3) / 4
    freedom = square**2 / ((1 / 3) ** 2 / 2 + (25 / 3) ** 2 / 3)
    half = student.ppf(0.975, freedom) * square**0.5
    np.testing.assert_allclose(welch_difference(a, b), (2.0, 2 - half, 2 + half))
    assert welch_difference(np.array([1.0]), b).high == np.inf
    assert welch_difference(np.ones(3), np.zeros(4)) == (1.0, 1.0, 1.0)


@given(st.floats(0.001, 1e3), st.floats(0.001, 1e3), st.integers(2, 5000), st.integers(2, 5000))
def test_as_many_customers_as_are_needed_find_the_difference_in_four_of_five_cases(x, y, n_a, n_b):
    seen = 0.3 * x
    power = power_of(seen, x, n_a, y, n_b)
    grown = power.needed / (n_a + n_b)
    error = (x**2 / (n_a * grown) + y**2 / (n_b * grown)) ** 0.5
    assert norm.cdf(seen / error - norm.ppf(0.975)) == pytest.approx(0.8, abs=0.02)
    assert power_of(0.0, x, n_a, y, n_b).needed is None


def test_the_smallest_difference_is_found_in_four_of_five_draws():
    rng, n = np.random.default_rng(7), 900
    smallest = power_of(0.0, 1.0, n, 2.0, n).smallest
    a, b = rng.normal(smallest, 1.0, (2000, n)), rng.normal(0.0, 2.0, (2000, n))
    found = [welch_difference(x, y).low > 0 for x, y in zip(a, b, strict=True)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


@given(
    st.lists(st.tuples(st.floats(-100, 100), st.floats(0, 50), st.floats(0, 50)), min_size=1, max_size=6)
)
def test_a_sum_of_estimates_is_less_uncertain_than_its_parts_together(parts):
    found = summed([Estimate(p, p - low, p + high) for p, low, high in parts])
    assert found.point == pytest.approx(sum(p for p, _, _ in parts))
    assert max(low for _, low, _ in parts) - 1e-6 <= found.point - found.low
    assert found.high - found.point <= sum(high for _, _, high in parts) + 1e-6
