import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from serving.comparison import newcombe_difference, sample_ratio_p_value

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
