"""A straight line that few rows tell, answered by trees: where it goes, and when there is none."""

import numpy as np
import pytest

from training.artifact import Matrix
from training.bins import binned, deterministic
from training.contract import Feature
from training.forest import pack
from training.specs import MARGIN
from training.straight import straight

ROWS, TAKERS = 2_000, 250
PARAMS = {**MARGIN.params, **deterministic(1, 7), "objective": "regression", "feature_pre_filter": False}
FEATURES = (
    *(Feature(name, "float64", None, None, name, "", False) for name in ("income", *"abcdefgh")),
    Feature("region", "string", ("north", "south"), None, "region", "", False),
)


def drawn() -> tuple[Matrix, Matrix]:
    """Incomes with a long tail beside noise, some of it missing; margins of the few who took it."""
    rng = np.random.default_rng(3)
    income = 2_000 * np.exp(0.9 * rng.normal(size=ROWS))
    columns = np.column_stack([income, rng.normal(size=(ROWS, 8)), rng.integers(0, 2, ROWS)])
    columns[rng.random(ROWS) < 0.2, 1] = np.nan
    margin = 0.15 * income - 20 + 150 * rng.normal(size=ROWS)
    return columns, np.where(np.arange(ROWS) < TAKERS, margin, np.nan)


def answered(columns: Matrix, target: Matrix, customers: Matrix) -> Matrix | None:
    data = binned(columns, FEATURES, PARAMS)
    booster = straight(data, columns, FEATURES, target, customers, PARAMS)
    return None if booster is None else pack(booster).raw(columns)[:, 0]


def test_few_takers_tell_the_slope_up_to_the_largest() -> None:
    columns, target = drawn()
    answers = answered(columns, target, np.arange(ROWS))
    assert answers is not None
    truth = 0.15 * columns[:, 0] - 20
    assert np.corrcoef(answers, truth)[0, 1] > 0.95
    largest = np.argsort(columns[:, 0])[-100:]
    assert answers[largest].mean() == pytest.approx(truth[largest].mean(), rel=0.15)


def test_the_same_rows_give_the_same_bytes() -> None:
    columns, target = drawn()
    first, again = (answered(columns, target, np.arange(ROWS)) for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.tobytes() == again.tobytes()


def test_beyond_what_takers_showed_the_line_is_not_followed() -> None:
    columns, target = drawn()
    most = columns[:TAKERS, 0].max()
    columns[-50:, 0] = 20 * most
    answers = answered(columns, target, np.arange(ROWS))
    assert answers is not None
    assert answers[-50:].max() < 1.2 * (0.15 * most - 20)


def test_no_slope_and_too_few_customers_give_no_line() -> None:
    columns, target = drawn()
    level = np.where(np.isnan(target), np.nan, 50.0)
    assert answered(columns, level, np.arange(ROWS)) is None
    assert answered(columns, target, np.arange(ROWS) % 3) is None
