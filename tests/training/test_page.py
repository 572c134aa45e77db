import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from features.home import Home
from tests.training.examples import fit_quickly
from training.datasets import TrainingSet
from training.evaluate import HeadResult, evaluate
from training.fit import Fitted
from training.gates import Verdict
from training.pages.changes import Champion, change
from training.pages.drivers import drivers, shifts
from training.pages.grade import grade_amount, grade_probability, paired_auc, paired_gini
from training.pages.page import model_page, write_page
from training.pages.trained import expected_values, trained_page
from training.pipeline import TrainResult
from training.profit import total_value
from training.registry import Registry
from training.slices import slices_of
from training.specs import CHURN, PROPENSITY, VALUE, ModelSpec
from training.split import out_of_time


def page(spec: ModelSpec, fitted: Fitted, examples: TrainingSet, **more: object) -> str:
    split = out_of_time(examples.frame, spec)
    found = evaluate(fitted.model, examples, split)
    parts = slices_of(fitted.model, found, examples, split)
    return model_page(fitted.model, examples, split, found, parts, title="A <model>", **more)


@pytest.fixture(scope="module")
def churn_page(churn_fitted: Fitted, churn_set: TrainingSet) -> str:
    return page(CHURN, churn_fitted, churn_set)


def test_a_page_needs_nothing_from_anywhere_and_escapes_what_it_is_told(churn_page: str) -> None:
    assert "A &lt;model&gt;" in churn_page and "A <model>" not in churn_page
    assert "<script" not in churn_page
    assert set(re.findall(r"https?://[^\"' ]+", churn_page)) == {"http://www.w3.org/2000/svg"}


def test_the_same_results_give_the_same_page(
    churn_page: str, churn_fitted: Fitted, churn_set: TrainingSet
) -> None:
    assert page(CHURN, churn_fitted, churn_set) == churn_page


def test_no_customer_is_on_the_page(churn_page: str, churn_set: TrainingSet) -> None:
    assert not any(customer in churn_page for customer in churn_set.frame["customer_id"].unique())


def test_a_page_grades_beside_named_baselines_and_shows_each_picture(churn_page: str) -> None:
    assert re.search(r"Grade [ABC]\.", churn_page)
    for name in ("base rate for everybody", "logistic regression", "this model"):
        assert name in churn_page
    for heading in ("Ranking (ROC)", "Precision and recall", "Calibration", "Lift", "Profit of a campaign"):
        assert f"<h3>{heading}</h3>" in churn_page
    for heading in ("The test in tenths", "What moves the answers", "Parts of the customers"):
        assert f"<h3>{heading}</h3>" in churn_page
    assert "Since the champion" not in churn_page
    assert "nan" not in re.sub(r"<[^>]*>", "", churn_page)


def test_profit_counts_each_customers_value_where_it_is_known(
    churn_page: str, churn_fitted: Fitted, churn_set: TrainingSet, value_fitted: Fitted
) -> None:
    test = churn_set.frame.iloc[out_of_time(churn_set.frame, CHURN).test]
    values = total_value(value_fitted.model, value_fitted.model.matrix(test))
    own = page(CHURN, churn_fitted, churn_set, values=values)
    assert "Every customer counts 200 EUR, the published value" in churn_page
    assert "Each customer counts with its own expected value" in own
    assert "model, by expected gain" in own and "model, by expected gain" not in churn_page


def test_what_changed_since_the_champion_is_told_with_its_interval(
    churn_fitted: Fitted, churn_set: TrainingSet
) -> None:
    split = out_of_time(churn_set.frame, CHURN)
    weak = fit_quickly(CHURN, churn_set, rounds=2).model
    champion = Champion("version 1", evaluate(weak, churn_set, split), weak)
    found = page(CHURN, churn_fitted, churn_set, champion=champion)
    assert "Since the champion, version 1" in found
    assert 'AUC: <span class="good">better by more than chance' in found
    assert 'squared error of the probability: <span class="good">better by more than chance' in found
    assert "part in the champion" in found and "of the customers keep their first reason" in found
    assert "No feature of the customers moved noticeably" in found
    itself = Champion("version 1", evaluate(churn_fitted.model, churn_set, split), churn_fitted.model)
    same = page(CHURN, churn_fitted, churn_set, champion=itself)
    assert "no more than chance" in same and "100% of the customers keep their first reason" in same


