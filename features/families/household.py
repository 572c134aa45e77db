"""The household: who lives together banks, and leaves, together.

Sums are over the customers of today that share a household id; whoever has none is a household of
one. Money and holdings of members who do not consent to profiling stay out.
"""

import ibis.expr.types as ir

from features.families.base import Family, Field, Shared
from features.families.parts import ratio

__all__ = ["FAMILY"]

_BY = "household_id"


def _consented(t: ir.Table, value: ir.Value) -> ir.Value:
    return (t.consent_profiling == 1).ifelse(value, 0)


def _held(t: ir.Table) -> ir.Value:
    """An overdraft is no part of what a household holds, so that shares lie between 0 and 1."""
    return (t.balance_total > 0).ifelse(_consented(t, t.balance_total), 0)


FAMILY = Family(
    "household",
    "Who shares the household",
    shared=(
        Shared(
            Field(
                "household_size",
                "int64",
                "count",
                "customers in the household",
                "Customers in the household",
            ),
            _BY,
            lambda t: t.customer_id.notnull().ifelse(1, 0),
        ),
        Shared(
            Field(
                *("household_balance", "int64", "cents"),
                "balances of the household's customers, overdrafts apart",
                *("Balance of the household", "C2"),
            ),
            _BY,
            _held,
        ),
        Shared(
            Field(
                *("household_holdings", "int64", "count", "open holdings of the household's customers"),
                "Open holdings in the household",
            ),
            _BY,
            lambda t: _consented(t, t.holdings_open),
        ),
        Shared(
            Field(
                *("household_closed_90d", "int64", "count", "holdings closed in the household, 90 days"),
                "Closed in the household, last 90 days",
            ),
            _BY,
            lambda t: _consented(t, t.holdings_closed_90d),
        ),
    ),
    derived=(
        (
            Field(
                *("household_balance_share", "float64", "ratio", "own balance to the household's"),
                *("Share of the household's balance", "C2", "null"),
            ),
            lambda t: ratio(_held(t), t.household_balance),
        ),
    ),
)
