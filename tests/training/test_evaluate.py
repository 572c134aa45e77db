from dataclasses import replace

import numpy as np
import pytest

from tests.training.examples import fit_quickly
from training.datasets import TrainingSet
from training.evaluate import evaluate
from training.fit import Fitted
from training.measures import auc
from training.specs import CHURN, PROPENSITY, VALUE
from training.split import out_of_time, out_of_time_and_customer


def test_churn_is_measured_on_the_test_rows_alone(churn_fitted: Fitted, churn_set: TrainingSet) -> None:
    split = out_of_time(churn_set.frame, CHURN)
    (head,) = evaluate(churn_fitted.model, churn_set, split).heads
    test = churn_set.frame.iloc[split.test]
    assert head.metrics["rows"] == len(test)
    assert head.metrics["positives"] == test["churn"].sum()
    assert 0.70 < head.metrics["auc"] < 0.95
    assert head.metrics["calibration_slope"] == pytest.approx(1.0, abs=0.25)
    assert head.metrics["observed_to_expected"] == pytest.approx(1.0, abs=0.15)
    assert head.metrics["brier"] < head.metrics["brier_base_rate"]
    assert head.metrics["lift_5"] > 1.5
    frame = churn_set.frame.copy()
    frame.loc[split.train, "churn"] = 0.0
    frame.loc[split.train[:50], "churn"] = 1.0
    again = evaluate(churn_fitted.model, replace(churn_set, frame=frame), split).heads[0].metrics
    assert {k: v for k, v in again.items() if k != "lone_auc"} == {
        k: v for k, v in head.metrics.items() if k != "lone_auc"
    }


def test_the_model_beats_the_best_single_feature(churn_fitted: Fitted, churn_set: TrainingSet) -> None:
    (head,) = evaluate(churn_fitted.model, churn_set, out_of_time(churn_set.frame, CHURN)).heads
    assert head.lone_feature in {"balance", "sessions"}
    assert 0.6 < head.metrics["lone_auc"] < head.metrics["auc"]


@pytest.mark.parametrize("leak", ["number", "missing", "middle"])
def test_a_leak_is_found_by_value_by_missingness_and_by_shape(churn_set: TrainingSet, leak: str) -> None:
    y = churn_set.frame["churn"].to_numpy()
    rng = np.random.default_rng(2)
    noise = {
        "number": y + rng.uniform(0, 0.5, len(y)),
        "missing": np.where(y > 0, np.nan, rng.normal(size=len(y))),
        "middle": np.where(y > 0, rng.uniform(0, 1, len(y)), rng.choice([-1.0, 1.0], len(y)) * 5),
    }[leak]
    leaky = replace(churn_set, frame=churn_set.frame.assign(noise=noise))
    model = fit_quickly(CHURN, leaky).model
    (head,) = evaluate(model, leaky, out_of_time(leaky.frame, CHURN)).heads
    assert head.lone_feature == "noise"
    assert head.metrics["lone_auc"] > 0.98


def test_unseen_customers_are_scored_nearly_as_well(churn_set: TrainingSet, churn_fitted: Fitted) -> None:
    split = out_of_time_and_customer(churn_set.frame, CHURN)
    (head,) = evaluate(churn_fitted.model, churn_set, split).heads
    assert head.metrics["auc"] > 0.65


def test_value_is_measured_by_part_and_as_a_whole(value_fitted: Fitted, value_set: TrainingSet) -> None:
    evaluation = evaluate(value_fitted.model, value_set, out_of_time(value_set.frame, VALUE))
    assert [h.name for h in evaluation.heads] == [
        "interest_margin", "fees", "cost_to_serve", "expected_loss", "value",
    ]  # fmt: skip
    whole = evaluation.metrics["value"]
    assert whole["coverage"] == pytest.approx(0.8, abs=0.05)
    assert whole["coverage"] + whole["below_p10"] + whole["above_p90"] == pytest.approx(1.0)
    assert whole["gini"] > whole["carried_on_gini"] > 0
    assert whole["mae_share"] < whole["carried_on_mae_share"]
    assert abs(whole["bias"]) < 0.05
    assert "gini" not in evaluation.metrics["expected_loss"]


def test_products_are_measured_on_eligible_rows(propensity_set: TrainingSet) -> None:
    model = fit_quickly(PROPENSITY, propensity_set).model
    split = out_of_time(propensity_set.frame, PROPENSITY)
    (head,) = evaluate(model, propensity_set, split).heads
    test = propensity_set.frame.iloc[split.test]
    known = test["card"].notna().to_numpy()
    assert head.metrics["rows"] == known.sum() < len(test)
    p = model.predict(model.matrix(test))["card"][known]
    assert head.metrics["auc"] == auc(test["card"].to_numpy()[known], p)
