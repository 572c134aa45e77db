"""Curves month by month: they fall, they end at the probability, and they keep the observed shape."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from training.survival import hazard_shares, survival

probabilities = st.floats(0, 1, allow_nan=False)


@st.composite
def leaving(draw: st.DrawFn) -> tuple[list[float], int]:
    """Rows of which some, but not all, left in a month of a horizon."""
    horizon = draw(st.integers(1, 12))
    left = draw(st.lists(st.integers(1, horizon).map(float), min_size=1, max_size=30))
    stayed = draw(st.integers(1, 60))
    return [*left, *[np.nan] * stayed], horizon


@given(leaving(), st.lists(probabilities, max_size=8))
def test_every_curve_falls_and_ends_at_its_own_probability(
    rows: tuple[list[float], int], chances: list[float]
) -> None:
    months, horizon = rows
    curves = survival(chances, hazard_shares(months, horizon))
    assert curves.shape == (len(chances), horizon)
    assert (np.diff(curves, axis=1) <= 0).all()
    assert (curves >= 0).all() and (curves <= 1).all()
    # Not nearly: the curve and the score must be one number.
    assert (curves[:, -1] == 1.0 - np.array(chances)).all()


@given(leaving())
def test_the_average_customer_has_the_curve_that_the_rows_show(rows: tuple[list[float], int]) -> None:
    months, horizon = rows
    told = np.array(months)
    gone = np.array([(told <= m).mean() for m in range(1, horizon + 1)])
    (curve,) = survival([gone[-1]], hazard_shares(months, horizon))
    assert curve == pytest.approx(1 - gone, abs=1e-12)


@given(leaving(), probabilities, probabilities)
def test_who_is_more_likely_to_leave_is_never_more_likely_to_be_here(
    rows: tuple[list[float], int], one: float, other: float
) -> None:
    low, high = survival(sorted((one, other)), hazard_shares(*rows))
    assert (high <= low).all()


def test_a_customer_without_a_score_has_no_curve() -> None:
    shares = hazard_shares([1.0, 2.0, np.nan], 3)
    assert shares[-2:] == (1.0, 1.0), "nobody left in the third month"
    curves = survival([np.nan, 0.5], shares)
    assert np.isnan(curves[0]).all() and curves[1, -1] == 0.5


@pytest.mark.parametrize(
    ("months", "horizon", "says"),
    [
        ([np.nan, np.nan], 6, "0 of 2 rows left"),
        ([1.0, 2.0], 6, "2 of 2 rows left"),
        ([], 6, "0 of 0 rows left"),
        ([0.0, np.nan], 6, "from 1 to 6"),
        ([7.0, np.nan], 6, "from 1 to 6"),
        ([1.5, np.nan], 6, "must be whole"),
        ([np.inf, np.nan], 6, "must be whole"),
        ([np.nan], 0, "from 1 to 0"),
    ],
)
def test_months_that_have_no_shape_are_refused(months: list[float], horizon: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        hazard_shares(months, horizon)


@pytest.mark.parametrize("shares", [(), (0.5,), (0.6, 0.5, 1.0), (-0.1, 1.0), (np.nan, 1.0)])
def test_shares_that_are_no_baseline_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="shares must rise"):
        survival([0.5], shares)


@pytest.mark.parametrize("chance", [-0.1, 1.1])
def test_what_is_no_probability_is_refused(chance: float) -> None:
    with pytest.raises(InputError, match="probabilities must lie"):
        survival([chance], (1.0,))
