"""Qini, AUUC and uplift by decile: by hand, as laws, and on a real randomised test."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError, RefusedError
from features.settings import read_settings
from training.artifact import Matrix
from training.uplift.qini import qini_ahead, uplift_curve
from training.uplift.scores import effect_scores, rate

SAMPLES = read_settings().sample_data
HILLSTROM = SAMPLES / "hillstrom" / "hillstrom.parquet" if SAMPLES else None
needs_hillstrom = pytest.mark.skipif(
    HILLSTROM is None or not HILLSTROM.is_file(),
    reason="TENURE_SAMPLE_DATA does not name a folder with hillstrom/",
)


def trial(seed: int, rows: int = 400, lift: float = 0.3) -> tuple[Matrix, Matrix, Matrix]:
    """A feature in [0, 1) that is the true effect's share of `lift`, the arm, and the outcome."""
    rng = np.random.default_rng(seed)
    x, treated = rng.random(rows), (rng.random(rows) < 0.5).astype(float)
    treated[:2] = 0.0, 1.0
    outcome = (rng.random(rows) < 0.2 + lift * x * treated).astype(float)
    return x, treated, outcome


def test_the_qini_of_eight_customers_is_what_one_counts_by_hand() -> None:
    # By falling score: contacted and not in turn; only the first two contacted answer.
    score = np.arange(8.0, 0.0, -1.0)
    treated = np.array([1.0, 0.0] * 4)
    outcome = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    found = uplift_curve(score, treated, outcome, seed=0, draws=10, shares=(0.5,))
    gain = np.array([0, 1, 1, 2, 2, 2, 2, 2, 2]) / 4
    line = np.arange(9) / 8 * 0.5
    assert found.average.point == 0.5
    assert found.qini.point == pytest.approx(np.trapezoid(gain - line, dx=1 / 8))
    assert found.at[0.5].point == 1.0
    assert (found.share[-1], found.gain[-1]) == (1.0, 0.5)
    assert [d.contacted for d in found.deciles][:4] == [1, 0, 1, 0]


