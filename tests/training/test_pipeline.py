from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from features.errors import NotReadyError, RefusedError
from features.generations import Generation, serve, write_generation
from features.home import Home
from tests.training.examples import CURRENCY, make_set, quick
from training.pipeline import TrainResult, train_on
from training.registry import Registry
from training.specs import CHURN, PROPENSITY, ModelSpec
from training.versions import ledger
from training.versions.promotion import promote

AT = datetime(2026, 10, 31, tzinfo=UTC)


def _train(home: Home, spec: ModelSpec, seed: int = 0) -> tuple[TrainResult, list[str]]:
    told: list[str] = []
    examples = make_set(spec, seed=seed)
    result = train_on(home, quick(spec), examples, currency=CURRENCY, threads=1, seed=1, tell=told.append)
    return result, told


@pytest.fixture(scope="module")
def bank(new_home: Callable[[], Home]) -> Home:
    return new_home()


def _promote(home: Home, name: str = "churn") -> None:
    promote(home, name, who="ada", at=AT, tell=lambda _: None)


def test_nothing_trained_cannot_be_promoted(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="tenure train churn"):
        _promote(Home(tmp_path))


def test_challenger_and_champion_are_measured_on_the_same_rows_and_promoted_by_the_gates(
    bank: Home,
) -> None:
    first, told = _train(bank, CHURN)
    assert first.verdict.promote
    assert any("registered version 1" in line for line in told)
    _promote(bank)
    second, _ = _train(bank, CHURN, seed=5)
    number, theirs = Registry(bank).against(second.version)
    assert number == 1
    assert theirs["churn"]["rows"] == second.metrics["churn"]["rows"]
    assert theirs["churn"]["auc"] != first.metrics["churn"]["auc"]
    third, _ = _train(bank, CHURN, seed=6)
    _promote(bank)
    entry = ledger.read(bank.artifacts / "ledger.jsonl")[-1]
    assert (entry.version, entry.who, entry.sha256) == (third.version.version, "ada", third.version.sha256)


def test_a_challenger_measured_against_another_champion_is_refused(bank: Home) -> None:
    _train(bank, CHURN, seed=8)
    Registry(bank).rollback("churn", who="ada", at=AT)
    with pytest.raises(RefusedError, match=r"measured against champion 3, now it is 1; cure: run"):
        _promote(bank)


def test_a_weak_challenger_is_refused_with_reasons_and_the_champion_stays(bank: Home) -> None:
    examples = make_set(CHURN, seed=9)
    labels = examples.frame["churn"].sample(frac=1, random_state=1).to_numpy()
    noise = replace(examples, frame=examples.frame.assign(churn=labels))
    before = Registry(bank).champion("churn")
    result = train_on(bank, quick(CHURN), noise, currency=CURRENCY, threads=1, seed=1, tell=lambda _: None)
    assert not result.verdict.promote
    with pytest.raises(RefusedError, match=r"AUC 0\.\d+, must be at least 0.6"):
        _promote(bank)
    assert Registry(bank).champion("churn") == before


def test_a_leak_is_refused(home: Home) -> None:
    examples = make_set(CHURN)
    leaky = replace(examples, frame=examples.frame.assign(noise=examples.frame["churn"]))
    train_on(home, quick(CHURN), leaky, currency=CURRENCY, threads=1, seed=1, tell=lambda _: None)
    with pytest.raises(RefusedError, match="taken for a leak"):
        _promote(home)


def test_another_definition_is_not_compared_and_a_broken_champion_does_not_stop_training(
    bank: Home,
) -> None:
    result, told = _train(bank, replace(CHURN, definition="closure"), seed=10)
    assert any("not compared" in line for line in told)
    assert Registry(bank).against(result.version) == (1, {})
    champion = Registry(bank).champion("churn")
    (bank.artifacts / champion.run_id / "artifacts" / "model" / "model.json").write_text("{}")
    _, told = _train(bank, CHURN, seed=11)
    assert any("cannot be measured" in line for line in told)
    _promote(bank)
    present = Registry(bank).champion("churn")
    assert present.version > champion.version
    assert Registry(bank).load(present).definition == CHURN.definition


