"""Do the models find what is true of the simulated bank? Truth is read here, never by the packages."""

import numpy as np
import pandas as pd
import pytest

from features.home import Home
from serving.batch import read_scores
from serving.champions import load_scorer
from serving.scoring import OK


@pytest.fixture(scope="module")
def known(bank: Home) -> pd.DataFrame:
    """Scores beside the truth of the same moment, for customers that were scored."""
    generation, scores = read_scores(bank, load_scorer(bank))
    truth = pd.read_parquet(bank.truth / "monthly.parquet")
    truth = truth[truth["as_of"] == generation.as_of].drop(columns="as_of")
    both = scores[scores["status"] == OK].merge(truth, on="customer_id", validate="one_to_one")
    assert len(both) > 1_000
    return both


def rank(a: "pd.Series[float]", b: "pd.Series[float]") -> float:
    return float(a.corr(b, method="spearman"))


def test_those_at_risk_are_found(known: pd.DataFrame) -> None:
    hazard = 1 - (1 - known["leave_hazard"]) * (1 - known["attrition_hazard"])
    riskiest = known["churn"] >= known["churn"].quantile(0.9)
    assert hazard[riskiest].mean() > 2 * hazard[~riskiest].mean()
    assert rank(known["churn"], known["leave_hazard"]) > 0.3


def test_value_ranks_and_adds_up_as_the_true_margin(known: pd.DataFrame) -> None:
    assert rank(known["value_expected"], known["margin_12m"]) > 0.8
    assert known["value_expected"].sum() == pytest.approx(known["margin_12m"].sum(), rel=0.2)


def test_products_go_to_those_who_want_them(known: pd.DataFrame) -> None:
    products = [c.removeprefix("propensity_") for c in known if c.startswith("propensity_")]
    found = {p: _agreement(known, p) for p in products}
    assert len(found) >= 2
    assert np.mean(list(found.values())) > 0.4, found
    for product in products:
        eligible = known[f"propensity_{product}"].notna()
        half_year = 1 - (1 - known[f"takeup_{product}"][eligible]) ** 6
        assert known[f"propensity_{product}"][eligible].mean() == pytest.approx(half_year.mean(), rel=0.6)


def _agreement(known: pd.DataFrame, product: str) -> float:
    eligible = known[f"propensity_{product}"].notna() & known[f"takeup_{product}"].notna()
    return rank(known[f"propensity_{product}"][eligible], known[f"takeup_{product}"][eligible])