def test_features_that_came_went_and_moved_since_the_champion_are_named(
    churn_fitted: Fitted, churn_set: TrainingSet
) -> None:
    split = out_of_time(churn_set.frame, CHURN)
    without = [f for f in churn_set.fields if f.name != "sessions"]
    older = fit_quickly(CHURN, replace(churn_set, fields=tuple(without))).model
    tested = churn_set.frame["as_of"].iloc[split.train].max()
    older = replace(older, training={**older.training, "test_snapshots": [tested.isoformat()]})
    last = churn_set.frame["as_of"] == churn_set.frame["as_of"].max()
    noise = churn_set.frame["noise"].where(~last, churn_set.frame["noise"] + 2)
    now = replace(churn_set, frame=churn_set.frame.assign(noise=noise))
    theirs = Champion("version 1", evaluate(older, now, split), older)
    mine = evaluate(churn_fitted.model, now, split).heads[0]
    moved = drivers(churn_fitted.model, "churn", now.frame.iloc[split.test], "risk")
    found = change(churn_fitted.model, mine, theirs, now, split, moved)
    assert (found.added, found.removed) == (("Sessions",), ())
    assert found.since == f"{tested:%Y-%m-%d}"
    assert [d.name for d in found.moved] == ["Noise"] and found.moved[0].psi > 0.25
    assert {s.label: s.before for s in found.shifts}["Sessions"] == 0.0
    assert 0 < found.reasons.same < 1, "sessions can be no reason of the champion's"
    back = change(
        older, theirs.evaluation.heads[0], replace(theirs, model=churn_fitted.model), now, split, ()
    )
    assert (back.added, back.removed) == ((), ("Sessions",))
    assert change(older, mine, Champion("version 1", theirs.evaluation), now, split, ()).since == ""


def test_a_page_of_value_shows_its_parts_its_range_and_both_baselines(
    value_fitted: Fitted, value_set: TrainingSet
) -> None:
    found = page(VALUE, value_fitted, value_set)
    for words in ("last period carried on", "average x retention", "from P10 to P90", "cost to serve"):
        assert words in found
    assert "0.000 to 1.000" not in found


def test_a_page_of_products_ranks_what_was_added_and_names_who_is_pooled_and_who_has_no_model(
    propensity_set: TrainingSet,
) -> None:
    fitted = fit_quickly(PROPENSITY, propensity_set)
    found = page(PROPENSITY, fitted, propensity_set, pooled=fitted.log.pooled, refused={"boat": "sunk"})
    assert "MAP@3" in found and "NDCG@3" in found and "most popular first" in found
    assert "a gate was missed: 1." in found and "boat: sunk" in found
    assert "1 products have no model of their own" in found and "positives in the training" in found
    assert "<td>loan</td><td>pooled</td>" in found and "<td>card</td><td>own</td>" in found
    assert "all pairs of a customer and a product" in found
    assert 'id="loan"' not in found, "too few takers for a section"


def test_a_page_lies_with_the_homes_reports(tmp_path: Path) -> None:
    home = Home(tmp_path / "bank")
    path = write_page(home, "churn", "3", "<p>Grüezi</p>")
    assert path == home.reports / "churn-3.html"
    assert path.read_text(encoding="utf-8") == "<p>Grüezi</p>"


