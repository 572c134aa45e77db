from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.examples import CURRENCY, fit_quickly, make_set, quick
from training.artifact import load_model, save_model
from training.datasets import TrainingSet
from training.evaluate import evaluate
from training.fit import Fitted
from training.gates import judge
from training.measures import auc
from training.passing import fit_passing
from training.pooled import Prior, any_taken, prior_over
from training.specs import PROPENSITY
from training.split import Split, out_of_time

TRUE_RATE = 0.006
rates = st.floats(0.0, 1.0)
counts = st.floats(0.0, 1e6)


@pytest.fixture(scope="module")
def examples() -> TrainingSet:
    """Beside the cards that many take: a boat that few take, in the same order, and a plane that is new."""
    usual = make_set(PROPENSITY, customers=2500)
    rng = np.random.default_rng(2)
    card = usual.frame["card"].to_numpy()
    # Whoever took a card is four times as likely to take a boat, at this rate in all.
    chance = TRUE_RATE * np.where(card == 1.0, 4.0, 1.0)
    chance *= TRUE_RATE / chance.mean()
    boat = (rng.random(len(card)) < chance).astype("float64")
    frame = usual.frame.drop(columns="loan").assign(boat=boat, plane=np.nan)
    return replace(usual, frame=frame, labels=("card", "boat", "plane"))


@pytest.fixture(scope="module")
def split(examples: TrainingSet) -> Split:
    return out_of_time(examples.frame, PROPENSITY)


@pytest.fixture(scope="module")
def fitted(examples: TrainingSet) -> Fitted:
    return fit_quickly(PROPENSITY, examples)


@given(prior=st.floats(0.001, 0.999), weight=st.floats(1.0, 1e6), rate=rates, customers=counts)
def test_a_shrunk_rate_lies_between_the_products_and_the_banks(
    prior: float, weight: float, rate: float, customers: float
) -> None:
    found = Prior(prior, weight).shrunk(rate, customers)
    slack = 1e-9
    assert min(rate, prior) - slack <= found <= max(rate, prior) + slack
    more = Prior(prior, weight).shrunk(rate, 2 * customers + 1)
    assert abs(more - rate) <= abs(found - rate) + slack, "the more customers, the closer to its own rate"


def test_without_customers_the_prior_stands_and_with_as_many_as_it_weighs_the_middle() -> None:
    prior = Prior(0.04, 200.0)
    assert prior.shrunk(0.0, 0.0) == 0.04
    assert prior.shrunk(0.0, 200.0) == pytest.approx(0.02)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), strength=st.sampled_from([20.0, 100.0, 500.0]))
def test_the_priors_weight_is_that_of_the_law_that_the_rates_were_drawn_from(
    seed: int, strength: float
) -> None:
    rng = np.random.default_rng(seed)
    customers = rng.integers(2_000, 6_000, 2_000).astype("float64")
    true = rng.beta(0.05 * strength, 0.95 * strength, len(customers))
    prior = prior_over(rng.binomial(customers.astype(int), true) / customers, customers)
    assert prior.rate == pytest.approx(0.05, rel=0.15)
    assert prior.weight == pytest.approx(strength, rel=0.35)


def test_products_that_are_all_alike_stand_for_each_other() -> None:
    prior = prior_over(np.full(5, 0.03), np.full(5, 1000.0))
    assert prior.weight > 1e5
    assert prior_over(np.array([0.03]), np.array([10.0])).rate == 0.03


def test_anything_is_what_was_taken_of_what_could_be() -> None:
    card, loan = np.array([1.0, 0.0, np.nan, np.nan]), np.array([0.0, 0.0, 1.0, np.nan])
    np.testing.assert_array_equal(any_taken({"card": card, "loan": loan}), [1.0, 0.0, 1.0, np.nan])


def test_a_rare_product_and_a_new_one_are_answered_and_the_log_says_why(fitted: Fitted) -> None:
    assert [(h.name, h.basis) for h in fitted.model.heads] == [
        ("card", "own"), ("boat", "pooled"), ("plane", "pooled"),
    ]  # fmt: skip
    assert "positives in the" in fitted.log.pooled["boat"]
    assert "no outcome of it in the training rows" in fitted.log.pooled["plane"]


def test_the_level_of_a_rare_product_is_the_true_one_within_its_shrinkage(
    fitted: Fitted, examples: TrainingSet, split: Split
) -> None:
    test = examples.frame.iloc[split.test]
    mean = fitted.model.predict(fitted.model.matrix(test))["boat"].mean()
    card = examples.frame["card"].mean()
    assert TRUE_RATE / 2 < mean < TRUE_RATE * 2
    assert mean < card / 10, "far more is known of it than of nothing"


def test_a_new_product_has_the_banks_level(fitted: Fitted, examples: TrainingSet, split: Split) -> None:
    known = examples.frame.iloc[np.concatenate([split.train, split.calibrate])]
    customers = [known.loc[known[p].notna(), "customer_id"].nunique() for p in ("card", "boat")]
    bank = np.average([known[p].mean() for p in ("card", "boat")], weights=customers)
    held_out = examples.frame.iloc[split.calibrate]
    mean = fitted.model.predict(fitted.model.matrix(held_out))["plane"].mean()
    assert mean == pytest.approx(bank, rel=1e-6)


def test_few_takers_are_found_by_the_order_that_all_products_share(
    fitted: Fitted, examples: TrainingSet, split: Split
) -> None:
    test = examples.frame.iloc[split.test]
    p = fitted.model.predict(fitted.model.matrix(test))["boat"]
    # Who took a card is who would rather take a boat, and there are enough of them to tell.
    known = test["card"].notna().to_numpy()
    assert auc(test["card"].to_numpy()[known], p[known]) > 0.65


def test_the_test_says_nothing_of_what_was_not_on_sale(
    fitted: Fitted, examples: TrainingSet, split: Split
) -> None:
    found = evaluate(fitted.model, examples, split).metrics
    assert list(found) == ["card", "boat"]
    assert found["boat"]["pooled"] == 1.0 and "pooled" not in found["card"]


def test_the_gates_judge_a_rare_product_by_its_level_and_let_a_new_one_be(
    examples: TrainingSet, split: Split
) -> None:
    spec = quick(PROPENSITY)
    found, evaluation = fit_passing(
        *(spec, examples, split), currency=CURRENCY, threads=1, seed=7, tell=lambda _: None
    )
    assert [h.name for h in found.model.heads] == ["card", "boat", "plane"] and found.log.refused == {}
    verdict = judge(spec, evaluation.metrics, None)
    assert verdict.promote
    assert [c.gate for c in verdict.checks if c.head == "boat"] == ["takers of a pooled product"]
    assert any(reason.startswith("boat: pooled with the other products") for reason in verdict.reasons)


def test_pooled_heads_are_stored_once_and_answer_to_the_bit(
    tmp_path: Path, fitted: Fitted, examples: TrainingSet
) -> None:
    folder = tmp_path / "model"
    loaded = load_model(folder, save_model(folder, fitted.model))
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*.txt")}
    assert files == {"heads/card.txt", "pooled.txt"}
    matrix = loaded.matrix(examples.frame.head(200))
    was, now = fitted.model.predict(matrix), loaded.predict(matrix)
    assert all((was[name] == now[name]).all() for name in ("card", "boat", "plane"))
    assert loaded.head("boat").booster is loaded.head("plane").booster
    raw = loaded.head("boat").raw(matrix)
    bias = raw - loaded.contributions("boat", matrix).sum(axis=1)
    np.testing.assert_allclose(bias, bias[0], rtol=1e-9)