def test_a_weak_product_does_not_hold_back_the_others(home: Home) -> None:
    examples = make_set(PROPENSITY)
    shuffled = examples.frame["card"].sample(frac=1, random_state=2).to_numpy()
    two = replace(examples, frame=examples.frame.assign(loan=shuffled))
    told: list[str] = []
    result = train_on(home, quick(PROPENSITY), two, currency=CURRENCY, threads=1, seed=1, tell=told.append)
    assert list(result.metrics) == ["card", "loan"]
    assert "must be at least 0.6" in result.pooled["loan"] and result.refused == {}
    assert any("'loan' is pooled with the other products: loan: AUC" in line for line in told)
    loan = result.metrics["loan"]
    assert 0.8 < loan["observed_to_expected"] < 1.25, "nobody can be told apart, but the level is right"
    model = Registry(home).load(result.version)
    assert [(h.name, h.basis) for h in model.heads] == [("card", "own"), ("loan", "pooled")]
    _promote(home, "propensity")
    logged = Registry(home).metrics(result.version)
    assert list(logged) == ["card", "loan"], "figures over all products are no head's"


def test_a_product_that_not_even_pooling_helps_is_left_out(home: Home) -> None:
    examples = make_set(PROPENSITY)
    frame = examples.frame.assign(loan=examples.frame["card"])
    last = frame["as_of"] == frame["as_of"].max()
    # The bank gave up selling loans to all but those who ask: far fewer than were expected.
    frame.loc[last & (frame.index % 20 > 0) & (frame["loan"] == 1.0), "loan"] = 0.0
    told: list[str] = []
    result = train_on(
        *(home, quick(PROPENSITY), replace(examples, frame=frame)),
        currency=CURRENCY,
        threads=1,
        seed=1,
        tell=told.append,
    )
    assert list(result.metrics) == ["card"]
    assert "takers of a pooled product" in result.refused["loan"] and result.pooled == {}


def test_whoever_trained_may_not_promote_where_four_eyes_are_asked_for(home: Home) -> None:
    def four_eyes(who: str) -> int:
        return promote(home, "churn", who=who, at=AT, tell=lambda _: None, four_eyes=True)[0].version

    means = {"currency": CURRENCY, "threads": 1, "seed": 1, "tell": lambda _: None}
    train_on(home, quick(CHURN), make_set(CHURN), **means)
    with pytest.raises(RefusedError, match="does not say who trained it"):
        four_eyes("bob")
    version = train_on(home, quick(CHURN), make_set(CHURN), **means, who="ada").version
    for same in ("ada", " Ada "):
        with pytest.raises(
            RefusedError, match="was trained by ada, and another must promote it; cure: ask"
        ):
            four_eyes(same)
    with pytest.raises(NotReadyError):
        Registry(home).champion("churn")
    assert four_eyes("bob") == version.version
    assert ledger.read(home.artifacts / "ledger.jsonl")[-1].who == "bob"


def test_a_challenger_that_has_waited_too_long_is_refused(home: Home) -> None:
    _train(home, CHURN)
    as_of = datetime(2027, 6, 1, tzinfo=UTC)
    generation = Generation("2027-06-01.1", as_of, (as_of,), ("",))
    (home.offline / generation.name).mkdir(parents=True)
    write_generation(home.offline / generation.name, generation, {})
    serve(home, generation)
    with pytest.raises(
        RefusedError, match=r"days since its newest outcomes were known \d+, must be at most"
    ):
        _promote(home)


def test_a_slice_that_is_served_wrongly_is_remembered_until_promotion(home: Home) -> None:
    rng = np.random.default_rng(4)
    examples = make_set(CHURN, customers=4000)
    frame = examples.frame.assign(
        kind=np.where(rng.random(len(examples.frame)) < 0.3, "business", "person")
    )
    last = (frame["as_of"] == frame["as_of"].max()) & (frame["kind"] == "business")
    # What businesses do in the test is what persons with their features would not do.
    frame.loc[last, "churn"] = 1 - frame.loc[last, "churn"]
    result = train_on(
        *(home, quick(CHURN), replace(examples, frame=frame)),
        currency=CURRENCY,
        threads=1,
        seed=1,
        tell=lambda _: None,
    )
    assert [c.gate for c in result.verdict.checks if not c.passed and "kind=business" in c.gate]
    with pytest.raises(RefusedError, match="AUC where kind=business"):
        _promote(home)
