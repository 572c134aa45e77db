"""Reasons that a manager can rely on: true when taken away, and about the same after training anew."""

from dataclasses import replace

import numpy as np
import pytest

from features.home import Home
from features.settings import read_settings
from tests.training.examples import fit_quickly
from training.artifact import Model
from training.datasets import TrainingSet, training_set
from training.fit import Fitted, fit
from training.pages.drivers import drivers
from training.pages.reasons import agreement, reasons, taken_away
from training.specs import CHURN
from training.split import Split, out_of_time
from training.versions.champions import Champions


@pytest.fixture(scope="module")
def examples(bank: Home) -> TrainingSet:
    return training_set(bank, CHURN, read_settings({}), lambda _: None)


@pytest.fixture(scope="module")
def split(examples: TrainingSet) -> Split:
    return out_of_time(examples.frame, CHURN)


@pytest.fixture(scope="module")
def champion(bank: Home) -> Model:
    champions = Champions(bank)
    return champions.load(champions.champion("churn"))


def test_taken_away_the_first_reason_lowers_the_risk_and_another_seed_names_the_same(
    champion: Model, examples: TrainingSet, split: Split
) -> None:
    """Bounds: true for 75% of the customers; 50% keep their first reason, 75% among the first three."""
    found = reasons(champion, "churn", examples.frame, split)
    assert found.true >= 0.75
    assert found.again.same >= 0.5
    assert found.again.among >= 0.75
    assert found.again.drivers >= 0.75


def test_a_month_more_of_history_leaves_most_reasons_as_they_were(
    champion: Model, examples: TrainingSet, split: Split
) -> None:
    """Bounds: 40% of the customers keep their first reason, 70% among the first three."""
    times = examples.frame["as_of"].iloc[split.train]
    earlier = replace(split, train=split.train[(times < times.max()).to_numpy()])
    means = {"currency": "EUR", "threads": 1, "seed": 7, "tell": lambda _: None}
    before = fit(CHURN, examples, earlier, **means).model
    found = agreement((champion, before), "churn", examples.frame.iloc[split.test])
    assert 0.4 <= found.same < 1
    assert found.among >= 0.7
    assert found.drivers >= 0.7


def test_a_driver_moves_the_probability_the_way_its_words_say(
    champion: Model, examples: TrainingSet, split: Split
) -> None:
    """Everybody is given the tenth and then the ninetieth percentile of it, and is scored again."""
    test = examples.frame.iloc[split.test[::5]]
    matrix, names = champion.matrix(test), [f.name for f in champion.features]
    told = [d for d in drivers(champion, "churn", test, "risk")[:12] if d.way.startswith("the ")]
    assert len(told) >= 4
    for driver in told:
        place = names.index(driver.feature.name)
        low, high = (_given(champion, matrix, place, share) for share in (0.1, 0.9))
        assert (high > low) == driver.way.startswith("the higher"), driver.feature.name


def _given(model: Model, matrix: np.ndarray, place: int, share: float) -> float:
    changed = matrix.copy()
    changed[:, place] = np.nanquantile(matrix[:, place], share)
    return float(model.head("churn").raw(changed).mean())


def test_a_protected_feature_is_never_a_reason(churn_fitted: Fitted, churn_set: TrainingSet) -> None:
    """Where everything is protected there is no reason; a protected balance is nobody's first."""
    model, test = churn_fitted.model, churn_set.frame.tail(1500)

    def protecting(*names: str) -> Model:
        return replace(model, features=tuple(replace(f, protected=f.name in names) for f in model.features))

    everything = [f.name for f in model.features]
    none = protecting(*everything)
    assert agreement((none, model), "churn", test) is None
    assert np.isnan(taken_away(none, "churn", test))
    alike = agreement((protecting("balance"), protecting("balance", "noise")), "churn", test)
    assert 0 < alike.same <= 1 and alike.drivers == pytest.approx(1)
    assert agreement((protecting("balance"), model), "churn", test).same < 1


def test_a_model_agrees_with_itself_and_less_with_another(
    churn_fitted: Fitted, churn_set: TrainingSet
) -> None:
    model, test = churn_fitted.model, churn_set.frame.tail(1500)
    itself = agreement((model, model), "churn", test)
    assert (itself.same, itself.among) == (1.0, 1.0) and itself.drivers == pytest.approx(1)
    weak = fit_quickly(CHURN, churn_set, rounds=1).model
    other = agreement((model, weak), "churn", test)
    assert other.same < itself.same
