import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.examples import make_set, quick
from training.contract import Feature
from training.datasets import TrainingSet
from training.evaluate import evaluate
from training.fit import fit
from training.leaks import Warned, known_after, missingness, random_above_time, warnings
from training.specs import CHURN
from training.split import out_of_time

SPEC = quick(CHURN)


def _number(name: str) -> Feature:
    return Feature(name, "float64", None, 0.0, name, "", False)


def _warned(examples: TrainingSet) -> tuple[Warned, ...]:
    split = out_of_time(examples.frame, CHURN)
    how = {"currency": "", "threads": 1, "seed": 7, "tell": lambda _: None}
    model = fit(SPEC, examples, split, **how).model
    return warnings(model, examples, split, evaluate(model, examples, split), SPEC, threads=1)


def _with(examples: TrainingSet, **columns: np.ndarray) -> TrainingSet:
    return TrainingSet(
        examples.frame.assign(**columns), examples.fields, examples.labels, examples.fingerprint
    )


def test_an_honest_table_gives_no_warning(churn_set: TrainingSet) -> None:
    assert _warned(churn_set) == ()


def test_a_column_that_is_the_outcome_in_disguise_is_named(churn_set: TrainingSet) -> None:
    rng = np.random.default_rng(1)
    told = churn_set.frame["churn"].to_numpy() + 0.2 * rng.normal(size=len(churn_set.frame))
    lone = [w for w in _warned(_with(churn_set, noise=told)) if w.kind == "lone feature"]
    assert [w.column for w in lone] == ["noise"]
    assert lone[0].figure > 0.98
    assert "cure: --exclude noise" in lone[0].text


def test_a_column_that_is_filled_in_by_what_happens_is_named(churn_set: TrainingSet) -> None:
    filled = np.where(churn_set.frame["churn"] == 1, churn_set.frame["balance"], np.nan)
    found = {(w.kind, w.column) for w in _warned(_with(churn_set, noise=filled))}
    assert ("missingness", "noise") in found
    assert ("lone feature", "noise") in found


def test_missing_by_chance_is_no_warning() -> None:
    rng = np.random.default_rng(2)
    values = np.where(rng.random((4000, 1)) < 0.4, np.nan, 1.0)
    outcome = (rng.random(4000) < 0.1).astype(float)
    assert missingness([_number("a")], values, outcome) == []


def test_a_feature_that_moved_is_told_with_its_index(churn_set: TrainingSet) -> None:
    last = churn_set.frame["as_of"] == churn_set.frame["as_of"].max()
    moved = np.where(last, churn_set.frame["sessions"] + 5, churn_set.frame["sessions"])
    drifted = [w for w in _warned(_with(churn_set, sessions=moved)) if w.kind == "drift"]
    assert [w.column for w in drifted] == ["sessions"]
    assert drifted[0].figure > 0.25


def test_what_holds_on_a_random_split_only_is_told_with_its_column() -> None:
    """A number that names the month tells each month's rate, which says nothing of the next one."""
    rng = np.random.default_rng(3)
    month = np.repeat(np.arange(20.0), 200)
    rate = np.where(month % 2 == 0, 0.05, 0.6)
    rate[month >= 16] = np.where(month[month >= 16] % 2 == 0, 0.6, 0.05)
    outcome = (rng.random(len(month)) < rate).astype(float)
    matrix = np.column_stack([rng.normal(size=len(month)), month])
    earlier, later = month < 16, month >= 16
    features = [_number("noise"), _number("month")]
    spec = quick(CHURN)
    found = random_above_time(
        features, (matrix[earlier], outcome[earlier]), (matrix[later], outcome[later]), spec, threads=1
    )
    assert [(w.kind, w.column) for w in found] == [("random split", "month")]
    assert found[0].figure > 0.05


TIMES = pd.Series(pd.date_range("2024-01-01", periods=300, freq="D", tz="UTC"))
SECONDS = TIMES.dt.tz_convert(None).astype("datetime64[s]").astype("int64").to_numpy()


@pytest.mark.parametrize("form", ["seconds", "milliseconds", "digits"])
def test_a_number_that_is_a_later_date_is_told(form: str) -> None:
    after = TIMES + pd.Timedelta(days=40)
    values = {
        "seconds": SECONDS + 40 * 86_400.0,
        "milliseconds": (SECONDS + 40 * 86_400.0) * 1000,
        "digits": after.dt.strftime("%Y%m%d").astype(float).to_numpy(),
    }[form]
    values = np.where(np.arange(300) % 3 == 0, values, np.nan)
    found = known_after([_number("closed")], values[:, None], TIMES)
    assert [(w.kind, w.column) for w in found] == [("known after", "closed")]
    assert found[0].figure == pytest.approx(1 / 3)


def test_an_earlier_date_and_plain_numbers_are_no_warning() -> None:
    rng = np.random.default_rng(4)
    cents = np.round(rng.lognormal(15, 3, 300))
    before = SECONDS - 400 * 86_400.0
    assert known_after([_number("c"), _number("b")], np.column_stack([cents, before]), TIMES) == []


@given(st.lists(st.integers(-(10**9), 10**8), min_size=300, max_size=300))
def test_whole_numbers_below_any_date_are_never_taken_for_one(values: list[int]) -> None:
    held = np.array(values, dtype=float)
    held[0] = 7.0
    assert known_after([_number("n")], held[:, None], TIMES) == []


def test_warnings_come_from_the_training_and_test_rows_of_another_seed_too() -> None:
    assert _warned(make_set(CHURN, customers=2500, seed=5)) == ()
