"""Packed trees answer as LightGBM does: scores to the last bit, contributions to rounding."""

from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError
from features.home import Home
from training.forest import Forest, pack, together
from training.versions.champions import Champions

WIDTH = 6
WORDS, ZEROS = 1, 2
ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 1e-36, -1e-36, 1e-35, 2e-35, -0.5, -1.0)
ODD += (0.5, 2.9, 31.0, 32.0, 63.5, 1e6, 2147483647.0, 2147483648.0, 4e9, -3e9)


def grow(seed: int, **params: Any) -> lightgbm.Booster:
    """A booster of numbers, words, gaps and zeros."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(400, WIDTH))
    matrix[:, WORDS] = rng.integers(0, 40, len(matrix))
    matrix[:, ZEROS] *= rng.random(len(matrix)) < 0.5
    matrix[:, 3] = np.where(rng.random(len(matrix)) < 0.3, np.nan, matrix[:, 3])
    target = np.isin(matrix[:, WORDS] % 7, (1, 2)) + matrix[:, 0] * matrix[:, ZEROS]
    target += np.nan_to_num(matrix[:, 3], nan=1.0) + rng.normal(size=len(matrix))
    if params.get("objective") == "binary":
        target = (target > np.median(target)).astype(float)
    told = {"verbosity": -1, "num_threads": 1, "seed": seed, "min_data_in_leaf": 3, "num_iterations": 12}
    told |= {"min_data_per_group": 5, "cat_smooth": 1.0, **params}
    return lightgbm.train(told, lightgbm.Dataset(matrix, target, categorical_feature=[WORDS]))


boosters = st.builds(
    grow,
    seed=st.integers(0, 1_000),
    objective=st.sampled_from(["binary", "regression", "quantile"]),
    num_leaves=st.sampled_from([2, 7, 31]),
    use_missing=st.booleans(),
    zero_as_missing=st.booleans(),
    max_cat_to_onehot=st.sampled_from([1, 64]),
    bagging_fraction=st.sampled_from([0.5, 1.0]),
    bagging_freq=st.just(1),
)


def rows_of(seed: int, n: int) -> np.ndarray:
    """Rows that training never saw: odd values among usual ones."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, WIDTH))
    rows[:, WORDS] = rng.integers(-2, 60, n)
    return np.where(rng.random(rows.shape) < 0.4, rng.choice(ODD, rows.shape), rows)


def raw_of(booster: lightgbm.Booster, rows: np.ndarray) -> np.ndarray:
    return booster.predict(rows, raw_score=True, num_threads=1)


@settings(max_examples=40)
@given(booster=boosters, seed=st.integers(0, 1_000), n=st.sampled_from([1, 3, 64, 130]))
def test_scores_are_lightgbms_to_the_last_bit(booster: lightgbm.Booster, seed: int, n: int) -> None:
    rows = rows_of(seed, n)
    assert pack(booster).raw(rows).tobytes() == raw_of(booster, rows).tobytes()


@settings(max_examples=40)
@given(booster=boosters, seed=st.integers(0, 1_000))
def test_contributions_are_lightgbms(booster: lightgbm.Booster, seed: int) -> None:
    rows = rows_of(seed, 20)
    told = booster.predict(rows, pred_contrib=True, num_threads=1)[:, :-1]
    found = pack(booster).contributions(rows)
    assert np.abs(found - told).max() <= 1e-9 * np.abs(told).max()


def test_deep_trees_contribute_as_lightgbms_do() -> None:
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(2_000, 40))
    target = np.prod(np.sign(matrix[:, :5]), axis=1) + matrix.sum(axis=1)
    params = {"verbosity": -1, "num_leaves": 200, "min_data_in_leaf": 1, "learning_rate": 0.5}
    booster = lightgbm.train({**params, "num_iterations": 5}, lightgbm.Dataset(matrix, target))
    told = booster.predict(matrix[:30], pred_contrib=True)[:, :-1]
    assert np.abs(pack(booster).contributions(matrix[:30]) - told).max() <= 1e-9 * np.abs(told).max()


def test_a_row_contributes_as_in_any_batch() -> None:
    forest, rows = pack(grow(5)), rows_of(5, 20)
    alone = np.concatenate([forest.contributions(row[None]) for row in rows])
    assert alone.tobytes() == forest.contributions(rows).tobytes()


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda rows: rows[::-1], lambda rows: rows[:0]])
def test_any_layout_in_memory_gives_the_same_scores(layout) -> None:
    booster, rows = grow(1), layout(rows_of(1, 200))
    assert pack(booster).raw(rows)[:, 0].tolist() == (raw_of(booster, rows).tolist() if len(rows) else [])


