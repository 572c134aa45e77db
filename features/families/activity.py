"""What moves: bookings by size, kind and time, and how this quarter compares with the one before."""

from functools import partial

import ibis
import ibis.expr.types as ir

from features.families.base import Family, Field, Slice, Window

__all__ = ["FAMILY"]

_KINDS = {
    "income": ("salary", "pension"),
    "card": ("card",),
    "cash": ("cash_out",),
    "cash_in": ("cash_in",),
    "orders": ("standing_order",),
    "household": ("household",),
    "insurance": ("insurance",),
    "instalments": ("loan_payment",),
    "investment": ("investment",),
    "interest": ("interest",),
    "charges": ("fee", "penalty"),
}
_WORDS = {
    "income": "Salary and pension",
    "card": "Card payments",
    "cash": "Cash withdrawals",
    "cash_in": "Cash paid in",
    "orders": "Standing orders",
    "household": "Household payments",
    "insurance": "Insurance payments",
    "instalments": "Loan instalments",
    "investment": "Investments",
    "interest": "Interest received",
    "charges": "Fees and penalties",
}


def _sum(name: str, days: int, label: str, slice: Slice) -> Window:
    field = Field(
        f"{name}_sum_{days}d",
        "int64",
        "cents",
        f"signed sum, {days} days",
        f"{label}, last {days} days",
        "C2",
    )
    return Window(field, "transactions", "sum", days, "amount_reporting", slice)


def _count(name: str, days: int, label: str, slice: Slice) -> Window:
    field = Field(
        f"{name}_count_{days}d",
        "int64",
        "count",
        f"bookings, {days} days",
        f"{label} (number), {days} days",
    )
    return Window(field, "transactions", "count", days, slice=slice)


def _recency(name: str, label: str, slice: Slice) -> Window:
    field = Field(
        f"days_since_{name}", "int64", "days", "since the latest", f"Days since {label}", null="null"
    )
    return Window(field, "transactions", "recency", 730, slice=slice)


def _of(kind: str) -> Slice:
    return Slice({"category": _KINDS[kind]})


_IN, _OUT, _ANY = Slice(sign="+"), Slice(sign="-"), Slice()

_WINDOWS = (
    *(_sum("inflow", d, "Incoming payments", _IN) for d in (30, 90, 180, 365)),
    *(_sum("outflow", d, "Outgoing payments", _OUT) for d in (30, 90, 180, 365)),
    *(_count("bookings", d, "Bookings", _ANY) for d in (30, 90, 180, 365)),
    *(_sum(kind, 90, _WORDS[kind], _of(kind)) for kind in _KINDS),
    *(_sum(kind, 180, _WORDS[kind], _of(kind)) for kind in ("income", "card", "orders", "cash")),
    *(_count(kind, 90, _WORDS[kind], _of(kind)) for kind in ("income", "card", "cash", "orders")),
    _count("penalties", 365, "Penalties", Slice({"category": ("penalty",)})),
    _recency("booking", "the last booking", _ANY),
    _recency("income", "the last salary or pension", _of("income")),
    _recency("card", "the last card payment", _of("card")),
    _recency("cash", "the last cash withdrawal", _of("cash")),
    Window(
        Field(
            "inflow_largest_365d",
            "int64",
            "cents",
            "largest booking in, 365 days",
            "Largest incoming payment, last year",
            "C2",
        ),
        "transactions",
        "largest",
        365,
        "amount_reporting",
        _IN,
    ),
)


def _change(table: ir.Table, name: str) -> ir.Value:
    """A quarter against the one before it; null where there was nothing before."""
    recent = table[f"{name}_sum_90d"].cast("float64")
    before = (table[f"{name}_sum_180d"] - table[f"{name}_sum_90d"]).cast("float64")
    return recent / (before != 0).ifelse(before, ibis.null("float64"))


FAMILY = Family(
    "activity",
    "What moves on the accounts",
    windows=_WINDOWS,
    derived=tuple(
        (
            Field(
                f"{name}_change_90d",
                "float64",
                "ratio",
                "sum of 90 days to the 90 days before",
                f"{label}, last 90 days against the 90 before",
                null="null",
            ),
            partial(_change, name=name),
        )
        for name, label in (
            ("inflow", "Incoming payments"),
            ("outflow", "Outgoing payments"),
            ("income", "Salary and pension"),
            ("card", "Card payments"),
            ("orders", "Standing orders"),
        )
    ),
)
