from dataclasses import replace

import numpy as np
import pytest

from tests.training.examples import CURRENCY, PARAMS, make_set, quick
from training.evaluate import evaluate
from training.fit import fit
from training.gates import MAX_AGE_DAYS, Verdict, failing, judge
from training.specs import CHURN, PROPENSITY, VALUE, ModelSpec
from training.split import out_of_time

GOOD = {
    "positives": 100.0,
    "auc": 0.82,
    "lone_auc": 0.70,
    "lift_10": 3.0,
    "calibration_slope": 1.05,
    "calibration_slope_error": 0.05,
}
WORTH = {
    "rows": 1000.0,
    "gini": 0.8,
    "bias": 0.01,
    "coverage": 0.81,
    "calibration_slope": 0.95,
    "calibration_slope_error": 0.02,
}
STRICT = replace(CHURN, gates=replace(CHURN.gates, slope=(0.9, 1.1)))


def _judge(change: dict[str, float], spec: ModelSpec = STRICT) -> Verdict:
    return judge(spec, {"churn": {**GOOD, **change}}, None)


def test_a_good_first_challenger_is_promoted_with_its_figures() -> None:
    verdict = _judge({})
    assert verdict.promote
    assert "AUC 0.820" in verdict.reasons[0]
    assert "chance" not in verdict.reasons[0]


def test_every_gate_says_what_was_measured_its_bound_and_whether_it_was_passed() -> None:
    checks = _judge({"auc": 0.55}).checks
    assert {c.gate for c in checks} >= {"AUC", "positives in the test", "calibration slope"}
    assert all(c.measured and c.bound for c in checks)
    missed = [c for c in checks if not c.passed]
    assert [(c.head, c.gate, c.measured, c.bound) for c in missed] == [
        ("churn", "AUC", "0.5500", "at least 0.6")
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"positives": 29.0}, "positives in the test 29, must be at least 30"),
        ({"auc": 0.599}, "AUC 0.5990, must be at least 0.6"),
        ({"auc": 0.991}, "taken for a leak"),
        ({"lone_auc": 0.981}, "gives the outcome away"),
        ({"calibration_slope": 0.79}, "calibration slope 0.79 ± 0.10 (two standard errors), must be 0.9"),
        ({"calibration_slope": 1.21}, "calibration slope 1.21 ± 0.10 (two standard errors), must be 0.9"),
    ],
)
def test_the_first_champion_must_pass_the_gates_too(change: dict[str, float], reason: str) -> None:
    verdict = _judge(change)
    assert not verdict.promote
    assert len(verdict.reasons) == 1
    assert reason in verdict.reasons[0]


def test_bounds_themselves_pass() -> None:
    edge = {"positives": 30.0, "auc": 0.60, "lone_auc": 0.98, "calibration_slope": 0.9}
    assert _judge(edge).promote
    assert _judge({"auc": 0.99, "calibration_slope_error": 0.0, "calibration_slope": 1.1}).promote


def test_a_slope_that_chance_explains_is_not_held_against_a_small_test_and_that_is_said() -> None:
    verdict = _judge({"calibration_slope": 0.81, "calibration_slope_error": 0.05})
    assert verdict.promote
    assert "calibration slope 0.81 (outside 0.9 to 1.1, by no more than chance)" in verdict.reasons[0]
    (line,) = [c for c in verdict.checks if c.gate == "calibration slope"]
    assert "two standard errors" in line.measured and "two standard errors" in line.bound


def test_every_reason_is_named_at_once() -> None:
    assert len(_judge({"auc": 0.5, "positives": 3.0}).reasons) == 2


def test_measures_that_are_missing_refuse() -> None:
    assert not judge(CHURN, {"churn": {"positives": 100.0}}, None).promote
    assert not judge(CHURN, {}, None).promote
    assert not judge(VALUE, {"fees": WORTH}, None).promote


def test_a_challenger_may_not_fall_clearly_below_the_champion() -> None:
    def against(auc: float) -> bool:
        return judge(CHURN, {"churn": GOOD}, {"churn": {**GOOD, "auc": auc}}).promote

    assert against(0.80)
    assert against(0.8299)
    assert not against(0.8301)


def test_a_champions_product_may_not_vanish() -> None:
    verdict = judge(PROPENSITY, {"card": GOOD}, {"card": GOOD, "loan": GOOD})
    assert len(verdict.reasons) == 1
    assert verdict.reasons[0].startswith("loan: the challenger's answer missing")


def test_a_product_that_misses_a_bound_is_named() -> None:
    assert list(failing(PROPENSITY, {"card": GOOD, "loan": {**GOOD, "auc": 0.5}})) == ["loan"]


POOLED = {"pooled": 1.0, "positives": 6.0, "expected": 5.0, "rows": 1000.0}


