"""Plain answers that a model must beat: one rule, one regression, last year carried on."""

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.vocabulary import AS_OF, CUSTOMER_ID
from training.artifact import Matrix, Model
from training.datasets import TrainingSet
from training.split import Split

__all__ = ["CARRIED_ON", "LOGISTIC", "RECENCY", "RETAINED", "plain_amounts", "plain_scores"]

RECENCY = "recency rule"
LOGISTIC = "logistic regression"
CARRIED_ON = "last period carried on"
RETAINED = "average x retention"

_RECENCY = ("days_since_booking", "days_since_session", "days_since_contact")
_ROWS = 8_000
_LEVELS = 12
_CLIP = 4.0


def plain_scores(model: Model, training_set: TrainingSet, split: Split, label: str) -> dict[str, Matrix]:
    """What plain methods answer on the test rows for a label, by name; each of shape (n_test,).

    The recency rule ranks by the days since the last booking, whichever way round discriminates on
    the training rows; the regression is scikit-learn's on the model's features (clipped z-scores of
    signed logarithms, a column for each frequent word) and at most 8,000 rows. Without anything to learn
    from, a method is left out.
    """
    frame = training_set.frame
    target = frame[label].to_numpy(dtype=np.float64)
    learned = split.train[np.isfinite(target[split.train])]
    learned = learned[:: max(1, len(learned) // _ROWS)]
    if len(np.unique(target[learned])) < 2:
        return {}
    here, there = model.matrix(frame.iloc[learned]), model.matrix(frame.iloc[split.test])
    answers = {}
    names = [f.name for f in model.features]
    if place := [names.index(name) for name in _RECENCY if name in names][:1]:
        answers[RECENCY] = _recency(here[:, place[0]], target[learned], there[:, place[0]])
    return answers | {LOGISTIC: _logistic(model, here, target[learned], there)}


def plain_amounts(frame: pd.DataFrame, split: Split, label: str) -> Mapping[str, Matrix]:
    """What plain methods expect each test customer to bring, by name; each of shape (n_test,).

    Carried on: what the customer brought in the last period known by then. Average x retention: the
    mean of the customer's known periods, times the share of customers of the last known snapshot who
    were still there at the test's. Who was not there yet is given everybody's mean. A period counts in
    the money of its own start, as the test's does.
    """
    learned = frame.iloc[np.concatenate([split.train, split.calibrate])]
    test = frame[CUSTOMER_ID].iloc[split.test]
    latest = learned[learned[AS_OF] == learned[AS_OF].max()].set_index(CUSTOMER_ID)[label]
    average = learned.groupby(CUSTOMER_ID)[label].mean()
    retention = float(latest.index.isin(test).mean())
    carried = test.map(latest).fillna(latest.mean()).to_numpy(dtype=np.float64)
    kept = test.map(average).fillna(average.mean()).to_numpy(dtype=np.float64) * retention
    return {CARRIED_ON: carried, RETAINED: kept}


def _recency(here: Matrix, target: Matrix, there: Matrix) -> Matrix:
    # Never seen is longer ago than anything seen.
    longest = np.nanmax(here) + 1 if np.isfinite(here).any() else 0.0
    learned = np.where(np.isfinite(here), here, longest)
    sign = 1.0 if learned[target > 0].mean() >= learned[target == 0].mean() else -1.0
    return sign * np.where(np.isfinite(there), there, longest)


def _logistic(model: Model, here: Matrix, target: Matrix, there: Matrix) -> Matrix:
    # A second to import, which scoring need not wait.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # One thread, so that the same rows give the same answers on every machine.
    fitted = LogisticRegression(solver="liblinear")
    columns = [
        _words(here[:, i], there[:, i], len(f.levels))
        if f.levels is not None
        else _scaled(here[:, i], there[:, i])
        for i, f in enumerate(model.features)
    ]
    with warnings.catch_warnings():
        # Stopped early it ranks the same to three digits.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit(np.column_stack([one for one, _ in columns]), target)
    answer: Matrix = fitted.predict_proba(np.column_stack([two for _, two in columns]))[:, 1]
    return answer


def _scaled(here: Matrix, there: Matrix) -> tuple[Matrix, Matrix]:
    """Signed logarithms as z-scores by the training rows, a missing value at their median."""
    one, two = (np.sign(v) * np.log1p(np.abs(v)) for v in (here, there))
    known = one[np.isfinite(one)]
    middle = float(np.median(known)) if len(known) else 0.0
    one, two = (np.where(np.isfinite(v), v, middle) for v in (one, two))
    mean, spread = one.mean(), one.std() or 1.0
    return tuple(np.clip((v - mean) / spread, -_CLIP, _CLIP) for v in (one, two))


def _words(here: Matrix, there: Matrix, levels: int) -> tuple[Matrix, Matrix]:
    """One column for each of the most frequent words."""
    counts = np.bincount(here[np.isfinite(here)].astype(int), minlength=levels)
    common = np.argsort(-counts, kind="stable")[:_LEVELS]
    return tuple((v[:, None] == common).astype(np.float64) for v in (here, there))