@given(st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_only_the_order_of_the_scores_counts(seed: int) -> None:
    x, treated, outcome = trial(seed)
    one, other = (uplift_curve(s, treated, outcome, seed=1, draws=5) for s in (x, np.exp(3 * x) - 7))
    assert one.qini == other.qini
    assert one.auuc == other.auuc
    assert one.at == other.at


@given(st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_swapped_arms_turn_the_effect_round(seed: int) -> None:
    x, treated, outcome = trial(seed)
    one, other = (uplift_curve(x, t, outcome, seed=1, draws=5) for t in (treated, 1 - treated))
    assert one.average.point == pytest.approx(-other.average.point)
    assert one.auuc.point == pytest.approx(-other.auuc.point)
    assert [d.uplift.point for d in one.deciles] == pytest.approx([-d.uplift.point for d in other.deciles])


@given(st.integers(0, 50), st.floats(0.1, 100.0))
@settings(max_examples=20, deadline=None)
def test_figures_are_in_the_outcomes_unit(seed: int, unit: float) -> None:
    x, treated, outcome = trial(seed)
    one, other = (uplift_curve(x, treated, y, seed=1, draws=20) for y in (outcome, unit * outcome))
    assert other.qini == pytest.approx([unit * v for v in one.qini], rel=1e-9, abs=1e-12)


def test_one_score_for_everybody_is_no_order() -> None:
    _, treated, outcome = trial(3)
    found = uplift_curve(np.zeros(len(treated)), treated, outcome, seed=1, draws=50)
    assert found.qini == (0.0, 0.0, 0.0)
    assert found.auuc.point == pytest.approx(found.average.point / 2)


def test_the_better_order_is_ahead_and_a_random_one_is_worth_nothing() -> None:
    x, treated, outcome = trial(8, rows=6_000)
    noise = np.random.default_rng(0).random(len(x))
    known, random = (uplift_curve(s, treated, outcome, seed=1, draws=200) for s in (x, noise))
    # The area of effects 0.3 x in order of x is the integral of 0.3 (q - q^2) / 2, 0.025.
    assert known.qini.low < 0.025 < known.qini.high
    assert known.qini.low > 0
    assert random.qini.low < 0 < random.qini.high
    ahead = qini_ahead(x, noise, treated, outcome, seed=1, draws=200)
    assert ahead.low > 0
    assert ahead.point == pytest.approx(known.qini.point - random.qini.point)
    uplifts = [d.uplift.point for d in known.deciles]
    assert np.corrcoef(uplifts, range(10))[0, 1] < -0.7


def test_unequal_chances_of_a_contact_are_weighed_out() -> None:
    rng = np.random.default_rng(2)
    x = rng.random(40_000)
    chance = 0.1 + 0.8 * x
    treated = (rng.random(len(x)) < chance).astype(float)
    outcome = (rng.random(len(x)) < 0.1 + 0.6 * x + 0.1 * treated).astype(float)
    weighed = uplift_curve(x, treated, outcome, seed=1, draws=100, propensity=chance)
    assert weighed.average.low < 0.1 < weighed.average.high
    assert uplift_curve(x, treated, outcome, seed=1, draws=100).average.low > 0.2, "confounded"


def test_the_doubly_robust_figure_is_the_same_area_and_its_interval_holds() -> None:
    hits, runs = 0, 200
    for seed in range(runs):
        x, treated, outcome = trial(seed, rows=600)
        scores = effect_scores(treated, outcome, np.full(600, 0.5), np.full(600, 0.2), 0.2 + 0.3 * x)
        found = rate(x, scores)
        hits += found.low < 0.025 < found.high
    assert 0.9 <= hits / runs <= 0.99
    plain = uplift_curve(x, treated, outcome, seed=1, draws=100)
    assert plain.qini.low < found.point < plain.qini.high


def test_rows_of_one_customer_widen_the_interval() -> None:
    x, treated, outcome = trial(1, rows=500)
    scores = effect_scores(treated, outcome, np.full(500, 0.5), np.full(500, 0.2), np.full(500, 0.35))
    repeated, customers = np.tile(scores, 4), np.tile(np.arange(500), 4)
    alone, told = rate(np.tile(x, 4), repeated), rate(np.tile(x, 4), repeated, customers)
    assert told.error == pytest.approx(2 * alone.error, rel=0.01)


@pytest.mark.parametrize(
    "broken",
    [
        {"score": np.array([1.0, np.nan, 2.0])},
        {"treated": np.array([1.0, 0.5, 0.0])},
        {"outcome": np.array([1.0, 0.0])},
        {"propensity": np.array([0.5, 1.0, 0.5])},
    ],
)
def test_broken_rows_are_refused(broken: dict[str, Matrix]) -> None:
    good = {"score": np.arange(3.0), "treated": np.array([1.0, 0.0, 1.0]), "outcome": np.ones(3)}
    with pytest.raises(InputError):
        uplift_curve(**{**good, **broken}, seed=0)


def test_one_arm_alone_compares_nothing() -> None:
    with pytest.raises(RefusedError, match="3 of 3 rows were contacted"):
        uplift_curve(np.arange(3.0), np.ones(3), np.ones(3), seed=0)


@needs_hillstrom
def test_a_random_order_of_hillstroms_customers_is_worth_nothing() -> None:
    table = pd.read_parquet(HILLSTROM)
    table = table[table["segment"] != "Mens E-Mail"]
    treated = (table["segment"] == "Womens E-Mail").to_numpy(dtype=float)
    visit = table["visit"].to_numpy(dtype=float)
    found = uplift_curve(np.random.default_rng(7).random(len(table)), treated, visit, seed=7, draws=300)
    assert found.qini.low < 0 < found.qini.high
    assert found.average.point == pytest.approx(0.045, abs=0.001)
