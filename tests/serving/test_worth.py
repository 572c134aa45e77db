from dataclasses import replace

import numpy as np
import pytest

from features.catalogue import load_catalogue, shipped_catalogue
from serving.deciding.worth import prior_effects, propensity_values, values
from serving.policy import shipped_policy
from serving.policy.nouns import Lever


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "catalogue.toml"
    path.write_bytes(shipped_catalogue())
    return load_catalogue(path)


def _scores(catalogue, churn=0.2, value=500.0):
    scores = {f"propensity_{p.name}": np.array([0.10]) for p in catalogue.offered}
    return scores | {"churn": np.array([churn]), "value_expected": np.array([value])}


def _at(catalogue, name):
    return [o.name for o in catalogue.options].index(name)


def test_a_product_is_worth_what_the_contact_adds_and_not_what_comes_by_itself(catalogue):
    effects = prior_effects(_scores(catalogue), catalogue, 1)
    found = values(effects, catalogue, shipped_policy(catalogue))[0, _at(catalogue, "card.mail")]
    odds = 1.3 * 0.10 / 0.90
    assert found == pytest.approx((odds / (1 + odds) - 0.10) * 70.0 - 1.10)
    usual = propensity_values(effects, catalogue)[0, _at(catalogue, "card.mail")]
    assert usual == pytest.approx(odds / (1 + odds) * 70.0 - 1.10)


def test_a_retention_offer_is_worth_the_change_in_leaving_times_what_is_left(catalogue):
    effects = prior_effects(_scores(catalogue), catalogue, 1)
    found = values(effects, catalogue, shipped_policy(catalogue))[0, _at(catalogue, "fee_waiver.mail")]
    odds = 0.95 * 0.2 / 0.8
    assert found == pytest.approx((0.2 - odds / (1 + odds)) * 500.0 - 1.10 - 0.3 * 30.0)


def test_nobody_pays_to_keep_a_customer_who_costs_money(catalogue):
    effects = prior_effects(_scores(catalogue, value=-50.0), catalogue, 1)
    found = values(effects, catalogue, shipped_policy(catalogue))[0]
    assert found[_at(catalogue, "fee_waiver.app")] < 0


def test_a_general_offer_needs_no_score_and_without_scores_nothing_else_has_a_value(catalogue):
    effects = prior_effects({}, catalogue, 1)
    found = values(effects, catalogue, shipped_policy(catalogue))[0]
    known = {o.kind for o, value in zip(catalogue.options, found, strict=True) if np.isfinite(value)}
    assert known == {"general"}


def test_a_lever_is_a_factor_on_the_value(catalogue):
    policy, effects = shipped_policy(catalogue), prior_effects(_scores(catalogue), catalogue, 1)
    doubled = replace(policy, levers={"card": Lever(2.0, "the new card")})
    plain, more = values(effects, catalogue, policy)[0], values(effects, catalogue, doubled)[0]
    card = np.array([o.offer == "card" for o in catalogue.options])
    np.testing.assert_allclose(more[card], 2 * plain[card])
    np.testing.assert_allclose(more[~card], plain[~card])


def test_a_stronger_channel_reaches_further(catalogue):
    effects = prior_effects(_scores(catalogue), catalogue, 1)
    assert (
        effects.contacted[0, _at(catalogue, "card.call")] > effects.contacted[0, _at(catalogue, "card.app")]
    )
    kept = effects.contacted[0, [_at(catalogue, f"fee_waiver.{c}") for c in ("app", "mail", "call")]]
    assert (np.diff(kept) < 0).all()
