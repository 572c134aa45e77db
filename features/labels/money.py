"""Leaving by money: balances move away, or the margin falls."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir

from features.compute import join_customers
from features.history.levels import levels
from features.labels.outcome import Outcome
from features.labels.standing import taken_away
from features.labels.value import realised
from features.vocabulary import CUSTOMER_ID, Catalogue

__all__ = [
    "ATTRITION_SHARE",
    "LITTLE",
    "LITTLE_EARNED",
    "VALUE_SHARE",
    "balance_attrition",
    "falling_value",
]

ATTRITION_SHARE = 0.5
VALUE_SHARE = 0.5
LITTLE = "balance below the floor"
LITTLE_EARNED = "margin below the floor"

_REFERENCE_DAYS = (0, 30, 60, 90)


def balance_attrition(outcome: Outcome, everybody: ir.Table, catalogue: Catalogue) -> ir.Table:
    """Mean balance of the window's last 90 days at most half of the 90 days before as_of.

    Only customers whose reference reaches the catalogue's floor: below it, halving means nothing.
    The month is the first at whose end the 90 days before it are that low.
    """
    reference = levels(outcome.before(), everybody, _quarter(outcome.as_of))
    table = join_customers(everybody, reference.select(CUSTOMER_ID, reference=_mean(reference, range(4))))
    moments = tuple(dict.fromkeys(m for end in outcome.month_ends for m in _quarter(end)))
    after = levels(outcome.at(outcome.closes), everybody, moments)
    means = {
        f"mean_{nth}": _mean(after, [moments.index(m) for m in _quarter(end)])
        for nth, end in enumerate(outcome.month_ends, 1)
    }
    table = join_customers(table, after.select(CUSTOMER_ID, **means))
    table = join_customers(table, taken_away(outcome, deposits=True))
    low = [table[name] <= ATTRITION_SHARE * table.reference for name in means]
    month = ibis.cases(*((is_low, nth) for nth, is_low in enumerate(low, 1)), else_=ibis.null("int64"))
    little = (table.reference >= catalogue.attrition_floor * 100).fill_null(False)
    excluded = ibis.cases((~little, LITTLE), else_=table.reason)
    return table.select(CUSTOMER_ID, churn=low[-1].cast("float64"), month=month, excluded=excluded)


def falling_value(outcome: Outcome, everybody: ir.Table, catalogue: Catalogue) -> ir.Table:
    """Margin of the window below half of that of as long a time before as_of.

    Only customers who earned before what the lowest tier with a positive bound asks for, in
    proportion of the year: the fall of next to nothing is noise.
    """
    since = outcome.as_of - timedelta(days=outcome.horizon_days)
    earlier = realised(outcome.before(), since, everybody, catalogue)[[CUSTOMER_ID, "value"]]
    later = realised(outcome.at(outcome.closes), outcome.opens, everybody, catalogue)
    both = earlier.merge(later[[CUSTOMER_ID, "value"]], on=CUSTOMER_ID, suffixes=("_before", "_after"))
    table = join_customers(everybody, ibis.memtable(both))
    table = join_customers(table, taken_away(outcome, deposits=False))
    floor = _yearly_floor(catalogue) * outcome.horizon_days / 365
    fell = table.value_after < VALUE_SHARE * table.value_before
    enough = (table.value_before >= floor) & (table.value_before > 0)
    excluded = ibis.cases((~enough, LITTLE_EARNED), else_=table.reason)
    return table.select(CUSTOMER_ID, churn=fell.cast("float64"), excluded=excluded)


def _yearly_floor(catalogue: Catalogue) -> float:
    return min((tier.min_value for tier in catalogue.tiers if tier.min_value > 0), default=0.0)


def _quarter(end: datetime) -> tuple[datetime, ...]:
    """Four moments a month apart, the last 90 days before `end`."""
    return tuple(end - timedelta(days=d) for d in _REFERENCE_DAYS)


def _mean(table: ir.Table, places: Sequence[int]) -> ir.Value:
    return reduce(add, (table[f"level_{n}"].cast("float64") for n in places)) / len(places)
