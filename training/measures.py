"""Measures of a model's answers against what happened; plain functions of two arrays of one length.

`actual` holds 0 or 1 for probabilities, and amounts in the reporting currency otherwise. A
measure that is not defined (one outcome only, no spread) is NaN.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import rankdata

from training.calibrate import platt

__all__ = [
    "amount_measures",
    "auc",
    "average_precision",
    "calibration_error",
    "calibration_line",
    "delong",
    "lift",
    "normalised_gini",
    "ols_line",
    "ranked_hits",
    "spearman",
    "top_share",
]

_Array = NDArray[np.float64]

_EDGE = 1e-12


def auc(actual: _Array, score: _Array) -> float:
    """Area under the ROC curve, by Mann-Whitney with midranks for ties; in [0, 1]."""
    positives = float(actual.sum())
    negatives = len(actual) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = float(rankdata(score)[actual > 0].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def delong(actual: _Array, scores: _Array) -> tuple[_Array, _Array]:
    """AUC of several scores on the same rows, and their covariance, which holds what they share.

    DeLong, DeLong, Clarke-Pearson (1988), by midranks (Sun, Xu 2014).

    Parameters
    ----------
    scores
        Shape (n_scores, n).

    Returns
    -------
    aucs, covariance
        Shapes (n_scores,) and (n_scores, n_scores); NaN with fewer than two rows of either outcome.
    """
    hit = actual > 0
    positives, negatives = int(hit.sum()), int((~hit).sum())
    if min(positives, negatives) < 2:
        return np.full(len(scores), np.nan), np.full((len(scores), len(scores)), np.nan)
    above, below = [], []
    for score in scores:
        ranks = rankdata(score)
        above.append((ranks[hit] - rankdata(score[hit])) / negatives)
        below.append(1 - (ranks[~hit] - rankdata(score[~hit])) / positives)
    covariance = np.atleast_2d(np.cov(above)) / positives + np.atleast_2d(np.cov(below)) / negatives
    return np.mean(above, axis=1), covariance


def average_precision(actual: _Array, score: _Array) -> float:
    """Area under the precision-recall curve as a step function, ties taken together; in [0, 1]."""
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.diff(score[order]) != 0, True)
    hits = np.cumsum(actual[order])[last_of_tie]
    if not hits[-1]:
        return float("nan")
    precision = hits / (np.flatnonzero(last_of_tie) + 1)
    return float(np.sum(np.diff(hits, prepend=0.0) * precision) / hits[-1])


def lift(actual: _Array, score: _Array, share: float) -> float:
    """Rate among the `share` of rows with the highest scores, as a multiple of the rate of all."""
    top = np.argsort(-score, kind="stable")[: max(1, round(len(score) * share))]
    return float(actual[top].mean() / actual.mean()) if actual.any() else float("nan")


def calibration_error(actual: _Array, probability: _Array, bins: int = 10) -> float:
    """Expected calibration error over bins of equal count: mean |rate - mean probability|."""
    groups = np.array_split(np.argsort(probability, kind="stable"), bins)
    gaps = [len(g) * abs(float(actual[g].mean() - probability[g].mean())) for g in groups if len(g)]
    return sum(gaps) / len(actual)


def calibration_line(actual: _Array, probability: _Array) -> tuple[float, float, float]:
    """Cox's recalibration: slope and intercept of the outcome on the logit, and the slope's standard error.

    A slope below 1 says that the model is too sure of itself, above 1 that it is too timid.
    """
    if not 0 < actual.sum() < len(actual):
        return float("nan"), float("nan"), float("nan")
    raw = logit(np.clip(probability, _EDGE, 1 - _EDGE))
    slope, intercept = platt(raw, actual)
    p = expit(slope * raw + intercept)
    weight = p * (1 - p)
    spread = float(np.sum(weight * (raw - np.average(raw, weights=weight)) ** 2))
    return slope, intercept, spread**-0.5 if spread > _EDGE else float("nan")


def amount_measures(actual: _Array, predicted: _Array) -> dict[str, float]:
    """Every measure of predicted amounts; NaN where it is not defined.

    rows, mean (of what happened), gini, spearman, mae_share (sum of absolute errors over the total),
    bias (predicted total over the actual one, less 1), top_decile_share, and the calibration line.
    """
    total = abs(float(actual.sum())) or float("nan")
    slope, intercept, slope_error = ols_line(actual, predicted)
    return {
        "rows": float(len(actual)),
        "mean": float(actual.mean()),
        "gini": normalised_gini(actual, predicted),
        "spearman": spearman(actual, predicted),
        "mae_share": float(np.abs(predicted - actual).sum()) / total,
        "bias": float((predicted - actual).sum()) / total,
        "top_decile_share": top_share(actual, predicted),
        "calibration_slope": slope,
        "calibration_slope_error": slope_error,
        "calibration_intercept": intercept,
    }


def ols_line(actual: _Array, predicted: _Array) -> tuple[float, float, float]:
    """Slope and intercept of actual on predicted amounts, and the slope's robust (HC0) standard error."""
    centred = predicted - predicted.mean()
    spread = float(np.sum(centred**2))
    if spread <= _EDGE:
        return float("nan"), float("nan"), float("nan")
    slope = float(np.sum(centred * actual) / spread)
    intercept = float(actual.mean() - slope * predicted.mean())
    residual = actual - intercept - slope * predicted
    return slope, intercept, float(np.sum((centred * residual) ** 2)) ** 0.5 / spread


