"""Leaving in silence: nobody comes any more, or the pay and what it feeds go elsewhere."""

from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir

from features.compute import join_customers
from features.history.cut import Cut
from features.labels.outcome import Outcome
from features.labels.standing import taken_away
from features.months import months_before
from features.vocabulary import CUSTOMER_ID, Catalogue

__all__ = ["IRREGULAR", "SILENT", "STREAMS", "dormancy", "own_booking", "primacy_loss"]

SILENT = "silent before already"
IRREGULAR = "nothing came regularly before"

_PASSIVE = ("interest", "fee", "penalty", "standing_order", "salary", "pension")
"""What is booked though the customer does nothing, by whichever channel."""

STREAMS = {"income": ("salary", "pension"), "payments": ("standing_order", "household")}
"""What a main bank receives and carries, by category."""

_MONTHS, _REGULAR = 4, 3


def dormancy(outcome: Outcome, everybody: ir.Table, _: Catalogue) -> ir.Table:
    """No act of the customer in the whole window, after one in as long a time before as_of."""
    since = outcome.as_of - timedelta(days=outcome.horizon_days)
    table = join_customers(everybody, _active(outcome.before(), since).mutate(before=True))
    table = join_customers(table, _active(outcome.at(outcome.closes), outcome.opens).mutate(after=True))
    excluded = table.before.isnull().ifelse(SILENT, ibis.null("string"))
    return table.select(CUSTOMER_ID, churn=table.after.isnull().cast("float64"), excluded=excluded)


def own_booking(bookings: ir.Table) -> ir.BooleanValue:
    """Whether a booking is the customer's own act; one without a channel is judged by its category."""
    by_hand = (bookings.channel != "auto").fill_null(True)
    return by_hand & bookings.category.notin(_PASSIVE)


def _active(cut: Cut, since: datetime) -> ir.Table:
    """customer_id of those who booked something themselves, or came, at `since` or later."""
    booked = cut.transactions.filter(cut.transactions.at >= ibis.literal(since), own_booking)
    came = cut.interactions.filter(
        cut.interactions.at >= ibis.literal(since),
        cut.interactions.direction == "in",
        cut.interactions.channel != "auto",
    )
    return booked.select(CUSTOMER_ID).union(came.select(CUSTOMER_ID), distinct=True)


def primacy_loss(outcome: Outcome, everybody: ir.Table, _: Catalogue) -> ir.Table:
    """Every stream that came in three of the four calendar months before as_of stops for the window."""
    table = join_customers(everybody, _regular(outcome))
    table = join_customers(table, _coming(outcome))
    table = join_customers(table, taken_away(outcome, deposits=True))
    regular = {s: table[f"regular_{s}"].fill_null(False) for s in STREAMS}
    still = ibis.or_(*(regular[s] & table[f"coming_{s}"].fill_null(False) for s in STREAMS))
    excluded = ibis.cases((~ibis.or_(*regular.values()), IRREGULAR), else_=table.reason)
    return table.select(CUSTOMER_ID, churn=(~still).cast("float64"), excluded=excluded)


def _regular(outcome: Outcome) -> ir.Table:
    """customer_id, and whether each stream came regularly as far as it was known at as_of."""
    starts = [months_before(outcome.as_of, back) for back in range(_MONTHS + 1)]
    came = outcome.before().transactions
    came = came.filter(came.at >= ibis.literal(starts[-1]))
    flags = {
        f"{stream}_{back}": (
            came.category.isin(words)
            & (came.at >= ibis.literal(starts[back]))
            & (came.at < ibis.literal(starts[back - 1]))
        ).any()
        for stream, words in STREAMS.items()
        for back in range(1, _MONTHS + 1)
    }
    table = came.group_by(CUSTOMER_ID).aggregate(**flags)
    months = {
        stream: sum(table[f"{stream}_{back}"].ifelse(1, 0) for back in range(1, _MONTHS + 1))
        for stream in STREAMS
    }
    return table.select(CUSTOMER_ID, **{f"regular_{s}": found >= _REGULAR for s, found in months.items()})


def _coming(outcome: Outcome) -> ir.Table:
    """customer_id, and whether each stream came at all inside the window."""
    came = outcome.at(outcome.closes).transactions
    came = came.filter(came.at >= ibis.literal(outcome.opens))
    flags = {f"coming_{stream}": came.category.isin(words).any() for stream, words in STREAMS.items()}
    return came.group_by(CUSTOMER_ID).aggregate(**flags)
