"""Against the published figures of the CDNOW sample (Fader, Hardie, Lee 2005; Fader, Hardie 2013)."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.special import hyp2f1

from features.errors import InputError, RefusedError
from features.settings import read_settings
from training.artifact import Matrix
from training.measures import top_share
from training.worth.noncontractual import BgNbd, GammaGamma, fit_bg_nbd, fit_gamma_gamma, repeat_buying

SAMPLES = read_settings().sample_data
CDNOW = SAMPLES / "cdnow" / "cdnow_sample.parquet" if SAMPLES else None
needs_cdnow = pytest.mark.skipif(
    CDNOW is None or not CDNOW.is_file(), reason="TENURE_SAMPLE_DATA does not name a folder with cdnow/"
)
CUT, WEEKS_AHEAD = date(1997, 9, 30), 39.0


@pytest.fixture(scope="module")
def purchases() -> pd.DataFrame:
    return pd.read_parquet(CDNOW)


@pytest.fixture(scope="module")
def buying(purchases: pd.DataFrame) -> pd.DataFrame:
    return repeat_buying(purchases, CUT)


def columns(table: pd.DataFrame) -> tuple[Matrix, Matrix, Matrix]:
    repeats, last, age = (table[name].to_numpy() for name in ("repeats", "last", "age"))
    return repeats, last, age


@needs_cdnow
def test_the_published_parameters_of_bg_nbd(buying: pd.DataFrame) -> None:
    found = fit_bg_nbd(*columns(buying))
    assert len(buying) == 2357
    assert found.r == pytest.approx(0.243, abs=0.001)
    assert found.alpha == pytest.approx(4.414, abs=0.01)
    assert found.a == pytest.approx(0.793, abs=0.002)
    assert found.b == pytest.approx(2.426, abs=0.01)
    assert found.log_likelihood(*columns(buying)) == pytest.approx(-9582.4, abs=0.1)


@needs_cdnow
def test_the_published_parameters_of_gamma_gamma(buying: pd.DataFrame) -> None:
    found = fit_gamma_gamma(buying["repeats"].to_numpy(), buying["mean"].to_numpy())
    assert found.p == pytest.approx(6.25, abs=0.02)
    assert found.q == pytest.approx(3.74, abs=0.02)
    assert found.scale == pytest.approx(15.44, abs=0.05)


@needs_cdnow
def test_the_holdout_is_foretold_as_published(purchases: pd.DataFrame, buying: pd.DataFrame) -> None:
    repeats, last, age = columns(buying)
    mean = buying["mean"].to_numpy()
    expected = fit_bg_nbd(repeats, last, age).expected(repeats, last, age, WEEKS_AHEAD)
    worth = expected * fit_gamma_gamma(repeats, mean).expected(repeats, mean)
    later = purchases[purchases["date"] > pd.Timestamp(CUT)]
    later = (
        later.groupby(["customer_id", "date"])["amount"].sum().groupby("customer_id").agg(["size", "sum"])
    )
    later = later.reindex(buying.index).fillna(0.0)
    bought, spent = later["size"].to_numpy(), later["sum"].to_numpy()
    assert np.corrcoef(expected, bought)[0, 1] == pytest.approx(0.626, abs=0.001)
    assert top_share(spent, worth) == pytest.approx(0.502, abs=0.002)
    assert expected.sum() / bought.sum() - 1 == pytest.approx(-0.12, abs=0.005)
    assert worth.sum() / spent.sum() - 1 == pytest.approx(-0.16, abs=0.005)


def simulated(truth: BgNbd, customers: int, seed: int = 1) -> tuple[pd.DataFrame, Matrix]:
    """Customers by the model's own story: buy at a rate, and leave by a coin after every purchase."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(truth.r, 1 / truth.alpha, customers)
    leaves = rng.beta(truth.a, truth.b, customers)
    age = rng.uniform(27, 39, customers)
    rows, later = [], np.zeros(customers)
    for i in range(customers):
        at, seen = 0.0, []
        while (at := at + rng.exponential(1 / max(rate[i], 1e-12))) <= age[i] + 20:
            if at <= age[i]:
                seen.append(at)
            else:
                later[i] += 1
            if rng.random() < leaves[i]:
                break
        rows.append((float(len(seen)), seen[-1] if seen else 0.0, age[i]))
    return pd.DataFrame(rows, columns=["repeats", "last", "age"]), later