def test_a_trained_models_page_knows_its_champion(
    trained: tuple[Home, TrainResult], churn_fitted: Fitted, churn_set: TrainingSet
) -> None:
    home, result = trained
    split = out_of_time(churn_set.frame, CHURN)
    found = evaluate(churn_fitted.model, churn_set, split)
    registry = Registry(home)
    parts = slices_of(churn_fitted.model, found, churn_set, split)
    assert expected_values(registry, churn_fitted.model, churn_set, split) is None
    about = (registry, churn_fitted, churn_set, split, found, parts)
    alone = trained_page(*about, None, None, Verdict(False, ("too <weak>",)))
    beside = trained_page(*about, (result.version, found), None, Verdict(True, ("good",)))
    assert "Since the champion" not in alone and "The gates refuse it:" in alone
    assert "too &lt;weak&gt;" in alone
    assert f"Since the champion, version {result.version.version}" in beside
    assert "The gates pass it." in beside
    assert "Every customer counts 200 EUR" in alone, "there is no model of value"


def made_up(strength: float, n: int = 4_000) -> tuple[HeadResult, np.ndarray]:
    rng = np.random.default_rng(1)
    z = rng.normal(-1, 1, n)
    p = 1 / (1 + np.exp(-z))
    actual = (rng.random(n) < p).astype(float)
    metrics = {
        "brier": float(np.mean((p - actual) ** 2)),
        "brier_base_rate": float(actual.mean() * (1 - actual.mean())),
        "calibration_slope": 1.0,
        "calibration_slope_error": 0.05,
    }
    head = HeadResult("churn", "probability", metrics, actual, p, rows=np.arange(n))
    return head, strength * z + rng.normal(size=n)


def test_a_model_far_ahead_whose_figures_hold_is_an_a() -> None:
    head, plain = made_up(0.3)
    found = grade_probability(head, {"rule": plain})
    assert found.letter == "A"
    assert [b.name for b in found.baselines] == ["base rate for everybody", "rule"]
    assert all(b.low > 0 for b in found.baselines)


def test_a_model_whose_probabilities_are_off_is_a_b() -> None:
    head, plain = made_up(0.3)
    off = replace(head, metrics={**head.metrics, "calibration_slope": 0.4})
    found = grade_probability(off, {"rule": plain})
    assert found.letter == "B" and "calibration slope 0.40" in found.says


def test_a_lead_that_may_be_chance_is_a_b_and_no_lead_is_a_c() -> None:
    head, _ = made_up(0.3)
    rng = np.random.default_rng(2)
    nearly = np.log(head.predicted) + rng.normal(0, 0.15, len(head.actual))
    ahead, low, _ = paired_auc(head.actual, head.predicted, nearly)
    assert ahead > 0 > low, "the example must be a close one"
    assert grade_probability(head, {"twin": nearly}).letter == "B"
    found = grade_probability(head, {"itself": 2 * head.predicted})
    assert found.letter == "C" and "no better than the itself" in found.says


def test_value_is_graded_by_order_and_by_amounts(value_fitted: Fitted, value_set: TrainingSet) -> None:
    split = out_of_time(value_set.frame, VALUE)
    whole = evaluate(value_fitted.model, value_set, split).heads[-1]
    assert grade_amount(whole).letter == "A"
    biased = replace(whole, metrics={**whole.metrics, "bias": 0.3})
    assert grade_amount(biased).letter == "B"
    perfect = replace(whole, baselines={"oracle": whole.actual})
    assert grade_amount(perfect).letter == "C"
    ahead, low, high = paired_gini(whole.actual, whole.predicted, whole.actual)
    assert low < ahead < high < 0


def test_drivers_say_which_way_and_name_the_word_that_counts(
    churn_fitted: Fitted, churn_set: TrainingSet
) -> None:
    found = drivers(churn_fitted.model, "churn", churn_set.frame, "risk")
    by_name = {d.feature.name: d for d in found}
    assert sum(d.share for d in found) == pytest.approx(1)
    assert [d.share for d in found] == sorted((d.share for d in found), reverse=True)
    assert by_name["balance"].way == "the lower, the higher the risk"
    assert by_name["region"].way == "'north' goes with the highest risk"
    assert {d.feature.name for d in found[:3]} == {"balance", "sessions", "region"}
    assert shifts(found, found) == ()
    assert shifts(found, found[1:])[0].before == 0.0
