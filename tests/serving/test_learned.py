"""What the optional champions add: one path for one and for all, and priors where they are silent."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.families.base import Field
from serving.champions import load_scorer
from serving.columns import from_frame, take
from serving.deciding.effects import effects_of
from serving.deciding.worth import prior_effects, values
from serving.policy import shipped_policy
from serving.scoring import Scorer
from training.artifact import Head, Model, save_model
from training.datasets import TrainingSet
from training.specs import RESPONSE, RETENTION
from training.uplift.model import fit_uplift
from training.uplift.responses import (
    CHANNEL,
    OFFER_FIELDS,
    OUTCOME,
    PREFERRED,
    PROBABILITY,
    PRODUCT,
    TREATED,
)
from training.versions.champions import Champions, ModelVersion

FIELDS = (
    Field("balance_total", "int64", "cents", "balance", "Balance"),
    Field("tenure_days", "int64", "days", "time", "Time with the bank"),
    *OFFER_FIELDS,
)
PARAMS = {"num_leaves": 4, "min_data_in_leaf": 30, "num_iterations": 12, "learning_rate": 0.1}
PRODUCTS = ("card", "loan")
FATIGUE = {"app": 0.25, "call": 0.75}
WEAKER = 0.2


def _contact_model(frame, spec, products, contacts):
    rng = np.random.default_rng(4)
    rows = frame.sample(2_000, replace=True, random_state=4, ignore_index=True)
    treated = (rng.random(len(rows)) < 0.5).astype(float)
    balance = rows["balance_total"].to_numpy(float)
    chance = 0.2 + 0.2 * treated * (balance > np.median(balance))
    table = pd.DataFrame(
        {
            "customer_id": rows["customer_id"],
            "as_of": pd.Timestamp("2025-01-01", tz="UTC").as_unit("us"),
            "balance_total": balance,
            "tenure_days": rows["tenure_days"].to_numpy(float),
            PRODUCT: rng.choice(np.array(products), len(rows)),
            CHANNEL: rng.choice(np.array(["app", "call"]), len(rows)),
            PREFERRED: rng.integers(0, 2, len(rows)).astype(float),
            TREATED: treated,
            PROBABILITY: 0.5,
            OUTCOME: (rng.random(len(rows)) < chance).astype(float),
        }
    )
    examples = TrainingSet(table, FIELDS, (OUTCOME,), "0" * 64, contacts=contacts)
    plain = replace(spec, params=PARAMS, effect=())
    return fit_uplift(plain, examples, currency="EUR", threads=1, seed=1, tell=lambda _: None).uplift.model


@pytest.fixture(scope="module")
def optional(frame, models):
    kept = models["value"].head("fees")
    heads = tuple(
        Head(name, "amount", {"scale": 0.5, "shift": 40.0}, kept.booster) for name in ("card", "loan")
    )
    margin = Model("margin", "first_year", 270, 0, "EUR", models["value"].features, heads, {})
    return {
        "margin": margin,
        "response": _contact_model(
            frame, RESPONSE, ["card", "loan"], {"fatigue": FATIGUE, "tiring": {"weaker": WEAKER}}
        ),
        "retention": _contact_model(frame, RETENTION, ["current_account"], {"accepts": {"app": 0.11}}),
    }


@pytest.fixture
def whole(scorer, optional):
    added = {name: (model, ModelVersion(name, 1, "run", "0" * 64)) for name, model in optional.items()}
    return Scorer({**scorer.models, **added}, scorer.catalogue)


def test_learned_scores_of_one_row_are_the_batchs_to_the_bit(whole, frame):
    columns = from_frame(frame)
    batch = whole.score(columns)
    assert {"margin_card", "alone_card", "contacted_card.call", "contacted_fee_waiver.app"} <= set(
        batch.values
    )
    assert "contacted_insurance.app" not in batch.values, "no contact was about it"
    effects = effects_of(whole, batch.table)
    for row in range(0, len(frame), 37):
        alone = whole.score(take(columns, [row]))
        for name, found in batch.values.items():
            assert alone.values[name].tobytes() == found[row : row + 1].tobytes(), name
        own = effects_of(whole, alone.table)
        for name in ("alone", "contacted", "accepts", "stake", "fatigue"):
            assert getattr(own, name)[0].tobytes() == getattr(effects, name)[row].tobytes(), name


def test_what_is_learned_takes_the_place_of_priors_and_says_so(whole, frame):
    columns = from_frame(frame)
    scores = whole.score(columns)
    found, effects = scores.values, effects_of(whole, scores.table)
    priors = prior_effects(found, whole.catalogue, len(frame))
    for place, option in enumerate(whole.catalogue.options):
        known = option.kind == "retention" or (
            option.kind == "cross_sell" and option.product in ("card", "loan")
        )
        assert effects.basis[place] == ("model" if known else "prior"), option.name
        same = np.array_equal(effects.contacted[:, place], priors.contacted[:, place], equal_nan=True)
        assert same != known, option.name
        assert (effects.fatigue[:, place] >= FATIGUE.get(option.channel, max(FATIGUE.values()))).all()
        if known and option.kind == "cross_sell":
            assert np.array_equal(
                effects.stake[:, place], found[f"margin_{option.product}"], equal_nan=True
            )
        if option.name == "fee_waiver.app":
            assert (effects.accepts[:, place] == 0.11).all()


def test_a_contact_costs_most_with_whom_later_contacts_would_gain_most(whole, frame):
    columns = from_frame(frame)
    scores = whole.score(columns)
    found, effects = scores.values, effects_of(whole, scores.table)
    options = whole.catalogue.options
    products = [place for place, option in enumerate(options) if option.kind == "cross_sell"]
    unknown = np.full(len(frame), np.nan)
    chances = [found.get(f"propensity_{options[p].product}", unknown) for p in products]
    may = np.isfinite(np.column_stack(chances))
    p, stake = effects.contacted[:, products], effects.stake[:, products]
    most = np.fmax.reduce(np.where(may, p * (1 - p) * stake, 0.0), axis=1)
    for place, option in enumerate(options):
        own = effects.fatigue[:, place] - FATIGUE.get(option.channel, max(FATIGUE.values()))
        np.testing.assert_allclose(own, WEAKER * most, rtol=1e-9)
    assert np.ptp(most) > 0
    assert (~may).any(), "holders of a product are not to be had for it"


def test_fatigue_is_taken_from_every_value(whole, frame):
    columns = from_frame(frame)
    effects = effects_of(whole, whole.score(columns).table)
    policy = shipped_policy(whole.catalogue)
    fresh = values(replace(effects, fatigue=np.zeros_like(effects.fatigue)), whole.catalogue, policy)
    lever = values(effects, whole.catalogue, policy) - fresh
    assert np.nanmax(lever) < 0


def test_no_optional_model_touches_a_row_without_consent(whole, frame):
    columns = from_frame(frame.head(2))
    columns["consent_profiling"] = [1, 0]
    columns["balance_total"] = [100, "a model would fail on this"]
    found = whole.score(columns).values
    learned = [name for name in found if name.startswith(("margin_", "alone_", "contacted_"))]
    assert learned
    assert all(np.isfinite(found[name][0]) and np.isnan(found[name][1]) for name in learned)


def test_a_home_without_them_is_served_by_priors(home, frame):
    scorer = load_scorer(home)
    columns = from_frame(frame.head(5))
    effects = effects_of(scorer, scorer.score(columns).table)
    assert set(effects.basis) == {"prior"}
    assert not effects.fatigue.any()


def test_optional_champions_are_loaded_where_they_were_promoted(home, optional):
    champions = Champions(home)
    sha256 = save_model(champions.folder("run9"), optional["response"])
    version = ModelVersion("response", 9, "run9", sha256)
    champions.move("promote", version, ("test",), who="test", at=pd.Timestamp("2026-01-01", tz="UTC"))
    scorer = load_scorer(home)
    assert scorer.versions["response"].startswith("response/9")
    assert "margin" not in scorer.models
