from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import load_catalogue, shipped_catalogue
from features.errors import InputError, RefusedError
from features.families import model_fields
from tests.training.examples import CURRENCY, fit_quickly, make_set, quick
from training.artifact import save_model
from training.datasets import TrainingSet
from training.fit import Fitted, fit
from training.measures import calibration_line
from training.monotone import KNOWN_SIGNS
from training.specs import CHURN, PROPENSITY, SPECS, VALUE
from training.split import out_of_time


def _files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("spec", [CHURN, VALUE, PROPENSITY], ids=lambda s: s.name)
def test_the_same_rows_give_the_same_bytes_with_one_thread_or_two(tmp_path: Path, spec) -> None:
    examples = make_set(spec, customers=800)
    one, two = (fit_quickly(spec, examples, threads=threads, rounds=8) for threads in (1, 2))
    assert save_model(tmp_path / "one", one.model) == save_model(tmp_path / "two", two.model)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")
    assert len(_files(tmp_path / "one")) == 2 + len(one.model.heads)


def test_the_order_of_rows_does_not_matter_and_the_seed_does(tmp_path: Path, churn_set) -> None:
    turned = replace(churn_set, frame=churn_set.frame.sample(frac=1, random_state=3).reset_index(drop=True))
    one = save_model(tmp_path / "one", fit_quickly(CHURN, churn_set).model)
    assert save_model(tmp_path / "two", fit_quickly(CHURN, turned).model) == one
    assert save_model(tmp_path / "three", fit_quickly(CHURN, churn_set, seed=8).model) != one


def test_test_rows_and_calibration_customers_do_not_reach_the_trees(churn_set: TrainingSet) -> None:
    split = out_of_time(churn_set.frame, CHURN)
    frame = churn_set.frame.copy()
    frame.loc[split.test, "churn"] = 1 - frame.loc[split.test, "churn"]
    frame.loc[split.calibrate, "balance"] = 0.0
    was, now = fit_quickly(CHURN, churn_set), fit_quickly(CHURN, replace(churn_set, frame=frame))
    assert was.model.heads[0].booster.model_to_string() == now.model.heads[0].booster.model_to_string()
    assert was.model.heads[0].calibration != now.model.heads[0].calibration


def test_the_model_says_what_it_was_trained_on(churn_fitted: Fitted, churn_set: TrainingSet) -> None:
    training = churn_fitted.model.training
    assert training["fingerprint"] == churn_set.fingerprint
    assert training["snapshots"] == ["2024-01-01T00:00:00+00:00", "2024-04-08T00:00:00+00:00"]
    assert training["test_snapshots"] == ["2024-10-21T00:00:00+00:00"]
    assert churn_fitted.log.rows == {"churn": training["rows"]}
    region = next(f for f in churn_fitted.model.features if f.name == "region")
    assert region.levels == ("north", "south", "west")
    assert [f.name for f in churn_fitted.model.features if f.protected] == ["age_years"]


def test_held_out_customers_find_the_probabilities_true(churn_fitted, churn_set) -> None:
    rows = churn_set.frame.iloc[out_of_time(churn_set.frame, CHURN).calibrate]
    p = churn_fitted.model.predict(churn_fitted.model.matrix(rows))["churn"]
    slope, intercept, _ = calibration_line(rows["churn"].to_numpy(), p)
    assert slope == pytest.approx(1.0, abs=0.02)
    assert intercept == pytest.approx(0.0, abs=0.02)


def test_value_has_its_parts_and_an_ordered_range(value_fitted: Fitted, value_set: TrainingSet) -> None:
    model = value_fitted.model
    assert [h.name for h in model.heads] == [
        "interest_margin", "fees", "cost_to_serve", "expected_loss", "p10", "p90",
    ]  # fmt: skip
    rows = value_set.frame.iloc[out_of_time(value_set.frame, VALUE).calibrate]
    answers = model.predict(model.matrix(rows))
    assert (answers["p10"] <= answers["p90"]).all()
    for part in ("interest_margin", "fees", "cost_to_serve"):
        assert answers[part].sum() == pytest.approx(rows[part].sum(), rel=1e-9)
    assert (answers["expected_loss"] == 0).all()
    inside = (answers["p10"] <= rows["value"]) & (rows["value"] <= answers["p90"])
    assert inside.mean() == pytest.approx(0.8, abs=0.01)


