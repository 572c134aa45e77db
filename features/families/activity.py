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


def _month_sum(name: str, months: int, label: str, slice: Slice) -> Window:
    """A sum by calendar months: three of them hold three pay days, 90 days may hold two or four."""
    field = Field(
        *(f"{name}_sum_{months}m", "int64", "cents", f"signed sum, {months} calendar months"),
        *(f"{label}, last {months} months", "C2"),
    )
    return Window(field, "transactions", "sum", 0, "amount_reporting", slice, months)


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

_COMPARED = {
    "inflow": ("Incoming payments", _IN),
    "outflow": ("Outgoing payments", _OUT),
    "income": (_WORDS["income"], _of("income")),
    "card": (_WORDS["card"], _of("card")),
    "orders": (_WORDS["orders"], _of("orders")),
}
"""What is compared with the quarter before, by calendar months."""

_WINDOWS = (
    *(_month_sum(name, m, label, part) for name, (label, part) in _COMPARED.items() for m in (3, 6)),
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
    """Three months against the three before; null where there was nothing before."""
    recent = table[f"{name}_sum_3m"].cast("float64")
    before = (table[f"{name}_sum_6m"] - table[f"{name}_sum_3m"]).cast("float64")
    return recent / (before != 0).ifelse(before, ibis.null("float64"))


FAMILY = Family(
    "activity",
    "What moves on the accounts",
    windows=_WINDOWS,
    derived=tuple(
        (
            Field(
                f"{name}_change_3m",
                "float64",
                "ratio",
                "sum of 3 calendar months to the 3 before",
                f"{label}, last 3 months against the 3 before",
                null="null",
            ),
            partial(_change, name=name),
        )
        for name, (label, _) in _COMPARED.items()
    ),
)
