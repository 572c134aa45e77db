import pytest

from training.gates import failing, judge
from training.specs import CHURN, PROPENSITY, VALUE

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


def test_a_good_first_challenger_is_promoted_with_its_figures() -> None:
    verdict = judge(CHURN, {"churn": GOOD}, None)
    assert verdict.promote
    assert "AUC 0.820" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"positives": 29.0}, "29 positives in the test, 30 needed"),
        ({"auc": 0.599}, "below the floor 0.6"),
        ({"auc": 0.991}, "taken for a leak"),
        ({"lone_auc": 0.981}, "gives the outcome away"),
        ({"calibration_slope": 0.59}, "calibration slope 0.59 outside"),
        ({"calibration_slope": 1.51}, "calibration slope 1.51 outside"),
    ],
)
def test_the_first_champion_must_pass_the_gates_too(change: dict[str, float], reason: str) -> None:
    verdict = judge(CHURN, {"churn": {**GOOD, **change}}, None)
    assert not verdict.promote
    assert len(verdict.reasons) == 1
    assert reason in verdict.reasons[0]


def test_bounds_themselves_pass() -> None:
    edge = {**GOOD, "positives": 30.0, "auc": 0.60, "lone_auc": 0.98, "calibration_slope": 0.7}
    assert judge(CHURN, {"churn": edge}, None).promote
    assert judge(CHURN, {"churn": {**GOOD, "auc": 0.99}}, None).promote


def test_a_slope_that_chance_explains_is_not_held_against_a_small_test() -> None:
    loose = {**GOOD, "calibration_slope": 0.59, "calibration_slope_error": 0.06}
    assert judge(CHURN, {"churn": loose}, None).promote


def test_every_reason_is_named_at_once() -> None:
    verdict = judge(CHURN, {"churn": {**GOOD, "auc": 0.5, "positives": 3.0}}, None)
    assert len(verdict.reasons) == 2


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
    assert verdict.reasons == ("loan: the champion answers for it, the challenger does not",)


def test_a_product_that_misses_a_bound_is_named() -> None:
    assert list(failing(PROPENSITY, {"card": GOOD, "loan": {**GOOD, "auc": 0.5}})) == ["loan"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gini": 0.5}, "normalised Gini 0.500 below the floor"),
        ({"coverage": 0.69}, "covers 0.69"),
        ({"coverage": 0.91}, "covers 0.91"),
        ({"calibration_slope": 0.6}, "calibration slope"),
        ({"rows": 10.0}, "10 rows in the test"),
    ],
)
def test_value_is_judged_by_its_sum(change: dict[str, float], reason: str) -> None:
    assert judge(VALUE, {"fees": {}, "value": WORTH}, {"value": WORTH}).promote
    verdict = judge(VALUE, {"fees": {}, "value": {**WORTH, **change}}, None)
    assert not verdict.promote
    assert reason in verdict.reasons[0]