def test_quantiles_that_cross_change_places(value_fitted: Fitted, value_set: TrainingSet) -> None:
    model = value_fitted.model
    crossed = replace(
        model,
        heads=tuple(replace(h, calibration={"shift": 1e6}) if h.name == "p10" else h for h in model.heads),
    )
    answers = crossed.predict(crossed.matrix(value_set.frame))
    assert (answers["p10"] < answers["p90"]).all()


def test_a_product_with_too_few_takers_is_pooled_and_the_log_says_why(propensity_set: TrainingSet) -> None:
    fitted = fit_quickly(PROPENSITY, propensity_set)
    assert [(h.name, h.basis) for h in fitted.model.heads] == [("card", "own"), ("loan", "pooled")]
    assert "positives in the training rows, 30 needed" in fitted.log.pooled["loan"]
    assert fitted.log.refused == {}


def test_rows_that_are_not_eligible_are_not_trained_on(propensity_set: TrainingSet) -> None:
    fitted = fit_quickly(PROPENSITY, propensity_set)
    train = out_of_time(propensity_set.frame, PROPENSITY).train
    eligible = propensity_set.frame["card"].iloc[train].notna()
    assert fitted.log.rows["card"] == eligible.sum() < len(train)
    assert fitted.log.positives["card"] == propensity_set.frame["card"].iloc[train].sum()


def test_churn_with_too_few_leavers_is_refused(churn_set: TrainingSet) -> None:
    frame = churn_set.frame.assign(churn=0.0)
    frame.loc[frame.index[:10], "churn"] = 1.0
    with pytest.raises(RefusedError, match=r"churn.*positives in the training rows, 30 needed; cure"):
        fit_quickly(CHURN, replace(churn_set, frame=frame))


def test_no_product_with_enough_takers_is_refused(propensity_set: TrainingSet) -> None:
    frame = propensity_set.frame.assign(card=np.nan)
    with pytest.raises(RefusedError, match="loan"):
        fit_quickly(PROPENSITY, replace(propensity_set, frame=frame))


def _rises(fitted: Fitted, frame: pd.DataFrame, feature: str, steps: np.ndarray) -> np.ndarray:
    """Answers of some customers as one feature rises, shape (steps, customers)."""
    few = frame.iloc[::97]
    return np.array(
        [fitted.model.predict(fitted.model.matrix(few.assign(**{feature: s})))["churn"] for s in steps]
    )


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), sign=st.sampled_from([1, -1]))
def test_a_feature_with_a_known_sign_never_moves_the_answer_the_other_way(seed: int, sign: int) -> None:
    examples = make_set(CHURN, customers=400, seed=seed)
    frame = examples.frame
    fitted = fit(
        quick(CHURN, 15),
        examples,
        out_of_time(frame, CHURN),
        currency=CURRENCY,
        threads=1,
        seed=7,
        tell=lambda _: None,
        signs={"sessions": sign, "noise": sign},
    )
    for feature in ("sessions", "noise"):
        steps = np.quantile(frame[feature].dropna(), np.linspace(0, 1, 15))
        assert (sign * np.diff(_rises(fitted, frame, feature, steps), axis=0) >= 0).all()


def test_without_the_sign_the_same_feature_does_move_both_ways(churn_fitted, churn_set) -> None:
    steps = np.quantile(churn_set.frame["noise"].dropna(), np.linspace(0, 1, 30))
    moves = np.diff(_rises(churn_fitted, churn_set.frame, "noise", steps), axis=0)
    assert (moves > 0).any()
    assert (moves < 0).any()


def test_words_cannot_rise(churn_set: TrainingSet) -> None:
    with pytest.raises(InputError, match=r"region.*no order.*cure"):
        fit(
            quick(CHURN),
            churn_set,
            out_of_time(churn_set.frame, CHURN),
            currency=CURRENCY,
            threads=1,
            seed=7,
            tell=lambda _: None,
            signs={"region": 1},
        )


def test_every_known_sign_is_of_a_declared_feature_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_bytes(shipped_catalogue())
    numbers = {f.name for f in model_fields(load_catalogue(path)) if f.dtype != "string"}
    for model, signs in KNOWN_SIGNS.items():
        assert model in SPECS
        assert set(signs) <= numbers
        assert set(signs.values()) <= {1, -1}


def test_a_word_that_training_never_saw_takes_the_path_of_a_missing_one(churn_fitted, churn_set) -> None:
    few = churn_set.frame.iloc[:50]
    model = churn_fitted.model
    unseen, missing = (model.predict(model.matrix(few.assign(region=r)))["churn"] for r in ("moon", None))
    assert (unseen == missing).all()
    assert (unseen != model.predict(model.matrix(few.assign(region="north")))["churn"]).any()
