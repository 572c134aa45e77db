"""Who newly took which product."""

from collections.abc import Sequence

import ibis
import numpy as np
import pandas as pd

from features.compute import join_customers
from features.labels.outcome import Outcome, stamped
from features.vocabulary import CUSTOMER_ID

__all__ = ["uptake_labels"]


def uptake_labels(outcome: Outcome, products: Sequence[str]) -> pd.DataFrame:
    """Who newly took which product inside the window.

    Returns
    -------
    DataFrame
        customer_id, as_of, one column a product (1.0 taken, 0.0 not; NaN throughout for one that
        nobody had taken before as_of: it was not on sale, which says nothing about who wants it).
        Whether the customer was eligible is for the caller to mask, who has the features.
    """
    sold = set(outcome.before().holdings.select("product").distinct().to_pandas()["product"])
    taken = outcome.at(outcome.closes).holdings
    taken = taken.filter((taken.opened_at >= ibis.literal(outcome.opens)) & (taken.role == "owner"))
    by_product = taken.group_by(CUSTOMER_ID).aggregate(
        **{p: (taken["product"] == p).ifelse(1.0, 0.0).max() for p in products}
    )
    table = join_customers(outcome.at_risk(), by_product)
    table = table.select(CUSTOMER_ID, **{p: table[p].fill_null(0.0) for p in products})
    frame = table.to_pandas()
    return stamped(frame.assign(**{p: np.nan for p in products if p not in sold}), outcome)
