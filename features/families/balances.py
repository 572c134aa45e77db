"""What lies at the bank: levels at fixed distances before as_of, trends, and the share of the peak.

The level at a moment is the sum, over the customer's holdings that are not loans, of the last
known balance before that moment; it is carried forward, so missing bookings do not bend it.
"""

from datetime import timedelta
from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir

from features.families.base import DType, Family, Field
from features.history.cut import Cut

__all__ = ["FAMILY", "LEVEL_DAYS", "levels"]

LEVEL_DAYS = (0, 30, 60, 90, 120, 150, 180, 270, 360)
"""Distances before as_of, in days, at which the balance is read."""


def levels(cut: Cut, spine: ir.Table, days: tuple[int, ...]) -> ir.Table:
    """Balances in cents at several moments before as_of.

    Returns
    -------
    table
        customer_id, level_<days> for each distance (null before the first booking), and the
        outstanding loan now, `loan_outstanding` (positive).
    """
    booked = cut.transactions.filter(cut.transactions.balance_reporting.notnull())
    booked = booked.semi_join(spine, "customer_id")
    # A holding is one product, whoever owns it: one row each, or the join would repeat bookings.
    loans = cut.holdings.filter(cut.holdings["product"] == "loan").select("holding_id").distinct()
    last_before = {
        # `where`, not a null key: Ibis orders by the key, and among null keys any row may come first.
        f"level_{d}": booked.balance_reporting.argmax(
            booked.seq, where=booked.at < ibis.literal(cut.as_of - timedelta(days=d))
        )
        for d in days
    }
    per_holding = booked.group_by(["customer_id", "holding_id"]).aggregate(**last_before)
    owed = per_holding.semi_join(loans, "holding_id")
    owed = owed.group_by("customer_id").aggregate(loan_outstanding=-owed.level_0.sum())
    held = per_holding.anti_join(loans, "holding_id")
    held = held.group_by("customer_id").aggregate(**{name: held[name].sum() for name in last_before})
    both = held.outer_join(owed, "customer_id")
    key = ibis.coalesce(both.customer_id, both.customer_id_right)
    return both.mutate(customer_id=key).drop("customer_id_right")


def _balances(cut: Cut, spine: ir.Table) -> ir.Table:
    table = levels(cut, spine, LEVEL_DAYS)
    return table.select(
        "customer_id",
        "loan_outstanding",
        balance_total=table.level_0,
        **{f"balance_{d}d_ago": table[f"level_{d}"] for d in LEVEL_DAYS if d},
    )


def _mean(table: ir.Table, days: tuple[int, ...]) -> ir.Value:
    columns = [table.balance_total if d == 0 else table[f"balance_{d}d_ago"] for d in days]
    return reduce(add, (c.cast("float64") for c in columns)) / len(columns)


def _share(part: ir.Value, whole: ir.Value) -> ir.Value:
    # Null where the whole is nothing: a ratio to zero has no meaning.
    return part / (whole > 0).ifelse(whole, ibis.null("float64"))


def _lowest(table: ir.Table, days: tuple[int, ...]) -> ir.Value:
    return ibis.least(*(_level(table, d) for d in days))


def _level(table: ir.Table, days: int) -> ir.Value:
    return table.balance_total if days == 0 else table[f"balance_{days}d_ago"]


def _field(name: str, unit: str, meaning: str, label: str) -> Field:
    dtype: DType = "int64" if unit == "cents" else "float64"
    return Field(name, dtype, unit, meaning, label, "C2", "null")


_RECENT, _BEFORE, _YEAR = (0, 30, 60, 90), (90, 120, 150, 180), LEVEL_DAYS

FAMILY = Family(
    "balances",
    "What lies at the bank",
    expressed=(
        _field("balance_total", "cents", "balance of all holdings but loans", "Balance"),
        *(
            _field(f"balance_{d}d_ago", "cents", f"that balance {d} days earlier", f"Balance {d} days ago")
            for d in LEVEL_DAYS
            if d
        ),
        Field("loan_outstanding", "int64", "cents", "outstanding on loans", "Outstanding loans", "C2"),
    ),
    expression=_balances,
    derived=(
        (
            _field(
                "balance_mean_90d", "cents (mean)", "mean level of 90 days", "Mean balance, last 90 days"
            ),
            lambda t: _mean(t, _RECENT),
        ),
        (
            _field(
                "balance_mean_180d", "cents (mean)", "mean level, day 180 to 90", "Mean balance, before"
            ),
            lambda t: _mean(t, _BEFORE),
        ),
        (
            _field("balance_min_90d", "cents", "lowest level of 90 days", "Lowest balance, last 90 days"),
            lambda t: _lowest(t, _RECENT),
        ),
        (
            _field("balance_max_360d", "cents", "highest level of 360 days", "Highest balance, last year"),
            lambda t: ibis.greatest(*(_level(t, d) for d in _YEAR)),
        ),
        (
            _field("balance_change_30d", "cents", "level now less 30 days ago", "Balance change, 30 days"),
            lambda t: t.balance_total - t.balance_30d_ago,
        ),
        (
            _field("balance_change_90d", "cents", "level now less 90 days ago", "Balance change, 90 days"),
            lambda t: t.balance_total - t.balance_90d_ago,
        ),
        (
            _field("balance_change_360d", "cents", "level now less 360 days ago", "Balance change, a year"),
            lambda t: t.balance_total - t.balance_360d_ago,
        ),
        (
            _field("balance_to_mean", "ratio", "level now to its 90-day mean", "Balance against its mean"),
            lambda t: _share(t.balance_total, _mean(t, _RECENT)),
        ),
        (
            _field("balance_trend", "ratio", "90-day mean to the mean before", "Balance trend, 90 days"),
            lambda t: _share(_mean(t, _RECENT), _mean(t, _BEFORE)),
        ),
        (
            _field("balance_of_peak", "ratio", "level now to the year's highest", "Share of peak balance"),
            lambda t: _share(
                t.balance_total.cast("float64"),
                ibis.greatest(*(_level(t, d) for d in _YEAR)).cast("float64"),
            ),
        ),
        (
            _field(
                "balance_spread_90d", "ratio", "highest less lowest, to the mean", "Balance swings, 90 days"
            ),
            lambda t: _share(
                (ibis.greatest(*(_level(t, d) for d in _RECENT)) - _lowest(t, _RECENT)).cast("float64"),
                _mean(t, _RECENT),
            ),
        ),
    ),
)
