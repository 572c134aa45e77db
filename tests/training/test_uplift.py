"""What a contact changes: learners held to known truth, to laws, and to a real randomised test."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from features.errors import CorruptError, InputError, RefusedError
from features.families.base import Field
from features.settings import read_settings
from tests.training.examples import FIELDS, PARAMS, quick
from training.artifact import Matrix, load_model, save_model
from training.datasets import TrainingSet
from training.gates import judge
from training.specs import RESPONSE
from training.split import bucket
from training.uplift.answers import UpliftModel
from training.uplift.gates import UPLIFT, uplift_metrics
from training.uplift.learners import LEARNERS
from training.uplift.model import UpliftFit, fit_uplift
from training.uplift.qini import uplift_curve
from training.uplift.responses import (
    CHANNEL,
    OFFER_FIELDS,
    OUTCOME,
    PREFERRED,
    PROBABILITY,
    PRODUCT,
    TREATED,
)
from training.uplift.scores import effect_scores, shrunk_line

SAMPLES = read_settings().sample_data
HILLSTROM = SAMPLES / "hillstrom" / "hillstrom.parquet" if SAMPLES else None
needs_hillstrom = pytest.mark.skipif(
    HILLSTROM is None or not HILLSTROM.is_file(),
    reason="TENURE_SAMPLE_DATA does not name a folder with hillstrom/",
)
SPEC = replace(quick(RESPONSE, rounds=30), effect=())
CONTACTED = 0.4


def log_of(rows: int, seed: int, *, gain: float = 1.0) -> tuple[TrainingSet, Matrix]:
    """A log whose contacts move the log-odds by `gain` (balance + 0.3), up or down; and what is true."""
    rng = np.random.default_rng(seed)
    balance, sessions = rng.normal(size=rows), rng.poisson(3, rows).astype(float)
    odds = -1.5 + 0.25 * (sessions - 3)
    alone, contacted = expit(odds), expit(odds + gain * (balance + 0.3))
    treated = (rng.random(rows) < CONTACTED).astype(float)
    frame = pd.DataFrame(
        {
            "customer_id": [f"C{i:06d}" for i in range(rows)],
            "as_of": pd.Timestamp("2025-01-01", tz="UTC").as_unit("us"),
            "balance": balance,
            "sessions": sessions,
            "noise": rng.normal(size=rows),
            "region": rng.choice(np.array(["north", "south"]), rows),
            "age_years": rng.integers(18, 90, rows).astype(float),
            TREATED: treated,
            PROBABILITY: CONTACTED,
            OUTCOME: (rng.random(rows) < np.where(treated == 1, contacted, alone)).astype(float),
        }
    )
    return TrainingSet(frame, FIELDS, (OUTCOME,), f"{seed:064x}"), contacted - alone


def fitted(examples: TrainingSet, seed: int = 7, threads: int = 1) -> UpliftFit:
    return fit_uplift(SPEC, examples, currency="EUR", threads=threads, seed=seed, tell=lambda _: None)


def answers(fit: UpliftFit, examples: TrainingSet) -> Matrix:
    return fit.uplift.predict(fit.uplift.model.matrix(examples.frame)).uplift


@pytest.fixture(scope="module")
def log() -> TrainingSet:
    return log_of(6_000, 1)[0]


@pytest.fixture(scope="module")
def fit(log: TrainingSet) -> UpliftFit:
    return fitted(log)


def test_new_customers_get_what_a_contact_truly_changes(fit: UpliftFit) -> None:
    fresh, truth = log_of(5_000, 2)
    found = fit.uplift.predict(fit.uplift.model.matrix(fresh.frame))
    assert np.corrcoef(found.uplift, truth)[0, 1] > 0.8
    assert found.uplift.mean() == pytest.approx(truth.mean(), abs=0.03)
    best = np.argsort(-found.uplift)[:500]
    assert truth[best].sum() > 0.75 * np.sort(truth)[-500:].sum()
    assert (truth[np.argsort(found.uplift)[:500]] < 0).mean() > 0.8, "sleeping dogs are found"


def test_answers_are_probabilities_that_add_up(fit: UpliftFit, log: TrainingSet) -> None:
    found = fit.uplift.predict(fit.uplift.model.matrix(log.frame))
    for chance in (found.alone, found.contacted):
        assert ((chance >= 0) & (chance <= 1)).all()
    assert found.alone + found.uplift == pytest.approx(found.contacted)
    alone = log.frame[TREATED].to_numpy() == 0
    assert found.alone.mean() == pytest.approx(log.frame.loc[alone, OUTCOME].mean(), abs=0.02)


def test_the_mean_uplift_is_the_logs_average_effect(fit: UpliftFit, log: TrainingSet) -> None:
    arms = log.frame.groupby(TREATED)[OUTCOME].mean()
    assert fit.line.average.low < arms[1.0] - arms[0.0] < fit.line.average.high
    assert answers(fit, log).mean() == pytest.approx(fit.line.average.point, abs=0.005)
    promised = np.array([d.score for d in fit.curve.deciles])
    kept = np.array([d.uplift.low <= d.score <= d.uplift.high for d in fit.curve.deciles])
    assert (np.diff(promised) <= 0).all()
    assert kept.sum() >= 8


def test_the_plainest_learner_about_as_good_as_the_best_answers(fit: UpliftFit) -> None:
    best = max(fit.qini.values(), key=lambda found: found.point)
    assert fit.qini[fit.learner].point >= best.point - best.error
    plainer = LEARNERS[: LEARNERS.index(fit.learner)]
    assert all(fit.qini[one].point < best.point - best.error for one in plainer)
    assert fit.qini[fit.learner].low > 0
    assert fit.uplift.model.training["uplift"]["learner"] == fit.learner


def test_swapped_arms_turn_every_answer_round(fit: UpliftFit, log: TrainingSet) -> None:
    frame = log.frame.assign(**{TREATED: 1 - log.frame[TREATED], PROBABILITY: 1 - CONTACTED})
    turned = fitted(replace(log, frame=frame))
    assert turned.line.average.point == pytest.approx(-fit.line.average.point, abs=0.005)
    assert np.corrcoef(answers(fit, log), answers(turned, log))[0, 1] < -0.85


def test_the_same_log_in_any_order_gives_the_same_bytes(
    fit: UpliftFit, log: TrainingSet, tmp_path: Path
) -> None:
    mixed = replace(log, frame=log.frame.sample(frac=1.0, random_state=3))
    again = fitted(mixed, threads=2)
    kept = [save_model(tmp_path / name, f.uplift.model) for name, f in (("one", fit), ("two", again))]
    assert kept[0] == kept[1]
    loaded = UpliftModel(load_model(tmp_path / "one", kept[0]))
    matrix = loaded.model.matrix(log.frame)
    assert (loaded.predict(matrix).uplift == answers(fit, log)).all()
    one = loaded.predict(matrix[5:6])
    assert one.contacted[0] == fit.uplift.predict(matrix).contacted[5], "one row answers as in any batch"


def test_without_any_difference_everybody_gets_about_the_average() -> None:
    examples, truth = log_of(3_000, 4, gain=0.0)
    found = fitted(examples)
    assert truth.std() == 0
    assert found.qini[found.learner].low < 0.005
    assert answers(found, examples).std() < 0.03
    assert found.line.average.low < 0 < found.line.average.high


@pytest.mark.parametrize(("noise", "kept"), [(0.2, (0.9, 1.0)), (60.0, (0.0, 0.3))])
def test_differences_count_as_far_as_the_log_bears_them_out(
    noise: float, kept: tuple[float, float]
) -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(0.1, 0.05, 4_000)
    line = shrunk_line(raw, 0 * raw, raw + rng.normal(0, noise, len(raw)), np.arange(len(raw)))
    assert kept[0] <= line.slope / max(line.found, 1.0) <= kept[1]
    assert line.average.low < 0.1 < line.average.high


@pytest.mark.parametrize("trust", [0.0, 0.5, 1.0])
def test_what_a_log_says_nothing_of_is_believed_as_before_and_what_it_denies_is_not(trust: float) -> None:
    rng = np.random.default_rng(0)
    raw, customers = rng.normal(0.1, 0.05, 4_000), np.arange(4_000)
    silent = shrunk_line(raw, 0 * raw, raw + rng.normal(0, 600.0, len(raw)), customers, trust)
    assert silent.slope == pytest.approx(trust, abs=0.02)
    denied = shrunk_line(raw, 0 * raw, rng.normal(0, 0.01, len(raw)), customers, trust)
    assert denied.slope == pytest.approx(0.0, abs=0.02)


def test_scores_are_right_on_average_with_models_that_are_wrong() -> None:
    examples, truth = log_of(60_000, 9)
    treated, outcome, e = (examples.frame[c].to_numpy() for c in (TREATED, OUTCOME, PROBABILITY))
    scores = effect_scores(treated, outcome, e, np.full(len(e), 0.9), np.full(len(e), 0.1))
    assert scores.mean() == pytest.approx(truth.mean(), abs=4 * scores.std() / len(e) ** 0.5)


def test_too_few_answers_leave_it_to_stated_priors(log: TrainingSet) -> None:
    frame = log.frame.copy()
    hit = frame.index[(frame[TREATED] == 1) & (frame[OUTCOME] == 1)]
    frame.loc[hit[29:], OUTCOME] = 0.0
    with pytest.raises(RefusedError, match=r"29 outcomes among \d+ customers contacted, at least 30"):
        fitted(replace(log, frame=frame))


def test_contacts_that_were_no_chance_teach_nothing() -> None:
    examples, _ = log_of(4_000, 3)
    chosen = (np.random.default_rng(1).random(4_000) < expit(examples.frame["balance"])).astype(float)
    with pytest.raises(RefusedError, match="not left to chance"):
        fitted(replace(examples, frame=examples.frame.assign(**{TREATED: chosen, PROBABILITY: 0.5})))


@pytest.mark.parametrize(
    ("column", "value"), [(TREATED, 0.5), (OUTCOME, 2.0), (PROBABILITY, 1.0), (PROBABILITY, np.nan)]
)
def test_a_broken_log_is_refused_by_id(log: TrainingSet, column: str, value: float) -> None:
    frame = log.frame.copy()
    frame.loc[7, column] = value
    with pytest.raises(InputError, match=f"{column} is .*: C000007; cure:"):
        fitted(replace(log, frame=frame))


def test_another_models_artifact_is_no_model_of_uplift(fit: UpliftFit) -> None:
    with pytest.raises(CorruptError, match="no model of uplift"):
        UpliftModel(replace(fit.uplift.model, training={})).predict(np.zeros((1, len(FIELDS))))


@needs_hillstrom
def test_hillstroms_women_are_found_as_well_as_by_the_published_two_models() -> None:
    """Published, 50/50 split: two models .0073 +- .0015 a contacted customer, a response model .0045."""
    table = pd.read_parquet(HILLSTROM)
    table = table[table["segment"] != "Mens E-Mail"].reset_index(drop=True)
    numbers, words = ("recency", "history", "mens", "womens", "newbie"), ("zip_code", "channel")
    fields = [Field(n, "float64", "number", n, n) for n in numbers]
    fields += [Field(n, "string", "word", n, n) for n in words]
    frame = table[[*numbers, *words]].astype(dict.fromkeys(numbers, "float64"))
    frame["customer_id"] = [f"H{i:05d}" for i in range(len(frame))]
    frame["as_of"] = pd.Timestamp("2008-03-20", tz="UTC").as_unit("us")
    frame[TREATED] = (table["segment"] == "Womens E-Mail").astype(float)
    frame[PROBABILITY], frame[OUTCOME] = 0.5, table["visit"].astype(float)
    half = bucket(frame["customer_id"], "half") < 0.5
    learned = TrainingSet(frame[half].reset_index(drop=True), tuple(fields), (OUTCOME,), "0" * 64)
    params = {**PARAMS, "num_iterations": 100, "min_data_in_leaf": 200}
    spec = replace(RESPONSE, effect=(), params=params)
    found = fit_uplift(spec, learned, currency="EUR", threads=1, seed=7, tell=lambda _: None)
    rest = frame[~half]
    told = found.uplift.predict(found.uplift.model.matrix(rest))
    arms = rest[TREATED].to_numpy(), rest[OUTCOME].to_numpy()
    mine, response = (uplift_curve(s, *arms, seed=1, draws=200).qini for s in (told.uplift, told.contacted))
    assert mine.point > 0.0073 - 0.0015
    assert mine.low > 0
    assert mine.point > response.point


def offers_of(log: TrainingSet) -> TrainingSet:
    """The same log about two products by two channels."""
    rng = np.random.default_rng(3)
    frame = log.frame.assign(
        **{
            PRODUCT: rng.choice(np.array(["card", "loan"]), len(log.frame)),
            CHANNEL: rng.choice(np.array(["app", "call"]), len(log.frame)),
            PREFERRED: rng.integers(0, 2, len(log.frame)).astype(float),
        }
    )
    return replace(log, frame=frame, fields=(*FIELDS, *OFFER_FIELDS), contacts={"fatigue": {"app": 0.1}})


@pytest.fixture(scope="module")
def by_offer(log: TrainingSet) -> UpliftFit:
    return fitted(offers_of(log))


OFFERS = [("card", "app"), ("card", "call"), ("loan", "app"), ("loan", "branch")]


def test_all_offers_of_a_customer_are_answered_as_each_alone(by_offer: UpliftFit, log: TrainingSet) -> None:
    some = {name: log.frame[name].tolist()[:40] for name in ("balance", "sessions", "noise", "region")}
    some["age_years"] = log.frame["age_years"].tolist()[:40]
    some["preferred_channel"] = ["call", "app", None, "branch"] * 10
    together = by_offer.uplift.options(some, OFFERS)
    assert together.uplift.shape == (40, len(OFFERS))
    for place, (product, channel) in enumerate(OFFERS):
        likes = [float(liked == channel) for liked in some["preferred_channel"]]
        words = {PRODUCT: [product] * 40, CHANNEL: [channel] * 40, PREFERRED: likes}
        alone = by_offer.uplift.predict(by_offer.uplift.model.matrix({**some, **words}))
        for name in ("alone", "contacted", "uplift"):
            assert getattr(alone, name).tolist() == getattr(together, name)[:, place].tolist()
    first = by_offer.uplift.options({name: values[:1] for name, values in some.items()}, OFFERS)
    assert first.contacted[0].tolist() == together.contacted[0].tolist()


def test_who_is_left_alone_is_left_so_by_every_channel(by_offer: UpliftFit, log: TrainingSet) -> None:
    columns = {f.name: log.frame[f.name].tolist()[:200] for f in FIELDS}
    found = by_offer.uplift.options(columns, [("loan", c) for c in ("app", "call", "mail")])
    assert (found.alone == found.alone[:, :1]).all()


def test_only_products_that_contacts_were_about_are_known(by_offer: UpliftFit, fit: UpliftFit) -> None:
    assert by_offer.uplift.knows("card")
    assert not by_offer.uplift.knows("insurance")
    assert not fit.uplift.knows("card")
    assert by_offer.uplift.model.training["contacts"] == {"fatigue": {"app": 0.1}}
    assert {o[:2] for o in by_offer.offers} == {(p, c) for p in ("card", "loan") for c in ("app", "call")}
    assert sum(o[2] for o in by_offer.offers) == by_offer.contacted


def test_a_sound_model_passes_its_gates(fit: UpliftFit) -> None:
    metrics = {UPLIFT: uplift_metrics(fit)}
    verdict = judge(SPEC, metrics, None)
    assert verdict.promote, verdict.reasons
    assert "average effect" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"qini_low": -0.001}, "Qini"),
        ({"promised": 0.9}, "mean of what is promised"),
        ({"explained": 0.05}, "left to chance"),
        ({"calibration_slope": 3.0, "calibration_slope_error": 0.1}, "calibration slope"),
    ],
)
def test_a_model_that_misses_a_gate_is_refused_by_its_name(
    fit: UpliftFit, change: dict[str, float], reason: str
) -> None:
    verdict = judge(SPEC, {UPLIFT: uplift_metrics(fit) | change}, None)
    assert not verdict.promote
    assert len(verdict.reasons) == 1
    assert reason in verdict.reasons[0]


def test_an_order_that_may_be_chance_is_no_order() -> None:
    flat = fitted(log_of(2_500, 11, gain=0.0)[0])
    assert flat.line.slope == 0.0
    checks = judge(SPEC, {UPLIFT: uplift_metrics(flat)}, None).checks
    assert next(c for c in checks if "Qini" in c.gate).passed
