"""What new holdings earn: told apart where takers show it, the mean where they do not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import RefusedError
from tests.training.examples import CURRENCY, FIELDS
from training.datasets import TrainingSet
from training.evaluate import Evaluation
from training.fit import Fitted
from training.gates import judge
from training.kinds import make
from training.margin import fit_margin
from training.specs import MARGIN
from training.split import out_of_time

SPEC = replace(MARGIN, params={**MARGIN.params, "num_iterations": 60})


def margins(customers: int = 3_000, seed: int = 0) -> TrainingSet:
    """Takers of three products at four snapshots: a loan's margin follows the balance by far."""
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(4):
        balance = np.exp(rng.normal(size=customers))
        drawn = rng.random((customers, 4))
        frame = pd.DataFrame(
            {
                "customer_id": [f"C{i:05d}" for i in range(customers)],
                "as_of": (pd.Timestamp("2023-01-01", tz="UTC") + pd.Timedelta(days=140 * k)).as_unit("us"),
                "balance": balance,
                "sessions": rng.poisson(3, customers).astype(float),
                "noise": rng.normal(size=customers),
                "region": rng.choice(np.array(["north", "south"]), customers),
                "age_years": rng.integers(18, 90, customers).astype(float),
                "loan": 200 * balance * np.exp(0.4 * rng.normal(size=customers)),
                "card": 52.8 * (rng.random(customers) < 0.97),
                "fund": 30 * np.exp(1.5 * rng.normal(size=customers)),
                "rare": 5.0,
            }
        )
        for place, (name, share) in enumerate(
            {"loan": 0.2, "card": 0.2, "fund": 0.2, "rare": 0.001}.items()
        ):
            frame.loc[drawn[:, place] > share, name] = np.nan
        parts.append(frame)
    frame = pd.concat(parts, ignore_index=True)
    return TrainingSet(frame, FIELDS, ("loan", "card", "fund", "rare"), "0" * 64)


@pytest.fixture(scope="module")
def examples() -> TrainingSet:
    return margins()


@pytest.fixture(scope="module")
def found(examples: TrainingSet) -> tuple[Fitted, Evaluation]:
    split = out_of_time(examples.frame, SPEC)
    return fit_margin(SPEC, examples, split, currency=CURRENCY, threads=1, seed=7, tell=lambda _: None)


def test_a_margin_that_features_tell_is_each_customers_own(found: tuple[Fitted, Evaluation]) -> None:
    model = found[0].model
    fresh = margins(seed=9).frame
    answers = model.predict(model.matrix(fresh))
    assert np.corrcoef(answers["loan"], fresh["balance"])[0, 1] > 0.7
    assert answers["loan"].mean() == pytest.approx(fresh["loan"].mean(), rel=0.1)


def test_a_margin_that_nothing_tells_is_the_takers_mean(
    found: tuple[Fitted, Evaluation], examples: TrainingSet
) -> None:
    model, metrics = found[0].model, found[1].metrics
    answers = model.predict(model.matrix(examples.frame))
    for name in ("card", "fund"):
        assert metrics[name]["constant"] == 1.0
        assert np.ptp(answers[name]) == 0.0
        assert answers[name][0] == pytest.approx(metrics[name]["learned_mean"])


def test_a_product_that_hardly_anybody_took_has_no_head(found: tuple[Fitted, Evaluation]) -> None:
    assert {head.name for head in found[0].model.heads} == {"loan", "card", "fund"}
    assert "needed" in found[0].log.refused["rare"]


def test_the_gates_ask_that_it_errs_no_more_than_the_mean(found: tuple[Fitted, Evaluation]) -> None:
    assert judge(SPEC, found[1].metrics, None).promote
    worse = {**found[1].metrics, "loan": {**found[1].metrics["loan"], "loss_beside_mean": 1.2}}
    verdict = judge(SPEC, worse, None)
    assert not verdict.promote
    assert verdict.reasons[0].startswith("loan: squared error")


def test_without_takers_it_is_refused(examples: TrainingSet) -> None:
    nobody = examples.frame.assign(**dict.fromkeys(("loan", "card", "fund", "rare"), np.nan))
    with pytest.raises(RefusedError, match="nothing was taken often enough"):
        make(
            SPEC, replace(examples, frame=nobody), currency=CURRENCY, threads=1, seed=7, tell=lambda _: None
        )


def test_a_product_that_the_test_does_not_confirm_answers_its_mean_and_costs_the_others_nothing(
    examples: TrainingSet,
) -> None:
    """A loan that earned by the balance, and in the end by its inverse: only the loan is not told apart."""
    frame = examples.frame.copy()
    last = frame["as_of"] == frame["as_of"].max()
    frame["fund"] = frame["loan"]
    frame.loc[last, "loan"] = 200.0 / frame.loc[last, "balance"].where(frame.loc[last, "loan"].notna())
    turned = replace(examples, frame=frame)
    split = out_of_time(frame, SPEC)
    said = {"currency": CURRENCY, "threads": 1, "seed": 7, "tell": lambda _: None}
    metrics = fit_margin(SPEC, turned, split, **said)[1].metrics
    assert metrics["loan"]["constant"] == 1.0 and metrics["fund"]["constant"] == 0.0
    assert judge(SPEC, metrics, None).promote
