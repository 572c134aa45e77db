"""What a new holding earns: the margin of products newly taken, of those who took them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import ibis
import pandas as pd

from features.labels.outcome import MONTH_DAYS, Outcome, stamped
from features.labels.value import product_margins
from features.vocabulary import CUSTOMER_ID, Product

__all__ = ["TAKEN_DAYS", "margin_labels"]

TAKEN_DAYS = 90
"""A holding counts if it was opened so early in the window."""

_EARNING_DAYS = 6 * MONTH_DAYS
"""Margin is counted over the window's last so many days, when balances have built up."""

_YEAR_MONTHS = 12


def margin_labels(outcome: Outcome, products: Sequence[Product]) -> pd.DataFrame:
    """What a product newly taken earns in a year, of who took it early in the window.

    The margin of the holdings opened in the window's first 90 days, over its last half year, times two;
    less where they were closed meanwhile. By the arithmetic of `features.labels.value.realised`, not
    discounted, without charges and contacts.

    Parameters
    ----------
    outcome
        With a window of at least 270 days.

    Returns
    -------
    DataFrame
        customer_id, as_of, one column a product in major units a year, NaN for those who did not take
        it; only customers at risk who took something.
    """
    closing = outcome.at(outcome.closes)
    begun = closing.holdings.opened_at
    until = outcome.opens + timedelta(days=TAKEN_DAYS)
    new = closing.holdings.filter(begun >= ibis.literal(outcome.opens), begun < ibis.literal(until))
    since = outcome.closes - timedelta(days=_EARNING_DAYS)
    earned = product_margins(replace(closing, holdings=new), since, products)
    own = new.filter(new.role == "owner")
    taken = own.group_by(CUSTOMER_ID).aggregate(
        **{f"new_{p.name}": (own["product"] == p.name).max() for p in products}
    )
    earned = taken.join(earned, CUSTOMER_ID).semi_join(outcome.at_risk(), CUSTOMER_ID)
    months = _EARNING_DAYS // MONTH_DAYS
    frame: pd.DataFrame = earned.select(
        CUSTOMER_ID,
        **{
            p.name: earned[f"new_{p.name}"].ifelse(earned[p.name] * (_YEAR_MONTHS / months), ibis.null())
            for p in products
        },
    ).to_pandas()
    names = [p.name for p in products]
    frame[names] = frame[names].astype("float64")
    return stamped(frame[frame[names].notna().any(axis=1)], outcome)
