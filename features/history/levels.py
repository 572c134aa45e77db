"""Balances in time: the last one known before each moment, by holding and by customer."""

from datetime import datetime

import ibis
import ibis.expr.types as ir

from features.history.cut import Cut

__all__ = ["LOAN", "last_balances", "levels"]

LOAN = "loan"
"""The product whose balances are debts: they count as owed, never as held."""


def last_balances(transactions: ir.Table, by: tuple[str, ...], moments: tuple[datetime, ...]) -> ir.Table:
    """The last balance in cents booked before each moment.

    Returns
    -------
    table
        `by`, and level_<n> for the n-th moment, null before the first booking.
    """
    booked = transactions.filter(transactions.balance_reporting.notnull())
    # `where`, not a null key: Ibis orders by the key, and among null keys any row may come first.
    last_before = {
        f"level_{n}": booked.balance_reporting.argmax(booked.seq, where=booked.at < ibis.literal(moment))
        for n, moment in enumerate(moments)
    }
    return booked.group_by(list(by)).aggregate(**last_before)


def levels(cut: Cut, spine: ir.Table, moments: tuple[datetime, ...]) -> ir.Table:
    """Balances in cents at several moments, none of them after as_of.

    The level at a moment is the sum, over the customer's holdings, of the last known balance before
    that moment; it is carried forward, so missing bookings do not bend it.

    Returns
    -------
    table
        customer_id; level_<n> of what is held, and owed_<n> of what is outstanding on loans
        (positive), at the n-th moment; null before the first booking.
    """
    booked = cut.transactions.semi_join(spine, "customer_id")
    per_holding = last_balances(booked, ("customer_id", "holding_id"), moments)
    # A holding is one product, whoever owns it: one row each, or the join would repeat bookings.
    loans = cut.holdings.filter(cut.holdings["product"] == LOAN).select("holding_id").distinct()
    owed = per_holding.semi_join(loans, "holding_id")
    owed = owed.group_by("customer_id").aggregate(
        **{f"owed_{n}": -owed[f"level_{n}"].sum() for n in range(len(moments))}
    )
    held = per_holding.anti_join(loans, "holding_id")
    held = held.group_by("customer_id").aggregate(
        **{f"level_{n}": held[f"level_{n}"].sum() for n in range(len(moments))}
    )
    both = held.outer_join(owed, "customer_id")
    key = ibis.coalesce(both.customer_id, both.customer_id_right)
    return both.mutate(customer_id=key).drop("customer_id_right")
