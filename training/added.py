"""Products beside each other: what to offer next, and whether one product's 5% is another's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.artifact import Matrix
from training.evaluate import Evaluation, HeadResult
from training.measures import auc, calibration_error, calibration_line, lift, ranked_hits

__all__ = [
    "Beside",
    "across_products",
    "added_products",
    "beside",
    "product_metrics",
    "side_by_side",
    "tenths_across",
]

_TENTHS = 10


@dataclass(frozen=True)
class Beside:
    """One line of the page's table: a product, a tenth of the pairs by probability, or all of them.

    basis
        `own` or `pooled`; empty for a line of many products.
    measures
        rows, positives, expected, observed_to_expected, calibration_slope, ece, auc, lift_1, lift_5,
        lift_10; NaN where it is not defined.
    """

    name: str
    basis: str
    measures: dict[str, float]


def added_products(evaluation: Evaluation, k: int = 3) -> dict[str, float]:
    """How well the products that customers added were ranked for them, over all heads together.

    Returns
    -------
    dict
        customers (who added any that they could have), map_k, hit_k, ndcg_k; popular_map_k,
        popular_hit_k: the same for the order of the products' own test rates, alike for everybody;
        coverage_k: the share of products that are among somebody's first k; exposure_gini_k: how
        unevenly places among the first k go to the products, 0 alike to 1 all to one. Empty if nobody
        added anything.
    """
    heads = evaluation.heads
    n = 1 + max((int(h.rows.max(initial=-1)) for h in heads), default=-1)
    added, score, popular = (np.full((n, len(heads)), np.nan) for _ in range(3))
    for place, head in enumerate(heads):
        added[head.rows, place], score[head.rows, place] = head.actual, head.predicted
        popular[head.rows, place] = head.actual.mean()
    precision, hit = ranked_hits(added, score, k)
    if not len(hit):
        return {}
    plain_precision, plain_hit = ranked_hits(added, popular, k)
    first = np.argsort(-np.where(np.isfinite(score), score, -np.inf), axis=1, kind="stable")[:, :k]
    shown = first[np.isfinite(np.take_along_axis(score, first, axis=1))]
    places = np.bincount(shown, minlength=len(heads))
    return {
        "customers": float(len(hit)),
        f"map_{k}": float(precision.mean()),
        f"hit_{k}": float(hit.mean()),
        f"ndcg_{k}": _ndcg(np.nan_to_num(added), first),
        f"popular_map_{k}": float(plain_precision.mean()),
        f"popular_hit_{k}": float(plain_hit.mean()),
        f"coverage_{k}": float(np.mean(places > 0)),
        f"exposure_gini_{k}": _gini(places),
    }


def beside(evaluation: Evaluation) -> tuple[Beside, ...]:
    """Every product on its own test rows."""
    return tuple(
        Beside(h.name, "pooled" if h.metrics.get("pooled") else "own", _measured((h,)))
        for h in evaluation.heads
    )


def across_products(evaluation: Evaluation) -> dict[str, float]:
    """All pairs of a customer and a product that it could have, as one test; empty without any.

    Offers are compared across products, so a probability must mean the same whatever the product is.
    """
    return _measured(evaluation.heads) if evaluation.heads else {}


def product_metrics(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """What is logged with a run: `added` and `across`, measures that are not defined left out."""
    across = {name: m for name, m in across_products(evaluation).items() if np.isfinite(m)}
    return {"added": added_products(evaluation), "across": across}


def side_by_side(evaluation: Evaluation) -> dict[str, Any]:
    """What the page shows of all products together."""
    return {
        "added": added_products(evaluation),
        "beside": beside(evaluation),
        "across": across_products(evaluation),
        "pairs": tenths_across(evaluation),
    }


def tenths_across(evaluation: Evaluation) -> tuple[tuple[int, float, float], ...]:
    """Pairs of customer and product in tenths by probability, highest first: pairs, predicted, happened."""
    if not evaluation.heads:
        return ()
    actual, predicted = _pairs(evaluation.heads)
    groups = np.array_split(np.argsort(-predicted, kind="stable"), _TENTHS)
    return tuple((len(g), float(predicted[g].mean()), float(actual[g].mean())) for g in groups if len(g))


def _pairs(heads: Sequence[HeadResult]) -> tuple[Matrix, Matrix]:
    return np.concatenate([h.actual for h in heads]), np.concatenate([h.predicted for h in heads])


def _measured(heads: Sequence[HeadResult]) -> dict[str, float]:
    actual, predicted = _pairs(heads)
    slope, _, error = calibration_line(actual, predicted)
    return {
        "rows": float(len(actual)),
        "positives": float(actual.sum()),
        "expected": float(predicted.sum()),
        "observed_to_expected": float(actual.sum() / predicted.sum()) if predicted.sum() else float("nan"),
        "calibration_slope": slope,
        "calibration_slope_error": error,
        "ece": calibration_error(actual, predicted),
        "auc": auc(actual, predicted),
        **{f"lift_{share}": lift(actual, predicted, share / 100) for share in (1, 5, 10)},
    }


def _ndcg(added: Matrix, first: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> float:
    """Mean NDCG (Järvelin, Kekäläinen 2002) of the first places over the rows that added anything."""
    total = added.sum(axis=1)
    weight = 1 / np.log2(np.arange(first.shape[1]) + 2)
    found = np.take_along_axis(added, first, axis=1)[total > 0] @ weight
    best = np.concatenate([[0.0], np.cumsum(weight)])
    ideal = best[np.minimum(total[total > 0], first.shape[1]).astype(int)]
    return float(np.mean(found / ideal))


def _gini(places: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> float:
    """Gini coefficient of counts, scaled so that all to one of n is 1; 0 for a single product.

    >>> _gini(np.array([5, 5])), _gini(np.array([0, 0, 9]))
    (0.0, 1.0)
    """
    n = len(places)
    if n < 2 or not places.sum():
        return 0.0
    rank = np.arange(1, n + 1)
    plain = 2 * float(np.sum(rank * np.sort(places))) / (n * float(places.sum())) - (n + 1) / n
    return max(0.0, plain * n / (n - 1))
