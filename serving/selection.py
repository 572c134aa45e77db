"""Who is on a list: rules first, then the expected value of the offer."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.errors import RefusedError
from features.vocabulary import CUSTOMER_ID, Catalogue, Product
from serving.columns import Columns, Floats, words
from serving.policy import RULES, Policy, removals
from serving.ranking import best_channels, expected_values, rank

__all__ = ["Selection", "select"]


@dataclass(frozen=True)
class Selection:
    """The chosen customers as row numbers by rank; `channels` and `expected` are of every row.

    removed
        Customers by the first rule that removed them, in the order of the rules; then those
        without a score (`no_score`) and those from whom nothing is to be gained (`no_gain`).
    not_selected
        Customers who passed everything and ranked below the size of the list.
    """

    rows: list[int]
    channels: list[str]
    expected: Floats
    removed: Mapping[str, int]
    not_selected: int


def select(
    columns: Columns, probability: Floats, product: Product, catalogue: Catalogue, policy: Policy, size: int
) -> Selection:
    """Choose at most `size` customers for an offer of one product; pure.

    Parameters
    ----------
    probability
        Of taking the product up, shape (n,), NaN where there is no score.

    Raises
    ------
    RefusedError
        If nobody is left.
    """
    rules = removals(columns, product, catalogue, policy)
    removed = [
        rule or ("no_score" if np.isnan(p) else "") for rule, p in zip(rules, probability, strict=True)
    ]
    channels = best_channels(columns, catalogue)
    expected = expected_values(probability, channels, product, catalogue)
    candidates = [row for row, rule in enumerate(removed) if not rule]
    ranked = rank(expected, words(columns, CUSTOMER_ID), candidates, size)
    counts = Counter(removed) + Counter(no_gain=ranked.without_gain)
    by_rule = {rule: counts[rule] for rule in (*RULES, "no_score", "no_gain") if counts[rule]}
    if not ranked.rows:
        raise RefusedError(f"nobody is left for {product.name}: {by_rule}; cure: choose another product")
    return Selection(ranked.rows, channels, expected, by_rule, ranked.not_selected)
