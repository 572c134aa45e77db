"""The learner of few words: found laws, no invented ones, and no belief beyond what was seen."""

import json

import numpy as np
import pytest
from scipy.special import expit

from training.artifact import Matrix
from training.contract import Feature
from training.uplift.linear import Linear, fit_linear, terms_of

FEATURES = (
    Feature("age", "float64", None, 45.0, "Age", "years", protected=False),
    Feature("noise", "float64", None, 0.0, "Noise", "number", protected=False),
    Feature("channel", "string", ("app", "call", "mail"), None, "Channel", "word", protected=False),
)
AGE, CALL = -0.4, 0.8


def contacted(rows: int, seed: int, *, gain: float = 1.0) -> tuple[Matrix, Matrix, Matrix]:
    """Features, log-odds if left alone and outcomes of contacted customers, by a stated law."""
    rng = np.random.default_rng(seed)
    channel = rng.choice(3, rows, p=(0.6, 0.395, 0.005)).astype(float)
    matrix = np.column_stack([rng.normal(45, 15, rows), rng.normal(size=rows), channel])
    alone = -2.5 + rng.normal(size=rows)
    shift = 0.3 + gain * (AGE * (matrix[:, 0] - 45) / 15 + CALL * (channel == 1))
    return matrix, alone, (rng.random(rows) < expit(alone + shift)).astype(float)


def learned(rows: int, seed: int, *, gain: float = 1.0) -> Linear:
    matrix, alone, outcome = contacted(rows, seed, gain=gain)
    return fit_linear(terms_of(FEATURES, (), matrix), matrix, alone, outcome)


def test_the_law_behind_the_answers_is_found() -> None:
    found = learned(20_000, 1)
    fresh, _, _ = contacted(2_000, 2)
    truth = 0.3 + AGE * (fresh[:, 0] - 45) / 15 + CALL * (fresh[:, 2] == 1)
    inside = np.abs(fresh[:, 0] - 45) < 30
    assert np.abs(found.shift(fresh) - truth)[inside & (fresh[:, 2] < 2)].mean() < 0.1


def test_a_log_without_differences_gives_everybody_the_same_shift() -> None:
    found = learned(20_000, 3, gain=0.0)
    fresh, _, _ = contacted(2_000, 4)
    assert found.shift(fresh).std() < 0.06
    assert found.shift(fresh).mean() == pytest.approx(0.3, abs=0.1)


def test_few_contacts_are_drawn_further_to_the_even_shift_than_many() -> None:
    fresh, _, _ = contacted(2_000, 5)
    few, many = (learned(rows, 6, gain=0.5).shift(fresh).std() for rows in (400, 40_000))
    assert few < many


def test_what_was_not_seen_is_answered_by_the_nearest_that_was() -> None:
    found = learned(20_000, 1)
    matrix, _, _ = contacted(20_000, 1)
    odd = np.array([[150.0, 0.0, 1.0], [-50.0, 0.0, 1.0], [1e9, 1e9, 1.0]])
    seen = found.shift(matrix)
    assert found.shift(odd).min() >= seen.min()
    assert found.shift(odd).max() <= seen.max()
    assert found.shift(odd[:1])[0] == found.shift(np.array([[matrix[:, 0].max(), 0.0, 1.0]]))[0]


def test_a_word_of_few_contacts_has_the_common_shift() -> None:
    found = learned(10_000, 7)
    rare, unknown = found.shift(np.array([[45.0, 0.0, 2.0], [45.0, 0.0, np.nan]]))
    assert rare == unknown
    assert {FEATURES[t.place].name for t in found.terms if t.level == 2} == set()


def test_a_missing_number_counts_as_the_mean() -> None:
    found = learned(10_000, 8)
    centre = found.terms[0].centre
    missing, mean = found.shift(np.array([[np.nan, 0.0, 0.0], [centre, 0.0, 0.0]]))
    assert missing == mean


def test_json_keeps_every_bit_and_one_row_answers_as_in_any_batch() -> None:
    found = learned(5_000, 9)
    matrix, alone, _ = contacted(500, 10)
    again = Linear.read(json.loads(json.dumps(found.told())))
    batch = found.uplift(alone, matrix)
    assert again.uplift(alone, matrix).tobytes() == batch.tobytes()
    for row in range(0, 500, 97):
        one = again.uplift(alone[row : row + 1], matrix[row : row + 1])
        assert one[0] == batch[row]