@pytest.mark.parametrize(
    ("takers", "expected", "passed"),
    [
        (6.0, 5.0, True),
        (0.0, 0.5, True),
        (2.0, 0.5, True),
        (3.0, 0.5, False),
        (0.0, 5.0, False),
        (9.0, 5.0, True),
        (11.0, 5.0, False),
        (51.0, 100.0, True),
        (49.0, 100.0, False),
        (200.0, 100.0, True),
        (201.0, 100.0, False),
    ],
)
def test_a_pooled_product_is_judged_by_its_level_as_far_as_chance_allows(
    takers: float, expected: float, passed: bool
) -> None:
    wide = replace(PROPENSITY, gates=replace(PROPENSITY.gates, min_positives=1000))
    found = judge(wide, {"loan": {**POOLED, "positives": takers, "expected": expected}}, None)
    assert found.promote is passed
    (check,) = found.checks
    assert check.measured == f"{takers:.0f} took it, {expected:.1f} expected"
    assert check.bound.startswith("0.5 to 2.0 times as many as expected, or no further off than chance")


def test_a_pooled_product_with_many_takers_needs_no_discrimination_but_a_right_slope_and_no_leak() -> None:
    many = {**GOOD, **POOLED, "positives": 100.0, "expected": 90.0, "auc": 0.51}
    assert judge(PROPENSITY, {"loan": many}, None).promote
    for change, reason in (
        ({"auc": 0.995}, "taken for a leak"),
        ({"lone_auc": 0.99}, "gives the outcome away"),
        ({"calibration_slope": 0.2}, "calibration slope"),
    ):
        verdict = judge(PROPENSITY, {"loan": {**many, **change}}, None)
        assert len(verdict.reasons) == 1 and reason in verdict.reasons[0]


def test_few_takers_are_not_held_against_a_challenger_beside_the_champion() -> None:
    champion = {"loan": {**POOLED, "auc": 0.9}}
    assert judge(PROPENSITY, {"loan": {**POOLED, "auc": 0.4}}, champion).promote
    many = {**GOOD, "positives": 100.0, "auc": 0.9}
    assert not judge(PROPENSITY, {"loan": GOOD}, {"loan": many}).promote


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gini": 0.5}, "normalised Gini 0.5000, must be at least 0.6"),
        ({"gini": 0.995}, "taken for a leak"),
        ({"coverage": 0.69}, "0.690, must be 0.7 to 0.9"),
        ({"coverage": 0.91}, "0.910, must be 0.7 to 0.9"),
        ({"calibration_slope": 0.6}, "calibration slope"),
        ({"rows": 10.0}, "rows in the test 10"),
    ],
)
def test_value_is_judged_by_its_sum(change: dict[str, float], reason: str) -> None:
    assert judge(VALUE, {"fees": {}, "value": WORTH}, {"value": WORTH}).promote
    verdict = judge(VALUE, {"fees": {}, "value": {**WORTH, **change}}, None)
    assert not verdict.promote
    assert reason in verdict.reasons[0]


def test_a_challenger_whose_knowledge_is_more_than_a_year_old_is_refused() -> None:
    assert judge(CHURN, {"churn": GOOD}, None, age_days=MAX_AGE_DAYS).promote
    verdict = judge(CHURN, {"churn": GOOD}, None, age_days=MAX_AGE_DAYS + 1)
    assert verdict.reasons == ("days since its newest outcomes were known 401, must be at most 400",)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"auc": 0.49}, "churn: AUC where region=north 0.490, must be at least 0.5"),
        (
            {"observed_to_expected": 2.1},
            "observed to expected where region=north 2.10, must be 0.5 to 2.0, or its 95% interval off",
        ),
        (
            {"observed_to_expected": 0.4},
            "observed to expected where region=north 0.40, must be 0.5 to 2.0, or its 95% interval off",
        ),
    ],
)
def test_a_slice_that_the_model_is_wrong_about_refuses_it(found: dict[str, float], reason: str) -> None:
    well = {"auc": 0.7, "observed_to_expected": 1.0}
    slices = {"churn": {"region=north": {**well, **found}, "region=south": well}}
    verdict = judge(CHURN, {"churn": GOOD}, None, slices=slices)
    assert verdict.reasons == (reason,) if reason.startswith("churn") else reason in verdict.reasons[0]
    assert list(failing(CHURN, {"churn": GOOD}, slices)) == ["churn"]
    assert judge(CHURN, {"churn": GOOD}, None, slices={"churn": {"region=south": well}}).promote


@pytest.mark.parametrize("spec", [CHURN, VALUE], ids=["churn", "value"])
@pytest.mark.parametrize("noise", [0.0, 0.02], ids=["the label itself", "nearly the label"])
def test_the_canary_a_model_with_its_label_among_the_features_is_refused(
    spec: ModelSpec, noise: float
) -> None:
    examples = make_set(spec)
    label = examples.frame[spec.name if spec.name == "value" else "churn"]
    spoilt = label + noise * label.std() * np.random.default_rng(3).normal(size=len(label))
    leaky = replace(examples, frame=examples.frame.assign(noise=spoilt))
    split = out_of_time(leaky.frame, spec)
    grown = replace(quick(spec), params={**PARAMS, "num_leaves": 31, "num_iterations": 150})
    fitted = fit(grown, leaky, split, currency=CURRENCY, threads=1, seed=1, tell=lambda _: None)
    verdict = judge(spec, evaluate(fitted.model, leaky, split).metrics, None)
    assert not verdict.promote
    assert any("taken for a leak" in reason for reason in verdict.reasons)
