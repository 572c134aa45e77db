import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from training.artifact import Matrix
from training.fit import Fitted
from training.profit import Terms, campaign, expected_gain, maximum_profit, total_value

TERMS = Terms()
VALUE = 200.0


def empc(churned: Matrix, score: Matrix, value: Matrix | float = VALUE, terms: Terms = TERMS) -> float:
    values = np.broadcast_to(np.asarray(value, dtype=float), churned.shape)
    return maximum_profit(campaign(churned, score, values, terms), terms).profit


def by_force(churned: Matrix, score: Matrix, value: Matrix, terms: Terms) -> float:
    """The definition itself: the best threshold's profit for each gamma, weighted by gamma's density."""
    gammas = (np.arange(4_000) + 0.5) / 4_000
    best = np.zeros(len(gammas))
    for threshold in np.unique(score):
        inside = score >= threshold
        left = inside & (churned > 0)
        kept = np.sum(value[left] - terms.incentive)
        spent = terms.contact * inside.sum() + terms.incentive * (inside & (churned == 0)).sum()
        best = np.maximum(best, gammas * kept - spent)
    return float(np.mean(best * beta.pdf(gammas, terms.alpha, terms.beta)) / len(churned))


def test_three_customers_by_hand() -> None:
    """With gamma uniform the integrals are of powers; corners (0, 0), (1, 190), (13, 380)."""
    terms = Terms(incentive=10, contact=1, alpha=1, beta=1)
    churned, score = np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.5, 0.1])
    found = maximum_profit(campaign(churned, score, np.full(3, VALUE), terms), terms)
    assert found.profit == pytest.approx((177 + 145 / 380) / 3)
    assert found.share == pytest.approx((1 * 11 / 190 + 3 * 178 / 190) / 3)


rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.1, 0.3, 0.3, 0.6, 0.9]), st.integers(-50, 900)),
    min_size=1,
    max_size=30,
)


@given(rows)
def test_the_hull_finds_the_best_threshold_for_every_gamma(table: list[tuple[bool, float, int]]) -> None:
    churned, score, value = (np.array(column, dtype=float) for column in zip(*table, strict=True))
    assert empc(churned, score, value) == pytest.approx(by_force(churned, score, value, TERMS), abs=0.02)


def test_a_perfect_order_reaches_the_closed_form() -> None:
    churned = np.repeat([1.0, 0.0], [145, 855])
    delta, phi = TERMS.incentive / VALUE, TERMS.contact / VALUE
    edge = phi / (1 - delta)
    mean_above = TERMS.kept * beta.sf(edge, TERMS.alpha + 1, TERMS.beta)
    closed = VALUE * 0.145 * ((1 - delta) * mean_above - phi * beta.sf(edge, TERMS.alpha, TERMS.beta))
    assert empc(churned, churned) == pytest.approx(closed)


def test_without_an_order_everybody_is_approached_or_nobody() -> None:
    churned = np.repeat([1.0, 0.0], [145, 855])
    delta, phi, odds = TERMS.incentive / VALUE, TERMS.contact / VALUE, 855 / 145
    edge = ((delta + phi) * odds + phi) / (1 - delta)
    above = beta.sf(edge, TERMS.alpha, TERMS.beta)
    mean_above = TERMS.kept * beta.sf(edge, TERMS.alpha + 1, TERMS.beta)
    closed = VALUE * (0.145 * (1 - delta) * mean_above - (0.145 * phi + 0.855 * (delta + phi)) * above)
    found = maximum_profit(campaign(churned, np.zeros(1000), np.full(1000, VALUE), TERMS), TERMS)
    assert found.profit == pytest.approx(closed)
    assert found.share == pytest.approx(above)


@given(rows)
def test_no_order_beats_the_perfect_one_and_none_loses_money(table: list[tuple[bool, float, int]]) -> None:
    churned, score, _ = (np.array(column, dtype=float) for column in zip(*table, strict=True))
    assert -1e-9 <= empc(churned, np.zeros(len(churned))) <= empc(churned, score) + 1e-9
    assert empc(churned, score) <= empc(churned, churned) + 1e-9


def test_nobody_worth_keeping_is_approached() -> None:
    found = maximum_profit(campaign(np.ones(5), np.arange(5.0), np.full(5, -30.0), TERMS), TERMS)
    assert (found.profit, found.share) == (0.0, 0.0)


def test_knowing_what_each_is_worth_brings_more_than_the_risk_alone() -> None:
    rng = np.random.default_rng(3)
    probability, value = rng.beta(1, 6, 20_000), rng.lognormal(4.5, 1.2, 20_000)
    churned = (rng.random(20_000) < probability).astype(float)
    by_gain = expected_gain(probability, value, TERMS)
    assert empc(churned, by_gain, value) > 1.1 * empc(churned, probability, value)


def test_the_expected_gain_is_the_campaigns_mean_profit() -> None:
    gain = expected_gain(np.array([1.0, 0.0]), np.array([200.0, 200.0]), TERMS)
    assert gain.tolist() == [pytest.approx(0.3 * 190 - 1), pytest.approx(-11)]


def test_the_value_of_a_customer_is_the_sum_of_the_parts(value_fitted: Fitted, value_set) -> None:
    model = value_fitted.model
    matrix = model.matrix(value_set.frame.head(20))
    answers = model.predict(matrix)
    parts = ("interest_margin", "fees", "cost_to_serve", "expected_loss")
    assert np.allclose(total_value(model, matrix), sum(answers[part] for part in parts))
