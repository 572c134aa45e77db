"""What a definition of churn is: words, what it must see, and the rule."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import ibis.expr.types as ir

from features.labels.outcome import Outcome
from features.vocabulary import Catalogue

__all__ = ["Definition", "Need", "lacking"]

Rule = Callable[[Outcome, ir.Table, Catalogue], ir.Table]
"""(outcome, customer_id of everybody at as_of, catalogue) -> customer_id, churn (1.0 left, 0.0 stayed,
null), excluded (why there is no label, else null) and, of monthly definitions, month (1 to H/30)."""


@dataclass(frozen=True)
class Need:
    """Rows without which a definition tells nothing: `says` names one in words, `rows` finds them."""

    table: str
    says: str
    rows: Callable[[ir.Table], ir.BooleanValue]


@dataclass(frozen=True)
class Definition:
    """One way to say who left.

    says
        What counts as leaving, in words. Who ends every holding by their own will has left by
        every definition.
    observed_days
        How far before as_of it looks, in days; None for as far as the outcome window is long.
    excluded
        Why a customer gets no label from this definition, beside `features.labels.standing`.
    monthly
        Whether the rule can tell in which month of the window the customer left.
    """

    name: str
    says: str
    observed_days: int | None
    needs: tuple[Need, ...]
    excluded: tuple[str, ...]
    monthly: bool
    rule: Rule

    def observed_from(self, outcome: Outcome) -> datetime:
        """The first moment that the definition looks at."""
        days = outcome.horizon_days if self.observed_days is None else self.observed_days
        return outcome.as_of - timedelta(days=days)


def lacking(definition: Definition, first: Outcome) -> tuple[str, ...]:
    """What a bank's history lacks for a definition, in words; empty if nothing.

    Parameters
    ----------
    first
        The earliest snapshot that is to be labelled.
    """
    table = first.connection.table
    missing = [
        f"{need.table} lack {need.says}"
        for need in definition.needs
        if not table(need.table).filter(need.rows).limit(1).count().execute()
    ]
    begins, since = table("transactions").at.min().execute(), definition.observed_from(first)
    # Who looks at nothing before as_of needs no bookings there.
    if since < first.as_of and (begins is None or begins > since):
        missing.append(
            f"transactions lack one before {since:%Y-%m-%d}, from where the snapshot of "
            f"{first.as_of:%Y-%m-%d} is looked at"
        )
    return tuple(missing)
