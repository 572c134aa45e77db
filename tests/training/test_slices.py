from dataclasses import replace

import numpy as np
import pytest

from training.datasets import TrainingSet
from training.evaluate import HeadResult, evaluate
from training.fit import Fitted
from training.measures import auc
from training.slices import FEWEST, Slice, slices
from training.specs import CHURN, VALUE
from training.split import Split, out_of_time

Shown = tuple[tuple[Slice, ...], int]


@pytest.fixture(scope="module")
def split(churn_set: TrainingSet) -> Split:
    return out_of_time(churn_set.frame, CHURN)


@pytest.fixture(scope="module")
def head(churn_fitted: Fitted, churn_set: TrainingSet, split: Split) -> HeadResult:
    return evaluate(churn_fitted.model, churn_set, split).heads[0]


@pytest.fixture(scope="module")
def shown(head: HeadResult, churn_fitted: Fitted, churn_set: TrainingSet, split: Split) -> Shown:
    return slices(head, churn_fitted.model, churn_set, split)


def test_each_kind_of_slice_holds_every_customer_of_the_test(shown: Shown, head: HeadResult) -> None:
    for by in ("age", "region"):
        assert sum(s.rows for s in shown[0] if s.by == by) == len(head.actual)
    assert shown[1] == 0


def test_a_slice_is_measured_on_its_own_customers(
    shown: Shown, head: HeadResult, churn_set: TrainingSet, split: Split
) -> None:
    (north,) = (s for s in shown[0] if s.name == "north")
    inside = churn_set.frame["region"].iloc[split.test].eq("north").to_numpy()
    actual, predicted = head.actual[inside], head.predicted[inside]
    assert north.rows == inside.sum()
    assert north.mean == pytest.approx(actual.mean())
    assert north.score == pytest.approx(auc(actual, predicted))
    assert north.low < north.score < north.high
    assert north.ratio == pytest.approx(actual.sum() / predicted.sum())


def test_bands_come_in_their_order_and_what_is_not_known_comes_last(shown: Shown) -> None:
    ages = [s.name for s in shown[0] if s.by == "age"]
    assert ages == ["under 26", "26 to 44", "45 to 64", "65 and older"]
    assert [s.name for s in shown[0] if s.by == "region"][-1] == "not known"


def test_months_before_the_tests_are_those_of_customers_the_trees_never_saw(
    shown: Shown, churn_set: TrainingSet, split: Split
) -> None:
    months = [s for s in shown[0] if s.by == "month"]
    assert months[-1].name.endswith("the test")
    assert sum(s.rows for s in months[:-1]) == len(split.calibrate)


def test_slices_of_a_few_customers_are_hidden_and_counted(
    head: HeadResult, churn_fitted: Fitted, churn_set: TrainingSet, split: Split
) -> None:
    frame = churn_set.frame.copy()
    place = frame.columns.get_loc("region")
    frame.iloc[split.test[: FEWEST - 1], place] = "islet"
    frame.iloc[split.test[FEWEST : 2 * FEWEST], place] = "island"
    found, hidden = slices(head, churn_fitted.model, replace(churn_set, frame=frame), split)
    names = [s.name for s in found]
    assert "islet" not in names and "island" in names
    assert hidden == 1


def test_amounts_are_sliced_by_gini(value_fitted: Fitted, value_set: TrainingSet) -> None:
    split = out_of_time(value_set.frame, VALUE)
    whole = evaluate(value_fitted.model, value_set, split).heads[-1]
    found, _ = slices(whole, value_fitted.model, value_set, split)
    assert all(0 < s.score <= 1 and np.isnan(s.low) for s in found)
    assert [s.ratio for s in found if s.by == "month"] == [pytest.approx(1, abs=0.1)] * 3
