"""Three ways to learn what a contact changes, each from LightGBM boosters on the rows of a randomised log.

- `two_models`: one model of those left alone, one of those contacted; the uplift is their difference.
- `shifted`: the same, but the model of the contacted starts from the log-odds of the other and learns
  the difference alone. The many who were not contacted tell most of what there is to know of the few
  who were, so this needs far fewer contacts.
- `doubly_robust`: one model of the doubly robust scores of `training.uplift.scores` (Kennedy 2023).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from training.artifact import Matrix
from training.uplift.scores import effect_scores

__all__ = ["LEARNERS", "Cross", "Learned", "Learner", "Log", "cross_fitted", "explained_choice", "learn"]

Learner = Literal["shifted", "two_models", "doubly_robust"]
LEARNERS: tuple[Learner, ...] = get_args(Learner)

_Rows = NDArray[np.intp]

_FOLDS = 3
_LEAF_SHARE = 40
"""A leaf of what a contact changes holds at least one of so many rows."""
_GENTLE = {"num_leaves": 4, "num_iterations": 100, "lambda_l2": 50.0}
_CLOSE = 1e-9


@dataclass(frozen=True)
class Log:
    """A randomised log as arrays; `data` holds its rows as bins, `fold` a number in [0, 1) by customer.

    params, params_alone, params_effect
        Of models of outcomes, of the model of those left alone, which no channel moves, and of the
        models of what a contact changes, which few features may move.
    """

    matrix: Matrix
    data: lightgbm.Dataset
    treated: Matrix
    outcome: Matrix
    propensity: Matrix
    fold: Matrix
    customers: NDArray[Any]
    params: Mapping[str, Any]
    params_alone: Mapping[str, Any]
    params_effect: Mapping[str, Any]


@dataclass(frozen=True)
class Learned:
    """Boosters of one learner; `start` is the log-odds that `shifted` adds for everybody."""

    learner: Learner
    alone: lightgbm.Booster
    other: lightgbm.Booster
    start: float

    def predict(self, matrix: Matrix) -> tuple[Matrix, Matrix]:
        """Log-odds if left alone and raw uplift, each of shape (n,)."""
        raw = _raw(self.alone, matrix)
        other = _raw(self.other, matrix)
        if self.learner == "doubly_robust":
            return raw, other
        contacted = other if self.learner == "two_models" else raw + self.start + other
        return raw, expit(contacted) - expit(raw)


@dataclass(frozen=True)
class Cross:
    """Predictions for every row by models that saw no row of its customer, each of shape (n,).

    alone
        Log-odds if left alone.
    scores
        Doubly robust effect scores.
    uplift
        Learner -> raw uplift.
    """

    alone: Matrix
    scores: Matrix
    uplift: Mapping[Learner, Matrix]


def learn(log: Log, learner: Learner, rows: _Rows, alone: lightgbm.Booster, scores: Matrix) -> Learned:
    """Fit one learner to some rows, given their model of those left alone and the scores of all rows."""
    contacted = rows[log.treated[rows] == 1]
    if learner == "two_models":
        return Learned(learner, alone, _binary(log, contacted, log.params), 0.0)
    if learner == "shifted":
        raw = _raw(alone, log.matrix[contacted])
        start = _start(raw, log.outcome[contacted])
        other = _binary(log, contacted, _gentle(log.params_effect, contacted), raw + start)
        return Learned(learner, alone, other, start)
    return Learned(learner, alone, _regressed(log, rows, scores, log.params_effect), 0.0)


def alone_model(log: Log, rows: _Rows) -> lightgbm.Booster:
    """The model of those of some rows who were left alone."""
    return _binary(log, rows[log.treated[rows] == 0], log.params_alone)


def cross_fitted(log: Log) -> Cross:
    """Predict every row from the other folds of customers.

    What the doubly robust learner learns from is cross-fitted once more within those, so that no
    learner is judged on a row that it has seen by another's eyes.
    """
    n = len(log.outcome)
    alone, contacted = np.empty(n), np.empty(n)
    uplift = {learner: np.empty(n) for learner in LEARNERS}
    fold = np.floor(log.fold * _FOLDS)
    for k in range(_FOLDS):
        held, others = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        model = alone_model(log, others)
        scores = _scores_within(log, others, log.fold * _FOLDS * 2 % 2 < 1)
        for learner in LEARNERS:
            raw, uplift[learner][held] = learn(log, learner, others, model, scores).predict(
                log.matrix[held]
            )
        alone[held] = raw
        contacted[held] = expit(raw) + uplift["shifted"][held]
    scores = effect_scores(log.treated, log.outcome, log.propensity, expit(alone), contacted)
    return Cross(alone, scores, uplift)


def explained_choice(log: Log) -> float:
    """Share of the variance of who was contacted that features explain beyond the propensity."""
    surprise = log.treated - log.propensity
    guessed = np.empty(len(surprise))
    half = log.fold < 0.5
    for side in (half, ~half):
        guessed[side] = _raw(_regressed(log, np.flatnonzero(~side), surprise, log.params), log.matrix[side])
    return float(1 - np.mean((surprise - guessed) ** 2) / np.mean(surprise**2))


def _scores_within(log: Log, rows: _Rows, half: NDArray[np.bool_]) -> Matrix:
    """Scores of some rows, each half's by models of the other; NaN elsewhere."""
    alone, contacted = np.full(len(log.outcome), np.nan), np.full(len(log.outcome), np.nan)
    for side in (half, ~half):
        learned, told = rows[~side[rows]], rows[side[rows]]
        model = learn(log, "shifted", learned, alone_model(log, learned), alone)
        raw, uplift = model.predict(log.matrix[told])
        alone[told], contacted[told] = expit(raw), expit(raw) + uplift
    return effect_scores(log.treated, log.outcome, log.propensity, alone, contacted)


def _gentle(params: Mapping[str, Any], rows: _Rows) -> dict[str, Any]:
    return {**params, **_GENTLE, "min_data_in_leaf": max(20, len(rows) // _LEAF_SHARE)}


def _binary(
    log: Log, rows: _Rows, params: Mapping[str, Any], start: Matrix | None = None
) -> lightgbm.Booster:
    part = _part(log, rows, log.outcome)
    if start is not None:
        part.set_init_score(start)
    return lightgbm.train({**params, "objective": "binary"}, part)


def _regressed(log: Log, rows: _Rows, target: Matrix, params: Mapping[str, Any]) -> lightgbm.Booster:
    return lightgbm.train({**_gentle(params, rows), "objective": "regression"}, _part(log, rows, target))


def _part(log: Log, rows: _Rows, target: Matrix) -> lightgbm.Dataset:
    # Constructed before the labels are set: a lazy subset takes its parent's labels later.
    return log.data.subset(rows).construct().set_label(target[rows])


def _raw(booster: lightgbm.Booster, matrix: Matrix) -> Matrix:
    raw: Matrix = booster.predict(matrix, raw_score=True, num_threads=1)
    return raw


def _start(raw: Matrix, outcome: Matrix) -> float:
    """What to add to log-odds so that they expect as many outcomes as there were (Newton's method)."""
    start = float(logit(np.clip(outcome.mean(), _CLOSE, 1 - _CLOSE)) - logit(expit(raw).mean()))
    for _ in range(50):
        p = expit(raw + start)
        step = float(np.sum(outcome - p) / np.sum(p * (1 - p)))
        start += step
        if abs(step) < _CLOSE:
            break
    return start
