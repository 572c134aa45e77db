"""What several families are made of: windows of the usual shapes, and arithmetic that every engine
does alike."""

from typing import Literal

import ibis
import ibis.expr.types as ir

from features.families.base import Field, Slice, Window

__all__ = ["SINCE_DAYS", "flag", "number", "ratio", "since", "total"]

SINCE_DAYS = 730
"""How far back a latest event is looked for; an older one is none."""

Relation = Literal["transactions", "interactions", "touches"]


def total(name: str, label: str, part: Slice, *, days: int = 0, months: int = 0) -> Window:
    """Signed sum of bookings in cents, over days or calendar months.

    Three calendar months hold three pay days, 90 days may hold two or four.
    """
    span, words = (f"{months}m", f"{months} calendar months") if months else (f"{days}d", f"{days} days")
    last = "month" if months == 1 else f"{months} months" if months else f"{days} days"
    field = Field(
        *(f"{name}_sum_{span}", "int64", "cents", f"signed sum, {words}", f"{label}, last {last}", "C2")
    )
    return Window(field, "transactions", "sum", days, "amount_reporting", part, months)


def number(name: str, meaning: str, label: str, part: Slice, days: int, table: Relation) -> Window:
    """How many rows of a relation fall into the last `days`; the name says the days."""
    field = Field(name, "int64", "count", f"{meaning}, {days} days", f"{label}, last {days} days")
    return Window(field, table, "count", days, slice=part)


def since(name: str, label: str, part: Slice, table: Relation = "transactions") -> Window:
    """Whole days since the latest row of two years; null if there is none."""
    field = Field(
        f"days_since_{name}", "int64", "days", "since the latest", f"Days since {label}", null="null"
    )
    return Window(field, table, "recency", SINCE_DAYS, slice=part)


def ratio(part: ir.Value, whole: ir.Value) -> ir.Value:
    """The part over the whole; null where the whole is nothing: a ratio to zero has no meaning."""
    return part.cast("float64") / (whole != 0).ifelse(whole.cast("float64"), ibis.null("float64"))


def flag(condition: ir.Value) -> ir.Value:
    """1 where a condition holds, 0 where it does not or is not known."""
    return condition.fill_null(ibis.literal(False)).ifelse(1, 0)