def test_the_parameters_of_a_made_up_shop_are_recovered_and_its_future_is_foretold() -> None:
    truth = BgNbd(r=0.6, alpha=5.0, a=0.8, b=2.5)
    table, later = simulated(truth, 6_000)
    found = fit_bg_nbd(*columns(table))
    assert found.r == pytest.approx(truth.r, rel=0.1)
    assert found.alpha == pytest.approx(truth.alpha, rel=0.15)
    assert found.a / (found.a + found.b) == pytest.approx(truth.a / (truth.a + truth.b), rel=0.1)
    assert found.expected(*columns(table), 20.0).sum() == pytest.approx(later.sum(), rel=0.05)
    assert found.log_likelihood(*columns(table)) >= truth.log_likelihood(*columns(table))


def test_the_amounts_of_a_made_up_shop_are_recovered() -> None:
    truth, rng = GammaGamma(p=6.0, q=4.0, scale=15.0), np.random.default_rng(2)
    repeats = rng.integers(1, 12, 8_000).astype(float)
    rate = rng.gamma(truth.q, 1 / truth.scale, 8_000)
    mean = rng.gamma(truth.p * repeats, 1 / (rate * repeats))
    found = fit_gamma_gamma(repeats, mean)
    assert found.p == pytest.approx(truth.p, rel=0.1)
    assert found.q == pytest.approx(truth.q, rel=0.1)
    assert found.scale == pytest.approx(truth.scale, rel=0.15)
    wanted = truth.p / rate
    assert found.expected(repeats, mean).mean() == pytest.approx(wanted.mean(), rel=0.03)


def test_the_expected_purchases_are_those_of_the_published_formula() -> None:
    model = BgNbd(0.243, 4.414, 0.793, 2.426)
    x, last, age, t = np.array([0.0, 2.0, 9.0]), np.array([0.0, 30.43, 35.0]), np.full(3, 38.86), 39.0
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    two = hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + age + t))
    above = (a + b + x - 1) / (a - 1) * (1 - ((alpha + age) / (alpha + age + t)) ** (r + x) * two)
    gone = (x > 0) * a / (b + np.maximum(x, 1) - 1) * ((alpha + age) / (alpha + last)) ** (r + x)
    found = model.expected(x, last, age, t)
    assert found == pytest.approx(above / (1 + gone))
    assert found[1] == pytest.approx(1.226, abs=0.001), "the paper's own example"


def test_thousands_of_purchases_overflow_nothing() -> None:
    model = BgNbd(0.243, 4.414, 0.793, 2.426)
    x, last, age = np.array([5_000.0, 5_000.0]), np.array([100.0, 520.0]), np.array([520.0, 520.0])
    gone, here = model.alive(x, last, age)
    assert 0 <= gone < 1e-12 < 0.9 < here <= 1
    expected = model.expected(x, last, age, 52.0)
    assert np.isfinite(expected).all() and np.isfinite(model.log_likelihood(x, last, age))
    assert 0 <= expected[0] < 1e-6 < 100 < expected[1] < 600


def test_who_never_bought_again_is_expected_to_spend_what_everybody_does() -> None:
    model = GammaGamma(6.25, 3.74, 15.44)
    nobody, loyal = model.expected(np.array([0.0, 400.0]), np.array([np.nan, 80.0]))
    assert nobody == pytest.approx(6.25 * 15.44 / 2.74)
    assert loyal == pytest.approx(80.0, rel=0.01)


def test_a_days_purchases_are_one_and_later_ones_are_not_looked_at() -> None:
    days = ["2020-01-01", "2020-01-01", "2020-01-15", "2020-01-15", "2020-03-01"]
    purchases = pd.DataFrame(
        {"customer_id": 1, "date": pd.to_datetime(days), "amount": [5.0, 1.0, 2.0, 4.0, 9.0]}
    )
    (row,) = repeat_buying(purchases, date(2020, 1, 29)).to_dict("records")
    assert row == {"repeats": 1.0, "last": 2.0, "age": 4.0, "mean": 6.0}


def test_purchases_that_cannot_be_are_refused_with_their_number() -> None:
    with pytest.raises(InputError, match="2 customers whose purchases cannot be"):
        fit_bg_nbd(np.array([1.0, 0.0, 1.0]), np.array([9.0, 2.0, 1.0]), np.array([8.0, 8.0, 8.0]))


def test_without_anybody_who_came_back_there_is_nothing_to_learn() -> None:
    with pytest.raises(RefusedError, match="nobody bought again"):
        fit_bg_nbd(np.zeros(3), np.zeros(3), np.ones(3))
    with pytest.raises(RefusedError, match="nobody bought again"):
        fit_gamma_gamma(np.zeros(3), np.full(3, np.nan))
