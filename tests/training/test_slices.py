from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.families.base import Field
from training.datasets import TrainingSet
from training.evaluate import Evaluation, HeadResult, evaluate
from training.fit import Fitted
from training.gates import judge
from training.measures import auc, normalised_gini
from training.slices import FEWEST, JUDGED_POSITIVES, JUDGED_ROWS, Parts, judged, slices_of
from training.specs import CHURN, VALUE
from training.split import Split, out_of_time


@pytest.fixture(scope="module")
def split(churn_set: TrainingSet) -> Split:
    return out_of_time(churn_set.frame, CHURN)


@pytest.fixture(scope="module")
def evaluation(churn_fitted: Fitted, churn_set: TrainingSet, split: Split) -> Evaluation:
    return evaluate(churn_fitted.model, churn_set, split)


@pytest.fixture(scope="module")
def head(evaluation: Evaluation) -> HeadResult:
    return evaluation.heads[0]


@pytest.fixture(scope="module")
def shown(evaluation: Evaluation, churn_fitted: Fitted, churn_set: TrainingSet, split: Split) -> Parts:
    return slices_of(churn_fitted.model, evaluation, churn_set, split)["churn"]


@pytest.fixture(scope="module")
def worth(value_fitted: Fitted, value_set: TrainingSet) -> tuple[Evaluation, Parts]:
    split = out_of_time(value_set.frame, VALUE)
    found = evaluate(value_fitted.model, value_set, split)
    return found, slices_of(value_fitted.model, found, value_set, split)["value"]


def test_each_kind_of_slice_holds_every_customer_of_the_test(shown: Parts, head: HeadResult) -> None:
    for by in ("age", "region"):
        assert sum(s.rows for s in shown.shown if s.by == by) == len(head.actual)
    assert shown.hidden == 0


def test_a_slice_is_measured_on_its_own_customers(
    shown: Parts, head: HeadResult, churn_set: TrainingSet, split: Split
) -> None:
    (north,) = (s for s in shown.shown if s.name == "north")
    inside = churn_set.frame["region"].iloc[split.test].eq("north").to_numpy()
    actual, predicted = head.actual[inside], head.predicted[inside]
    assert (north.rows, north.positives) == (inside.sum(), actual.sum())
    assert north.mean == pytest.approx(actual.mean())
    assert north.score.point == pytest.approx(auc(actual, predicted))
    assert north.score.low < north.score.point < north.score.high
    assert north.level.point == pytest.approx(actual.sum() / predicted.sum())
    assert north.level.low < north.level.point < north.level.high


def test_the_interval_of_a_level_is_the_one_that_customers_drawn_again_show(
    shown: Parts, head: HeadResult, churn_set: TrainingSet, split: Split
) -> None:
    (north,) = (s for s in shown.shown if s.name == "north")
    inside = churn_set.frame["region"].iloc[split.test].eq("north").to_numpy()
    actual, predicted = head.actual[inside], head.predicted[inside]
    rows = np.random.default_rng(0).integers(0, len(actual), (4000, len(actual)))
    low, high = np.quantile(actual[rows].sum(axis=1) / predicted[rows].sum(axis=1), (0.025, 0.975))
    assert (north.level.low, north.level.high) == pytest.approx((low, high), abs=0.02)


def test_bands_come_in_their_order_and_what_is_not_known_comes_last(shown: Parts) -> None:
    ages = [s.name for s in shown.shown if s.by == "age"]
    assert ages == ["under 26", "26 to 44", "45 to 64", "65 and older"]
    assert [s.name for s in shown.shown if s.by == "region"][-1] == "not known"


def test_months_before_the_tests_are_those_of_customers_the_trees_never_saw(
    shown: Parts, head: HeadResult, split: Split
) -> None:
    months = [s for s in shown.shown if s.by == "month"]
    assert months[-1].name.endswith("the test") and months[-1].rows == len(head.actual)
    assert all(s.name.endswith("unseen customers") for s in months[:-1])
    assert sum(s.rows for s in months[:-1]) == len(split.calibrate)


def test_slices_of_a_few_customers_are_hidden_and_counted(
    evaluation: Evaluation, churn_fitted: Fitted, churn_set: TrainingSet, split: Split
) -> None:
    frame = churn_set.frame.copy()
    place = frame.columns.get_loc("region")
    frame.iloc[split.test[: FEWEST - 1], place] = "islet"
    frame.iloc[split.test[FEWEST : 2 * FEWEST], place] = "island"
    found = slices_of(churn_fitted.model, evaluation, replace(churn_set, frame=frame), split)["churn"]
    names = {s.name: s for s in found.shown}
    assert "islet" not in names and found.hidden == 1
    assert not names["island"].judged, "it is shown, and too small to be held against a model"
    assert "region=island" not in judged({"churn": found})["churn"]


def test_what_the_bank_itself_tells_apart_comes_first_and_nobody_is_lost(
    evaluation: Evaluation, head: HeadResult, churn_fitted: Fitted, churn_set: TrainingSet, split: Split
) -> None:
    tiers = np.where(np.arange(len(split.test)) % 3 == 0, "gold", "")
    found = slices_of(churn_fitted.model, evaluation, churn_set, split, {"tier": tiers})["churn"].shown
    assert [(s.by, s.name) for s in found[:2]] == [("tier", "gold"), ("tier", "not known")]
    assert found[0].rows + found[1].rows == len(head.actual)
    gold = tiers[head.rows] == "gold"
    assert found[0].score.point == pytest.approx(auc(head.actual[gold], head.predicted[gold]))


