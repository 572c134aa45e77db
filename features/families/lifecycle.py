"""Where the customer stands: before, during or after a purchase, settled, or winding down."""

from functools import reduce
from operator import add

import ibis
import ibis.expr.types as ir

from features.families.base import Family, Field
from features.families.parts import flag

__all__ = ["FAMILY", "STAGES"]

STAGES = ("new", "winding_down", "during", "after", "before", "settled")
"""In the order in which they are tried; the first that fits counts."""


def _signs(t: ir.Table) -> ir.Value:
    """How many of four signs say that the customer is on the way out."""
    return reduce(
        add,
        (
            flag(t.primacy_ending == 1),
            flag((t.holdings_closed_90d > 0) & (t.holdings_opened_90d == 0)),
            flag(t.balance_of_peak * 3 < 1),
            flag(t.inflow_change_3m * 2 < 1),
        ),
    )


def _interested(t: ir.Table) -> ir.Value:
    """Opened or accepted an offer, or came half as often again as in the quarter, at least four times."""
    return (t.interest_90d > 0) | ((t.sessions_30d >= 4) & (t.sessions_30d * 2 >= t.sessions_90d))


def _stage(t: ir.Table) -> ir.Value:
    opened = t.days_since_opening.fill_null(99_999)
    return ibis.cases(
        (t.tenure_days < 90, "new"),
        (_signs(t) >= 2, "winding_down"),
        (opened <= 30, "during"),
        (opened <= 180, "after"),
        (_interested(t), "before"),
        else_="settled",
    )


FAMILY = Family(
    "lifecycle",
    "The stage of the relation",
    derived=(
        (
            Field(
                *("lifecycle_stage", "string", "word"),
                "new (here for less than 90 days), winding_down (two signs of leaving), during (opened "
                "within 30 days), after (31 to 180 days), before (interest shown, nothing opened), "
                "else settled",
                "Stage of the relation",
                null="null",
                words=STAGES,
            ),
            _stage,
        ),
        (
            Field(
                *("leaving_signs", "int64", "count"),
                "of four: regular payments moving away; a holding closed and none opened in 90 days; "
                "balance under a third of its peak; incoming payments under half of the quarter before",
                "Signs of leaving, of 4",
            ),
            _signs,
        ),
    ),
)
