"""Four ways to learn what a contact changes, from the rows of a randomised log, the plainest first.

- `linear`: a LightGBM booster of those left alone, and a short sum that a contact adds to its log-odds
  (`training.uplift.linear`).
- `shifted`: the difference of log-odds from a booster that starts from those of the customers left
  alone. The many who were not contacted tell most of what there is to know of the few who were, so this
  needs far fewer contacts than the next.
- `two_models`: one model of those left alone, one of those contacted; the uplift is their difference.
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
from training.calibrate import platt
from training.forest import pack
from training.uplift.linear import Linear, Term, fit_linear
from training.uplift.scores import effect_scores

__all__ = [
    *("LEARNERS", "Cross", "Learned", "Learner", "Log"),
    *("alone_model", "cross_fitted", "explained_choice", "learn", "learn_linear"),
]

Learner = Literal["linear", "shifted", "two_models", "doubly_robust"]
LEARNERS: tuple[Learner, ...] = get_args(Learner)
_TREES: tuple[Learner, ...] = LEARNERS[1:]
"""Learners whose changes are boosters."""

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
    terms
        Of the linear learner.
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
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Learned:
    """One learner: its model of those left alone, and of the change.

    start
        The log-odds that `shifted` adds for everybody.
    tilt
        Slope and intercept that calibrate the log-odds of those left alone, to which `linear` adds.
    """

    learner: Learner
    alone: lightgbm.Booster
    other: lightgbm.Booster | Linear
    start: float = 0.0
    tilt: tuple[float, float] = (1.0, 0.0)

    def predict(self, matrix: Matrix) -> tuple[Matrix, Matrix]:
        """Log-odds if left alone and raw uplift, each of shape (n,)."""
        raw = _raw(self.alone, matrix)
        other = raw if isinstance(self.other, Linear) else _raw(self.other, matrix)
        return raw, self.uplift(raw, other, matrix)

    def uplift(self, raw: Matrix, other: Matrix, matrix: Matrix) -> Matrix:
        """Raw uplift, (n,), from the raw scores of both models; `linear` takes the rows for the second."""
        if isinstance(self.other, Linear):
            odds = self.tilt[0] * raw + self.tilt[1]
            return self.other.uplift(odds, matrix)
        if self.learner == "doubly_robust":
            return other
        contacted: Matrix = other if self.learner == "two_models" else raw + self.start + other
        change: Matrix = expit(contacted) - expit(raw)
        return change


@dataclass(frozen=True)
class Cross:
    """Predictions for every row by models that saw no row of its customer, each of shape (n,).

    alone, tilt
        Log-odds if left alone, and the slope and intercept that calibrate them.
    scores
        Doubly robust effect scores.
    uplift
        Learner -> raw uplift.
    """

    alone: Matrix
    tilt: tuple[float, float]
    scores: Matrix
    uplift: Mapping[Learner, Matrix]

    @property
    def odds(self) -> Matrix:
        """Calibrated log-odds if left alone."""
        return self.tilt[0] * self.alone + self.tilt[1]


def learn(log: Log, learner: Learner, rows: _Rows, alone: lightgbm.Booster, scores: Matrix) -> Learned:
    """Fit a learner of trees to some rows, given their model of those left alone and all rows' scores."""
    contacted = rows[log.treated[rows] == 1]
    if learner == "two_models":
        return Learned(learner, alone, _binary(log, contacted, log.params))
    if learner == "shifted":
        raw = _raw(alone, log.matrix[contacted])
        start = _start(raw, log.outcome[contacted])
        other = _binary(log, contacted, _gentle(log.params_effect, contacted), raw + start)
        return Learned(learner, alone, other, start)
    return Learned(learner, alone, _regressed(log, rows, scores, log.params_effect))


def learn_linear(log: Log, rows: _Rows, alone: lightgbm.Booster, cross: Cross) -> Learned:
    """Fit the linear learner to some rows; each row's odds if left alone are of models that saw it not."""
    found = _linear(log, rows, cross.odds)
    return Learned("linear", alone, found, tilt=cross.tilt)


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
        for learner in _TREES:
            raw, uplift[learner][held] = learn(log, learner, others, model, scores).predict(
                log.matrix[held]
            )
        alone[held] = raw
        contacted[held] = expit(raw) + uplift["shifted"][held]
    scores = effect_scores(log.treated, log.outcome, log.propensity, expit(alone), contacted)
    left = log.treated == 0
    cross = Cross(alone, platt(alone[left], log.outcome[left]), scores, uplift)
    for k in range(_FOLDS):
        held, others = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        linear = _linear(log, others, cross.odds)
        uplift["linear"][held] = linear.uplift(cross.odds[held], log.matrix[held])
    return cross


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


def _linear(log: Log, rows: _Rows, odds: Matrix) -> Linear:
    rows = rows[log.treated[rows] == 1]
    return fit_linear(log.terms, log.matrix[rows], odds[rows], log.outcome[rows])


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
    return pack(booster).raw(matrix)[:, 0]


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