def test_amounts_are_sliced_by_gini_and_bias_with_their_intervals(
    worth: tuple[Evaluation, Parts], value_set: TrainingSet
) -> None:
    evaluation, found = worth
    whole = evaluation.heads[-1]
    assert all(0 < s.score.low < s.score.point < s.score.high <= 1 for s in found.shown)
    (north,) = (s for s in found.shown if s.name == "north")
    test = value_set.frame[value_set.frame["as_of"] == value_set.frame["as_of"].max()]
    inside = test.sort_values("customer_id")["region"].eq("north").to_numpy()
    actual, predicted = whole.actual[inside], whole.predicted[inside]
    assert north.score.point == pytest.approx(normalised_gini(actual, predicted))
    usual = max(abs(actual.mean()), abs(whole.actual.mean()))
    assert north.level.point == pytest.approx((predicted.mean() - actual.mean()) / usual)
    assert north.level.low < north.level.point < north.level.high
    assert [s.level.point for s in found.shown if s.by == "month"] == [pytest.approx(0, abs=0.1)] * 3


def test_the_gates_read_the_slices_that_are_large_enough_and_no_others() -> None:
    n = 4 * JUDGED_POSITIVES
    actual = np.tile([1.0, 0.0], n // 2)
    predicted = np.where(actual > 0, 0.6, 0.4)
    predicted[: n // 2] = predicted[: n // 2][::-1]  # the north is told the wrong way round
    found = _made_up("probability", actual, predicted, ["north"] * (n // 2) + ["south"] * (n // 2))
    assert {"region=north", "region=south", "kind=person", "time with the bank=1 to 3 years"} <= set(found)
    assert not {"kind=business", "time with the bank=not known"} & set(found)
    assert (found["region=north"]["auc"], found["region=south"]["auc"]) == (0.0, 1.0)
    assert found["region=north"]["observed_to_expected"] == pytest.approx(1.0)
    assert found["region=south"]["positives"] == JUDGED_POSITIVES
    good = {"positives": 100.0, "auc": 0.8, "lift_10": 3.0, "calibration_slope": 1.0}
    verdict = judge(CHURN, {"churn": good}, None, slices={"churn": found})
    assert [r for r in verdict.reasons if "region=north" in r] and not verdict.promote


@pytest.mark.parametrize(("low", "passes"), [(1.0, True), (1.5, False)], ids=["right", "half too high"])
def test_a_model_of_value_that_is_wrong_about_a_slice_is_refused(low: float, passes: bool) -> None:
    """The south is predicted `low` times what it brings; half the customers make up for it."""
    n = 4 * JUDGED_ROWS
    actual = np.random.default_rng(0).gamma(2.0, 50.0, n)
    south = np.arange(n) % 2 == 0
    predicted = actual * np.where(south, low, 2.0 - low)
    found = _made_up("amount", actual, predicted, np.where(south, "south", "north").tolist())
    worth = {"rows": 400.0, "gini": 0.8, "bias": 0.0, "coverage": 0.8, "calibration_slope": 1.0}
    verdict = judge(VALUE, {"value": worth}, None, slices={"value": found})
    assert verdict.promote is passes
    if not passes:
        assert any("value: bias where region=south +50" in reason for reason in verdict.reasons)
        assert any("value: bias where region=north -" in reason for reason in verdict.reasons)


def test_a_slices_bias_that_chance_explains_is_not_held_against_a_model() -> None:
    worth = {"rows": 400.0, "gini": 0.8, "bias": 0.0, "coverage": 0.8, "calibration_slope": 1.0}
    wide = {"region=south": {"rows": 120.0, "bias": 0.3, "bias_low": 0.2, "bias_high": 0.4}}
    assert judge(VALUE, {"value": worth}, None, slices={"value": wide}).promote
    clear = {"region=south": {"rows": 120.0, "bias": 0.3, "bias_low": 0.26, "bias_high": 0.34}}
    (reason,) = judge(VALUE, {"value": worth}, None, slices={"value": clear}).reasons
    assert reason == (
        "value: bias where region=south +30.0% (+26.0% to +34.0%), must be within 25% of what such "
        "customers bring, or its 95% interval off"
    )


def _made_up(
    kind: str, actual: np.ndarray, predicted: np.ndarray, region: list[str]
) -> dict[str, dict[str, float]]:
    """The judged slices of one head over made-up customers at one snapshot."""
    n, name = len(actual), "value" if kind == "amount" else "churn"
    frame = pd.DataFrame(
        {
            "customer_id": [f"C{i}" for i in range(n)],
            "as_of": pd.Timestamp("2025-01-01", tz="UTC"),
            name: actual,
            "region": region,
            "kind": ["person"] * (n - 25) + ["business"] * 25,
            "tenure_days": np.r_[np.full(n - 22, 400.0), np.full(22, np.nan)],
        }
    )
    examples = TrainingSet(frame, (Field("region", "string", "", "", ""),), (name,), "0")
    result = HeadResult(name, kind, {}, actual, predicted, rows=np.arange(n))
    nobody = np.empty(0, dtype=np.intp)
    split = Split(nobody, nobody, np.arange(n))
    return judged(slices_of(None, Evaluation((result,)), examples, split))[name]
