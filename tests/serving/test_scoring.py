from dataclasses import replace

import numpy as np
import pytest

from features.errors import InputError
from serving.batch import read_scores, score_all
from serving.columns import from_frame, take
from serving.scoring import ABSTAIN, DEGRADED, OK, SUPPRESSED, Scorer


def test_one_row_answers_to_the_bit_as_in_the_batch(scorer, frame):
    columns = from_frame(frame)
    batch = scorer.score(columns)
    for row in range(0, len(frame), 7):
        alone = scorer.score(take(columns, [row]))
        assert alone.status == [batch.status[row]]
        for name, values in batch.values.items():
            assert alone.values[name].tobytes() == values[row : row + 1].tobytes(), name


def test_no_model_touches_a_row_without_consent(scorer, frame):
    columns = from_frame(frame.head(3))
    columns["consent_profiling"] = [1, 0, None]
    columns["balance_total"] = [100, "a model would fail on this", "and on this"]
    scores = scorer.score(columns)
    assert scores.status == [OK, SUPPRESSED, SUPPRESSED]
    assert scores.reasons[1] == ("no_profiling_consent",)
    assert all(np.isnan(values[1:]).all() for values in scores.values.values())


def test_what_training_never_saw_degrades_the_answer_and_is_named(scorer, frame):
    columns = from_frame(frame[frame["consent_profiling"] == 1].head(4))
    columns["tenure_days"][1] = None  # no training row lacked it
    columns["balance_total"][2] = None  # some training rows did
    columns["region"] = ["north", "south", None, "atlantis"]
    scores = scorer.score(columns)
    assert scores.status == [OK, DEGRADED, OK, DEGRADED]
    assert scores.reasons == [(), ("unseen_missing:tenure_days",), (), ("unseen_category:region",)]
    assert np.isfinite(scores.values["churn"]).all()


def test_propensity_is_for_eligible_non_holders_only(scorer, frame):
    scores = scorer.score(from_frame(frame))
    asked = (
        (frame["holds_card"] == 0)
        & ((frame["kind"] == "business") | (frame["age_years"] >= 18))
        & (frame["consent_profiling"] == 1)
    )
    assert (~np.isnan(scores.values["propensity_card"]) == asked.to_numpy(bool)).all()
    assert 0 < asked.sum() < len(frame)


def test_the_products_that_share_one_model_are_named_in_every_row_they_answer(home, scorer):
    assert scorer.pooled == ()
    model, version = scorer.models["propensity"]
    heads = tuple(replace(h, basis="pooled") if h.name == "loan" else h for h in model.heads)
    shared = replace(scorer, models={**scorer.models, "propensity": (replace(model, heads=heads), version)})
    assert shared.pooled == ("loan",)
    assert shared.products == scorer.products
    score_all(home, shared, lambda _: None)
    _, scores = read_scores(home, shared)
    assert [list(row) for row in scores["pooled"]] == [
        ["loan"] if has else [] for has in scores["propensity_loan"].notna()
    ]
    assert 0 < scores["propensity_loan"].notna().sum() < len(scores)


def test_the_expected_value_is_the_sum_of_its_parts(scorer, frame):
    values = scorer.score(from_frame(frame)).values
    total = sum(values[f"value_{part}"] for part in scorer.parts)
    np.testing.assert_allclose(values["value_expected"], total)
    assert (values["value_p10"] <= values["value_p90"])[~np.isnan(total)].all()


@pytest.mark.parametrize(("model", "head"), [("value", "fees"), ("propensity", "card"), ("churn", "churn")])
def test_a_score_that_cannot_be_is_an_abstention(scorer, frame, model, head):
    broken, version = scorer.models[model]
    heads = tuple(
        replace(h, calibration=dict.fromkeys(h.calibration, np.nan)) if h.name == head else h
        for h in broken.heads
    )
    sick = Scorer({**scorer.models, model: (replace(broken, heads=heads), version)}, scorer.catalogue)
    scores = sick.score(from_frame(frame[frame["holds_card"] == 0].head(50)))
    bad = [i for i, status in enumerate(scores.status) if status == ABSTAIN]
    assert bad
    for row in bad:
        assert scores.reasons[row][0].startswith("impossible_score:")
        assert all(np.isnan(values[row]) for values in scores.values.values())


def test_a_value_beyond_what_training_can_have_taught_is_an_abstention_and_a_loss_is_not(scorer, frame):
    value, version = scorer.models["value"]
    consenting = from_frame(frame[frame["consent_profiling"] == 1].head(50))
    usual = scorer.score(consenting).values["value_expected"]
    assert (usual < 0).any(), "a customer may cost the bank money"

    def scored(**ranges):
        saw = replace(value, training={**value.training, "amounts": ranges})
        return Scorer({**scorer.models, "value": (saw, version)}, scorer.catalogue).score(consenting)

    least, greatest = float(usual.min()), float(usual.max())
    assert set(scored(value=[least, greatest]).status) == {OK}
    third = (greatest - least) / 3
    narrow = scored(value=[least, least + third])  # as much again above it: what lies beyond cannot be
    beyond = usual > least + 2 * third
    assert beyond.any() and not beyond.all()
    assert [status == ABSTAIN for status in narrow.status] == beyond.tolist()
    row = beyond.tolist().index(True)
    assert "impossible_score:value_expected" in narrow.reasons[row]
    assert all(np.isnan(values[row]) for values in narrow.values.values())


def test_an_empty_batch_and_a_missing_column(scorer, frame):
    columns = from_frame(frame.head(0))
    assert scorer.score(columns).status == []
    short = from_frame(frame.drop(columns="region").head(2))
    with pytest.raises(InputError, match="region"):
        scorer.score(short)


def test_versions_name_model_number_and_hash(scorer):
    assert scorer.versions["churn"].startswith("churn/1 sha256:")
    assert len(scorer.versions["churn"].split(":")[1]) == 12
