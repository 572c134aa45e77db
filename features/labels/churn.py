"""Who left: churn by several definitions."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir
import pandas as pd

from features.compute import join_customers, spine_of
from features.history.cut import cut_history
from features.history.levels import levels
from features.labels.outcome import Outcome, stamped
from features.vocabulary import CUSTOMER_ID, Catalogue

__all__ = ["CHURN_DEFINITIONS", "churn_labels"]

ATTRITION_SHARE = 0.5
_REFERENCE_DAYS = (0, 30, 60, 90)


def churn_labels(outcome: Outcome, definition: str, catalogue: Catalogue) -> pd.DataFrame:
    """Who left, by one definition.

    Returns
    -------
    DataFrame
        customer_id, as_of, churn (1.0 left, 0.0 stayed); only customers at risk.
    """
    return stamped(CHURN_DEFINITIONS[definition](outcome, catalogue).to_pandas(), outcome)


def _closure(outcome: Outcome, _: Catalogue) -> ir.Table:
    """All holdings ended inside the window, by the customer's own will.

    Where the bank ended one of them, or all of them merely matured, the customer did not decide:
    no label.
    """
    at_risk = outcome.at_risk()
    end = outcome.at(outcome.closes)
    stayed = spine_of(end).mutate(open_at_end=1)
    ended = end.holdings.filter(end.holdings.closed_at >= ibis.literal(outcome.opens))
    reasons = ended.group_by(CUSTOMER_ID).aggregate(
        by_customer=(ended.close_reason == "customer").any(), by_bank=(ended.close_reason == "bank").any()
    )
    table = join_customers(at_risk, stayed)
    table = join_customers(table, reasons)
    own_will = table.by_customer & ~table.by_bank
    table = table.filter(table.open_at_end.notnull() | own_will)
    return table.select(CUSTOMER_ID, churn=table.open_at_end.isnull().cast("float64"))


def _balance_attrition(outcome: Outcome, catalogue: Catalogue) -> ir.Table:
    """Mean balance of the window's last 90 days at most half of the 90 days before as_of.

    Only customers whose reference reaches the catalogue's floor: below it, halving means nothing.
    """
    at_risk = outcome.at_risk()
    before = levels(cut_history(outcome.connection, outcome.as_of), at_risk, _quarter(outcome.as_of))
    after = levels(outcome.at(outcome.closes), at_risk, _quarter(outcome.closes))
    before = before.select(CUSTOMER_ID, reference=_mean_level(before))
    after = after.select(CUSTOMER_ID, later=_mean_level(after))
    both = before.inner_join(after, CUSTOMER_ID)
    both = both.filter(both.reference >= catalogue.attrition_floor * 100)
    return both.select(CUSTOMER_ID, churn=(both.later <= ATTRITION_SHARE * both.reference).cast("float64"))


CHURN_DEFINITIONS: Mapping[str, Callable[[Outcome, Catalogue], ir.Table]] = {
    "closure": _closure,
    "balance_attrition": _balance_attrition,
}


def _quarter(end: datetime) -> tuple[datetime, ...]:
    """Four moments a month apart, the last 90 days before `end`."""
    return tuple(end - timedelta(days=d) for d in _REFERENCE_DAYS)


def _mean_level(table: ir.Table) -> ir.Value:
    names = (f"level_{n}" for n in range(len(_REFERENCE_DAYS)))
    return reduce(add, (table[name].cast("float64") for name in names)) / len(_REFERENCE_DAYS)