def test_a_tree_that_never_splits_is_its_leaf() -> None:
    rows = np.zeros((50, 2))
    booster = lightgbm.train({"verbosity": -1, "num_iterations": 3}, lightgbm.Dataset(rows, rows[:, 0] + 4))
    forest = pack(booster)
    assert forest.raw(rows[:2])[:, 0].tolist() == raw_of(booster, rows[:2]).tolist()
    assert not forest.contributions(rows[:2]).any()


@settings(max_examples=15)
@given(seed=st.integers(0, 1_000), n=st.sampled_from([1, 5]), m=st.sampled_from([0, 1, 4]))
def test_variations_answer_as_copied_rows_do(seed: int, n: int, m: int) -> None:
    forest = together([(pack(grow(seed)), range(WIDTH)), (pack(grow(seed + 1)), range(WIDTH))], WIDTH)
    rows, values = rows_of(seed, n), rows_of(seed + 1, n * m)[:, :2].reshape(n, m, 2)
    places = (WORDS, 4)
    copies = np.repeat(rows[:, None, :], m, axis=1)
    copies[:, :, places] = values
    whole = forest.raw(copies.reshape(-1, WIDTH)).reshape(n, m, 2)
    assert forest.varied(rows, places, values).tobytes() == whole.tobytes()


def test_forests_together_answer_as_each_by_itself() -> None:
    one, two, rows = pack(grow(1)), pack(grow(2)), rows_of(9, 100)
    places = [7, 3, 0, 2, 6, 1]
    common = np.full((100, 9), np.nan)
    common[:, places] = rows
    both = together([(one, places), (two, places)], 9)
    assert both.raw(common).tolist() == np.hstack([one.raw(rows), two.raw(rows)]).tolist()
    assert both.contributions(common, 1)[:, places].tolist() == two.contributions(rows).tolist()


def test_other_answers_than_one_sum_of_leaves_are_refused() -> None:
    rows = np.random.default_rng(0).normal(size=(300, 2))
    target = np.arange(300) % 3
    quick = {"verbosity": -1, "num_iterations": 2}
    for params in (
        {"linear_tree": True},
        {"objective": "multiclass", "num_class": 3},
        {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
    ):
        booster = lightgbm.train({**quick, **params}, lightgbm.Dataset(rows, target, params=params))
        with pytest.raises(InputError, match="cure"):
            pack(booster)


@pytest.mark.parametrize("shape", [(3, WIDTH - 1), (3, WIDTH + 1), (WIDTH,)])
def test_a_matrix_of_another_width_is_refused(shape: tuple[int, ...]) -> None:
    forest: Forest = pack(grow(1))
    for ask in (forest.raw, forest.contributions, lambda m: forest.varied(m, (0,), np.zeros((3, 1, 1)))):
        with pytest.raises(InputError, match="cure"):
            ask(np.zeros(shape))


def test_variations_of_another_shape_are_refused() -> None:
    forest, rows = pack(grow(1)), np.zeros((3, WIDTH))
    for places, values in (
        ((0,), (2, 1, 1)),
        ((0, 1), (3, 1, 1)),
        ((WIDTH,), (3, 1, 1)),
        ((-1,), (3, 1, 1)),
    ):
        with pytest.raises(InputError, match="cure"):
            forest.varied(rows, places, np.zeros(values))


def test_the_champions_of_a_bank_answer_as_lightgbm(bank: Home) -> None:
    champions, seen = Champions(bank), 0
    for name in ("churn", "value", "propensity"):
        model = champions.load(champions.champion(name))
        rng = np.random.default_rng(1)
        rows = np.floor(rng.normal(size=(300, len(model.features))) * 50)
        rows[rng.random(rows.shape) < 0.2] = np.nan
        for head in model.heads:
            forest, seen = pack(head.booster), seen + 1
            assert forest.raw(rows).tobytes() == raw_of(head.booster, rows).tobytes()
            told = head.booster.predict(rows[:20], pred_contrib=True, num_threads=1)[:, :-1]
            assert np.abs(forest.contributions(rows[:20]) - told).max() <= 1e-9 * np.abs(told).max()
    assert seen > 3


def test_trees_of_more_leaves_than_bits_are_refused() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(2_000, 3))
    params = {"verbosity": -1, "min_data_in_leaf": 1, "num_iterations": 1}
    for leaves in (64, 65):
        booster = lightgbm.train({**params, "num_leaves": leaves}, lightgbm.Dataset(rows, rows.sum(axis=1)))
        if leaves == 64:
            assert pack(booster).raw(rows).tobytes() == raw_of(booster, rows).tobytes()
        else:
            with pytest.raises(InputError, match="at most 64"):
                pack(booster).raw(rows)
