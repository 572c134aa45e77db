from dataclasses import replace

import numpy as np
import pytest

from tests.training.examples import fit_quickly
from training.added import added_products
from training.datasets import TrainingSet
from training.evaluate import Evaluation, HeadResult, evaluate
from training.fit import Fitted
from training.measures import auc
from training.specs import CHURN, PROPENSITY, VALUE
from training.split import out_of_time, out_of_time_and_customer
from training.worth.baselines import CARRIED_ON, RETAINED


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
    assert whole["gini"] > whole["average_retention_gini"] > 0
    assert whole["mae_share"] < whole["average_retention_mae_share"]
    assert abs(whole["bias"]) < 0.05
    assert "gini" not in evaluation.metrics["expected_loss"]


def test_products_are_measured_on_eligible_rows(propensity_set: TrainingSet) -> None:
    model = fit_quickly(PROPENSITY, propensity_set).model
    split = out_of_time(propensity_set.frame, PROPENSITY)
    head, _ = evaluate(model, propensity_set, split).heads
    test = propensity_set.frame.iloc[split.test]
    known = test["card"].notna().to_numpy()
    assert head.metrics["rows"] == known.sum() < len(test)
    p = model.predict(model.matrix(test))["card"][known]
    assert head.metrics["auc"] == auc(test["card"].to_numpy()[known], p)


def test_the_plain_amounts_are_what_the_customer_brought_before(
    value_fitted: Fitted, value_set: TrainingSet
) -> None:
    split = out_of_time(value_set.frame, VALUE)
    whole = evaluate(value_fitted.model, value_set, split).heads[-1]
    test = value_set.frame.iloc[split.test]
    known = value_set.frame.iloc[np.concatenate([split.train, split.calibrate])]
    for row in (0, 17, 400):
        own = known[known["customer_id"] == test["customer_id"].iloc[row]].sort_values("as_of")["value"]
        assert whole.baselines[CARRIED_ON][row] == own.iloc[-1]
        assert whole.baselines[RETAINED][row] == pytest.approx(own.mean()), "all of them stayed"


def test_average_times_retention_knows_that_some_leave(
    value_fitted: Fitted, value_set: TrainingSet
) -> None:
    split = out_of_time(value_set.frame, VALUE)
    half = replace(split, test=split.test[: len(split.test) // 2])
    whole = evaluate(value_fitted.model, value_set, split).heads[-1]
    fewer = evaluate(value_fitted.model, value_set, half).heads[-1]
    assert fewer.baselines[RETAINED] == pytest.approx(whole.baselines[RETAINED][: len(half.test)] / 2)


def test_rows_say_which_of_the_test_a_head_was_asked_for(propensity_set: TrainingSet) -> None:
    model = fit_quickly(PROPENSITY, propensity_set).model
    split = out_of_time(propensity_set.frame, PROPENSITY)
    head, _ = evaluate(model, propensity_set, split).heads
    labels = propensity_set.frame["card"].to_numpy()[split.test[head.rows]]
    assert np.array_equal(labels, head.actual)


def test_added_products_are_ranked_over_all_heads_together() -> None:
    def head(name: str, rows: list[int], actual: list[float], predicted: list[float]) -> HeadResult:
        both = (np.array(actual), np.array(predicted))
        return HeadResult(name, "probability", {}, *both, rows=np.array(rows))

    card = head("card", [0, 1, 2], [1, 0, 0], [0.9, 0.1, 0.2])
    loan = head("loan", [0, 1, 3], [0, 1, 0], [0.2, 0.3, 0.4])
    found = added_products(Evaluation((card, loan)), k=1)
    assert found["customers"] == 2
    assert found["map_1"] == found["hit_1"] == 1.0
    assert found["popular_hit_1"] == 0.5, "card and loan are equally popular, and card comes first"
    assert found["coverage_1"] == 1.0
    nobody = head("card", [0, 1], [0, 0], [0.1, 0.2])
    assert added_products(Evaluation((nobody,))) == {}
    assert added_products(Evaluation(())) == {}
