from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError, RefusedError
from tests.training.examples import make_set, quick
from training.datasets import TrainingSet
from training.specs import CHURN, PROPENSITY, VALUE, ModelSpec
from training.split import latest_rows, out_of_time
from training.tune import Budget, Tuned, tune


def _tuned(spec: ModelSpec, examples: TrainingSet, threads: int = 1, **how) -> Tuned:
    budget = Budget(**(how or {"trials": 3}))
    split = out_of_time(examples.frame, spec)
    return tune(quick(spec), examples, split, seed=7, threads=threads, tell=lambda _: None, budget=budget)


@pytest.fixture(scope="module")
def churn_tuned(churn_set: TrainingSet) -> Tuned:
    return _tuned(CHURN, churn_set)


def test_a_number_of_trials_gives_the_same_parameters_with_one_thread_or_two(
    churn_tuned, churn_set
) -> None:
    assert _tuned(CHURN, churn_set, threads=2) == churn_tuned
    assert churn_tuned.trials == 3


def test_what_is_chosen_is_never_worse_on_the_folds_than_the_specs_own(churn_tuned: Tuned) -> None:
    assert churn_tuned.loss <= churn_tuned.loss_before < 1
    if churn_tuned.loss == churn_tuned.loss_before:
        assert churn_tuned.params == quick(CHURN).params


def test_test_rows_and_calibration_customers_do_not_reach_the_choice(churn_tuned, churn_set) -> None:
    split = out_of_time(churn_set.frame, CHURN)
    frame = churn_set.frame.copy()
    hidden = np.concatenate([split.test, split.calibrate])
    frame.loc[hidden, "churn"] = 1 - frame.loc[hidden, "churn"]
    frame.loc[hidden, "balance"] = 0.0
    assert _tuned(CHURN, replace(churn_set, frame=frame)) == churn_tuned


def test_folds_learn_from_outcomes_that_were_known_when_their_check_began() -> None:
    examples = make_set(CHURN, customers=300, snapshots=12)
    spec = replace(CHURN, horizon_days=180, gap_days=14)
    split = out_of_time(examples.frame, spec)
    tuned = tune(quick(spec, 5), examples, split, budget=Budget(1), seed=1, threads=1, tell=lambda _: None)
    times = examples.frame["as_of"].iloc[split.train]
    reach = pd.Timedelta(days=194)
    counts = times.value_counts()
    known = {int(counts[counts.index + reach <= moment].sum()) for moment in counts.index}
    assert len(tuned.folds) == 2
    assert {learned for learned, _ in tuned.folds} <= known


@pytest.mark.parametrize("spec", [VALUE, PROPENSITY], ids=lambda s: s.name)
def test_amounts_and_products_are_tuned_too(spec: ModelSpec, request: pytest.FixtureRequest) -> None:
    tuned = _tuned(spec, request.getfixturevalue(f"{spec.name}_set"), trials=2)
    assert 0 < tuned.loss < 1
    assert {"num_iterations", "num_leaves"} <= set(tuned.params)


def test_a_time_budget_tries_at_least_one(churn_set: TrainingSet) -> None:
    assert _tuned(CHURN, churn_set, seconds=0.2).trials >= 1


def test_tuning_without_a_budget_is_refused(churn_set: TrainingSet) -> None:
    with pytest.raises(InputError, match="number of trials or of seconds"):
        _tuned(CHURN, churn_set, trials=None)


def test_one_moment_or_one_outcome_cannot_be_tuned(churn_set: TrainingSet) -> None:
    spec = replace(CHURN, horizon_days=0, gap_days=0)
    two = replace(
        churn_set, frame=churn_set.frame[churn_set.frame["as_of"] < "2024-06-01"].reset_index(drop=True)
    )
    split = latest_rows(two.frame, spec)
    with pytest.raises(RefusedError, match=r"one moment only.*cure: train without tuning"):
        tune(quick(spec), two, split, budget=Budget(1), seed=1, threads=1, tell=lambda _: None)
    with pytest.raises(RefusedError, match=r"no fold .* 10 of either outcome; cure"):
        _tuned(CHURN, replace(churn_set, frame=churn_set.frame.assign(churn=0.0)))
