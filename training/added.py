"""Next best product over all heads together: how well what customers added was ranked for them."""

import numpy as np

from training.evaluate import Evaluation
from training.measures import ranked_hits

__all__ = ["added_products"]


def added_products(evaluation: Evaluation, k: int = 3) -> dict[str, float]:
    """How well the products that customers added were ranked for them, over all heads together.

    Returns
    -------
    dict
        customers (who added any that they could have), map_k, hit_k; popular_map_k, popular_hit_k: the
        same for the order of the products' own test rates, alike for everybody; coverage_k: the share
        of products that are among somebody's first k. Empty if nobody added anything.
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
    shown = np.unique(first[np.isfinite(np.take_along_axis(score, first, axis=1))])
    return {
        "customers": float(len(hit)),
        f"map_{k}": float(precision.mean()),
        f"hit_{k}": float(hit.mean()),
        f"popular_map_{k}": float(plain_precision.mean()),
        f"popular_hit_{k}": float(plain_hit.mean()),
        f"coverage_{k}": len(shown) / len(heads),
    }
