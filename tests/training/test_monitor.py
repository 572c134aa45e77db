"""Drift: the index by hand, and on a bank whose world has moved."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import NotReadyError
from features.home import Home
from training.monitor import DRIFTED, health, psi

numbers = st.lists(
    st.one_of(st.floats(-1e9, 1e9), st.just(math.nan), st.integers(0, 3).map(float)),
    min_size=1,
    max_size=60,
)


@given(numbers, numbers)
def test_the_index_is_never_negative_and_nought_for_the_same_values(a: list[float], b: list[float]) -> None:
    one, other = np.array(a), np.array(b)
    assert psi(one, one) == 0.0
    assert psi(one, other) >= 0.0
    assert math.isfinite(psi(one, other))


def test_the_index_by_hand() -> None:
    # Two bins: half and half before, three quarters and a quarter now.
    before, now = np.array([0.0, 1.0] * 50), np.array([0.0, 0.0, 0.0, 1.0] * 25)
    assert psi(before, now) == pytest.approx(0.25 * math.log(1.5) - 0.25 * math.log(0.5))


def test_values_that_go_missing_are_drift() -> None:
    before = np.arange(100.0)
    assert psi(before, np.where(before < 50, np.nan, before)) > DRIFTED


def test_champions_are_compared_with_today(bank: Home) -> None:
    for name in ("churn", "value", "propensity"):
        found = health(bank, name)
        assert found.reference < found.as_of < found.matures
        assert [d.psi for d in found.features] == sorted((d.psi for d in found.features), reverse=True)
        assert {d.name for d in found.drifted} == {
            d.name for d in (*found.scores, *found.features) if d.psi >= DRIFTED
        }
        stable = {d.name: d.psi for d in found.features}
        assert stable["region"] < 0.1


def test_without_a_champion_it_says_what_to_run(tmp_path, bank: Home) -> None:
    home = Home(tmp_path)
    home.offline.symlink_to(bank.offline)
    with pytest.raises(NotReadyError, match="no champion yet; cure: run `tenure train churn`"):
        health(home, "churn")
