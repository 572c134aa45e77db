import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from training.measures import (
    auc,
    average_precision,
    calibration_error,
    calibration_line,
    delong,
    lift,
    normalised_gini,
    ols_line,
    ranked_hits,
    spearman,
    top_share,
)

binary = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.2, 0.5, 0.9])), min_size=2, max_size=60
).filter(lambda rows: 0 < sum(hit for hit, _ in rows) < len(rows))


@given(binary)
def test_ranking_measures_agree_with_scikit_learn_ties_included(rows: list[tuple[bool, float]]) -> None:
    actual = np.array([float(hit) for hit, _ in rows])
    score = np.array([s for _, s in rows])
    assert auc(actual, score) == pytest.approx(roc_auc_score(actual, score))
    assert average_precision(actual, score) == pytest.approx(average_precision_score(actual, score))


def test_measures_that_are_not_defined_are_not_a_number() -> None:
    none, score = np.zeros(5), np.arange(5.0)
    for found in (auc(none, score), average_precision(none, score), lift(none, score, 0.1)):
        assert np.isnan(found)
    assert np.isnan(calibration_line(none, np.full(5, 0.1))).all()
    assert np.isnan(ols_line(score, np.ones(5))).all()
    assert np.isnan(normalised_gini(none, score))
    assert np.isnan(spearman(none, score))
    assert np.isnan(top_share(none, score))


def test_lift_is_the_multiple_of_the_base_rate() -> None:
    actual = np.zeros(100)
    actual[:5] = 1
    assert lift(actual, -np.arange(100.0), 0.10) == pytest.approx(10.0)
    assert lift(actual, np.arange(100.0), 0.10) == 0.0


def test_true_probabilities_have_slope_one_and_twice_too_bold_ones_half() -> None:
    rng = np.random.default_rng(5)
    z = rng.normal(-1, 1, 100_000)
    actual = (rng.random(len(z)) < 1 / (1 + np.exp(-z))).astype(float)
    slope, intercept, error = calibration_line(actual, 1 / (1 + np.exp(-z)))
    assert slope == pytest.approx(1.0, abs=3 * error)
    assert intercept == pytest.approx(0.0, abs=0.03)
    assert calibration_line(actual, 1 / (1 + np.exp(-2 * z)))[0] == pytest.approx(0.5, abs=0.02)
    assert calibration_error(actual, 1 / (1 + np.exp(-z))) < 0.01
    assert calibration_error(actual, np.full(len(z), 0.9)) == pytest.approx(0.9 - actual.mean(), abs=1e-9)


def test_the_slopes_standard_error_is_its_spread_over_samples() -> None:
    rng = np.random.default_rng(6)
    slopes, errors = [], []
    for _ in range(200):
        z = rng.normal(-2, 1, 1000)
        actual = (rng.random(1000) < 1 / (1 + np.exp(-z))).astype(float)
        slope, _, error = calibration_line(actual, 1 / (1 + np.exp(-z)))
        slopes.append(slope)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.15)


def test_the_line_of_amounts() -> None:
    rng = np.random.default_rng(7)
    predicted = rng.gamma(2, 100, 50_000)
    slope, intercept, error = ols_line(0.5 * predicted + 3 + rng.normal(0, 1, 50_000), predicted)
    assert slope == pytest.approx(0.5, abs=4 * error)
    assert intercept == pytest.approx(3, abs=0.1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=40))
def test_the_perfect_order_has_a_gini_of_one_and_its_reverse_of_minus_one(amounts: list[float]) -> None:
    actual = np.array(amounts)
    perfect = normalised_gini(actual, actual)
    if np.isnan(perfect):
        return
    assert perfect == pytest.approx(1.0)
    assert normalised_gini(actual, -actual) == pytest.approx(-1.0)
    assert spearman(actual, 3 * actual) == pytest.approx(1.0)


def test_the_share_of_the_top_tenth() -> None:
    actual = np.array([91.0, *[1.0] * 9])
    assert top_share(actual, actual) == pytest.approx(0.91)
    assert top_share(actual, -actual) == pytest.approx(0.01)


@given(binary)
def test_delongs_auc_is_the_auc_ties_included(rows: list[tuple[bool, float]]) -> None:
    actual = np.array([float(hit) for hit, _ in rows])
    score = np.array([s for _, s in rows])
    (found,), _ = delong(actual, score[None, :])
    if min(actual.sum(), len(actual) - actual.sum()) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(auc(actual, score))


def test_delongs_covariance_is_the_spread_over_samples() -> None:
    rng = np.random.default_rng(8)
    found, told = [], []
    for _ in range(1_500):
        z = rng.normal(size=400)
        actual = (rng.random(400) < 1 / (1 + np.exp(1 - z))).astype(float)
        scores = np.vstack([z, z + rng.normal(size=400)])
        aucs, covariance = delong(actual, scores)
        found.append(aucs)
        told.append(covariance)
    spread = np.cov(np.array(found).T)
    assert np.mean(told, axis=0) == pytest.approx(spread, rel=0.12)


def test_how_high_added_products_were_ranked_by_hand() -> None:
    nan = float("nan")
    added = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [nan, 1, 0], [1, 1, nan]], dtype=float)
    score = np.array([[3, 2, 1], [3, 1, 2], [1, 2, 3], [9, 1, 2], [1, 2, 9]], dtype=float)
    precision, hit = ranked_hits(added, score, 2)
    assert precision.tolist() == [0.5, 0.0, 0.5, 1.0]
    assert hit.tolist() == [1.0, 0.0, 1.0, 1.0]
    assert ranked_hits(added, score, 3)[0][0] == pytest.approx((1 + 2 / 3) / 2)