def normalised_gini(actual: _Array, predicted: _Array) -> float:
    """Gini of the predicted order over the Gini of the perfect order; 1 is perfect, 0 is chance.

    As covariances with ranks, so that negative amounts are allowed (Wang, Liu, Miao 2019).
    """
    perfect = _rank_covariance(actual, actual)
    return _rank_covariance(actual, predicted) / perfect if perfect > 0 else float("nan")


def spearman(actual: _Array, predicted: _Array) -> float:
    """Rank correlation in [-1, 1]."""
    one, two = rankdata(actual), rankdata(predicted)
    if one.std() == 0 or two.std() == 0:
        return float("nan")
    return float(np.corrcoef(one, two)[0, 1])


def top_share(actual: _Array, predicted: _Array, share: float = 0.1) -> float:
    """Part of the total that the `share` of rows with the highest predictions really brought."""
    top = np.argsort(-predicted, kind="stable")[: max(1, round(len(predicted) * share))]
    total = float(actual.sum())
    return float(actual[top].sum()) / total if total else float("nan")


def ranked_hits(added: _Array, score: _Array, k: int) -> tuple[_Array, _Array]:
    """How high the products that customers added were ranked, for customers who added any.

    Parameters
    ----------
    added, score
        Shape (n, products): 1 where a product was added, and the score that ranks it; NaN in either
        where the customer could not have it.

    Returns
    -------
    average_precision, hit
        Shape (customers who added, ): AP@k, the convention of MAP@7 contests (divided by what could be
        found, min(added, k)); and 1 where any of the first k was added.
    """
    known = np.isfinite(added) & np.isfinite(score)
    order = np.argsort(-np.where(known, score, -np.inf), axis=1, kind="stable")[:, :k]
    hits = np.where(known, added, 0.0)
    total = hits.sum(axis=1)
    found = np.take_along_axis(hits, order, axis=1)[total > 0]
    precision = np.cumsum(found, axis=1) / np.arange(1, found.shape[1] + 1)
    possible = np.minimum(total[total > 0], k)
    return (precision * found).sum(axis=1) / possible, (found.sum(axis=1) > 0).astype(np.float64)


def _rank_covariance(actual: _Array, score: _Array) -> float:
    ranks = rankdata(score)
    return float(np.mean((actual - actual.mean()) * (ranks - ranks.mean())))
