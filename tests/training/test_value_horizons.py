"""Longer horizons of value: learned without a look ahead, summing to their parts, or said to be missing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import load_catalogue
from features.labels import VALUE_PARTS
from features.labels.value import discount
from tests.features.conftest import row
from tests.features.memory_bank import connect
from tests.training.examples import fit_quickly
from training.datasets import TrainingSet
from training.evaluate import evaluate
from training.gates import judge
from training.pages.page import model_page
from training.slices import slices_of
from training.specs import VALUE
from training.split import out_of_time
from training.worth.horizons import Horizon, horizons_of, learn_horizons, project
from training.worth.longer import Later, later_values

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "features" / "catalogue.toml")
CLOSED = datetime(2025, 1, 1, tzinfo=UTC)
SPEC = replace(VALUE, gates=replace(VALUE.gates, min_positives=2))
FACTORS = {part: 1.5 + k / 4 for k, part in enumerate(VALUE_PARTS)}
TWO = Horizon(24, FACTORS, 40, "2022-01-01T00:00:00+00:00")
THREE = Horizon(36, {}, missing="7 more months of history")


def before(days: float) -> datetime:
    return CLOSED - timedelta(days=days)


def bank(first_day: float, leaves: float | None = None, **more: Any) -> dict[str, Any]:
    """Three accounts of 1,000 booked once, `first_day` days before the cut; the last may leave."""
    holdings = [row("holdings", holding_id=f"H{c}", customer_id=c) for c in "abc"]
    if leaves is not None:
        closed = {"closed_at": before(leaves), "close_reason": "customer", "known_at": before(leaves)}
        holdings.append(holdings[-1] | closed)
    booked = [
        row(
            "transactions",
            transaction_id=f"T{c}{at}",
            holding_id=f"H{c}",
            customer_id=c,
            at=before(at),
            category="other",
            balance_after=cents,
        )
        for c in "abc"
        for at, cents in ((first_day, 1000_00), *more.get("later", ()))
    ]
    return {"holdings": holdings, "transactions": booked}


def test_a_part_is_carried_on_as_the_same_customers_brought_it_before() -> None:
    two, _ = learn_horizons(connect(bank(721, leaves=360)), SPEC, CATALOGUE, CLOSED)
    months = [discount(CATALOGUE.discount_rate, m) for m in range(1, 25)]
    # The one who left was there for the first twelve months, and two of three for the next.
    whole = 3 * sum(months[:12]) + 2 * sum(months[12:])
    assert two.factors["interest_margin"] == pytest.approx(whole / (3 * sum(months[:12])), rel=1e-6)
    assert two.factors["cost_to_serve"] == pytest.approx(two.factors["interest_margin"], rel=1e-6)
    assert (two.months, two.customers, two.missing) == (24, 3, "")
    assert datetime.fromisoformat(two.as_of) == before(720)


def test_a_horizon_that_history_is_too_short_for_says_how_many_months_it_lacks() -> None:
    two, three = learn_horizons(connect(bank(721)), SPEC, CATALOGUE, CLOSED)
    assert not two.missing
    assert (three.factors, three.missing) == ({}, "12 more months of history")
    two, _ = learn_horizons(connect(bank(719.5)), SPEC, CATALOGUE, CLOSED)
    assert two.missing == "1 more months of history"


def test_a_horizon_of_too_few_customers_is_not_answered() -> None:
    need = replace(SPEC, gates=replace(SPEC.gates, min_positives=4))
    two, _ = learn_horizons(connect(bank(800)), need, CATALOGUE, CLOSED)
    assert two.missing == "3 customers as of 2023-01-12, 4 needed"


def test_nothing_that_became_known_after_the_cut_moves_a_horizon() -> None:
    was = learn_horizons(connect(bank(800)), SPEC, CATALOGUE, CLOSED)
    now = learn_horizons(
        connect(bank(800, leaves=-1, later=((-1, 9_000_00), (-300, 0)))), SPEC, CATALOGUE, CLOSED
    )
    assert now == was
    inside = learn_horizons(connect(bank(800, later=((200, 9_000_00),))), SPEC, CATALOGUE, CLOSED)
    assert inside != was


@given(
    amounts=st.lists(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), min_size=1, max_size=20),
    factors=st.lists(st.floats(0, 3), min_size=4, max_size=4),
)
def test_a_horizons_parts_sum_to_it_and_a_row_alone_is_as_among_many(
    amounts: list[list[float]], factors: list[float]
) -> None:
    parts = dict(zip(VALUE_PARTS, np.array(amounts).T.copy(), strict=True))
    horizon = Horizon(24, dict(zip(VALUE_PARTS, factors, strict=True)))
    carried = project(parts, horizon)
    assert carried["expected"] == pytest.approx(sum(carried[part] for part in VALUE_PARTS), abs=1e-6)
    alone = [project({p: a[[n]] for p, a in parts.items()}, horizon) for n in range(len(amounts))]
    assert [one["expected"][0] for one in alone] == carried["expected"].tolist()


def test_what_a_horizon_really_brought_is_told_beside_the_plain_methods() -> None:
    moments = [before(days) for days in (720, 540, 360)]
    connection = connect(bank(1081, leaves=721))
    (later,) = later_values(connection, SPEC, CATALOGUE, moments, CLOSED + timedelta(days=5))
    assert (later.months, set(later.frame["as_of"])) == (24, {before(720)})
    worth = sum(discount(CATALOGUE.discount_rate, m) for m in range(1, 13))
    account = CATALOGUE.products["current_account"]
    year = worth * (1000 * account.balance_margin * 30 / 365 - account.monthly_cost)
    kept, next_year = 2 / 3, 1 / (1 + CATALOGUE.discount_rate)
    assert later.frame["customer_id"].tolist() == ["a", "b"]
    assert later.frame["value"].to_numpy() == pytest.approx(year * (1 + next_year), rel=1e-2)
    assert later.frame["carried"].to_numpy() == pytest.approx(year * (1 + next_year), rel=1e-5)
    expected = year * (kept + kept**2 * next_year)
    assert later.frame["retained"].to_numpy() == pytest.approx(expected, rel=1e-5)
    (young,) = later_values(connect(bank(1000)), SPEC, CATALOGUE, moments, CLOSED)
    assert young.frame[["carried", "retained"]].isna().all(axis=None)


@pytest.fixture(scope="module")
def longer_set(value_set: TrainingSet) -> TrainingSet:
    """The examples with a horizon learned, one missing, and what the first snapshot really brought."""
    frame = value_set.frame
    seen = frame[frame["as_of"] == frame["as_of"].min()]
    brought = sum(seen[part] * TWO.factors[part] for part in VALUE_PARTS)
    plain = {"carried": 2 * seen["value"].mean(), "retained": seen["value"] * 1.8}
    later = seen[["customer_id", "as_of"]].assign(value=brought, **plain)
    return replace(value_set, horizons=(TWO, THREE), later=(Later(24, later.reset_index(drop=True)),))


def test_the_artifact_keeps_its_horizons_and_another_model_has_none(
    longer_set: TrainingSet, churn_fitted: Any
) -> None:
    assert horizons_of(fit_quickly(VALUE, longer_set, rounds=5).model) == (TWO, THREE)
    assert horizons_of(churn_fitted.model) == ()


def test_a_passed_horizon_is_measured_on_customers_that_no_tree_saw(longer_set: TrainingSet) -> None:
    split = out_of_time(longer_set.frame, VALUE)
    evaluation = evaluate(fit_quickly(VALUE, longer_set).model, longer_set, split)
    found = evaluation.metrics["value_24"]
    held_out = longer_set.frame.iloc[split.calibrate]
    assert found["rows"] == (held_out["as_of"] == longer_set.frame["as_of"].min()).sum()
    assert abs(found["bias"]) < 0.05
    assert found["gini"] > 0.5 > found["carried_on_gini"]
    assert found["average_retention_bias"] > 0.1 > found["bias"]
    assert "value_36" not in evaluation.metrics
    seen = pd.concat([later.frame for later in longer_set.later])
    trained = seen[~seen["customer_id"].isin(held_out["customer_id"])]
    none = replace(longer_set, later=(Later(24, trained),))
    assert "value_24" not in evaluate(fit_quickly(VALUE, none).model, none, split).metrics


def test_longer_horizons_decide_at_no_gate(longer_set: TrainingSet) -> None:
    split = out_of_time(longer_set.frame, VALUE)
    metrics = evaluate(fit_quickly(VALUE, longer_set).model, longer_set, split).metrics
    assert judge(VALUE, metrics, None) == judge(VALUE, {k: metrics[k] for k in ("value",)}, None)


def test_the_page_shows_what_is_projected_and_what_history_lacks(longer_set: TrainingSet) -> None:
    split = out_of_time(longer_set.frame, VALUE)
    model = fit_quickly(VALUE, longer_set).model
    evaluation = evaluate(model, longer_set, split)
    parts = slices_of(model, evaluation, longer_set, split)
    page = model_page(model, longer_set, split, evaluation, parts, title="Value")
    assert "× 1.50" in page
    assert "40 customers as of 2022-01-01" in page
    assert "it lacks 7 more months of history" in page
    assert "24 months" in page and "the same x retention" in page
