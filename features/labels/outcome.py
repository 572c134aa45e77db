"""One snapshot and its outcome window: who is at risk, and history as known later."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from features.compute import spine_of
from features.history.cut import Cut, cut_history
from features.vocabulary import AS_OF, CUSTOMER_ID

__all__ = ["MONTH_DAYS", "Outcome", "stamped"]

MONTH_DAYS = 30
"""Days of one month of a horizon; the last month of a window may be shorter."""


@dataclass(frozen=True)
class Outcome:
    """One snapshot and its outcome window; every cut is lazy, and made once.

    connection
        From `features.history.read.connect`.
    as_of
        The snapshot; features saw nothing later.
    gap_days, horizon_days
        The window is [as_of + gap, as_of + gap + horizon).
    known
        Until when outcomes are known.
    """

    connection: Any
    as_of: datetime
    gap_days: int
    horizon_days: int
    known: datetime

    @property
    def opens(self) -> datetime:
        """Start of the window."""
        return self.as_of + timedelta(days=self.gap_days)

    @property
    def closes(self) -> datetime:
        """End of the window, excluded."""
        return self.opens + timedelta(days=self.horizon_days)

    @property
    def month_ends(self) -> tuple[datetime, ...]:
        """Where the months of the window end; the last one ends where the window closes."""
        days = range(MONTH_DAYS, self.horizon_days + MONTH_DAYS, MONTH_DAYS)
        return tuple(min(self.opens + timedelta(days=d), self.closes) for d in days)

    def matures(self, delay_days: int = 0) -> datetime:
        """When the label may be used: the window is over, and what happened in it is reported."""
        return self.closes + timedelta(days=delay_days)

    def before(self) -> Cut:
        """History before as_of, with the knowledge of as_of: what features saw."""
        return self._cut(self.as_of, self.as_of)

    def at(self, moment: datetime) -> Cut:
        """History before `moment`, with the knowledge of `known`."""
        return self._cut(moment, self.known)

    def at_risk(self) -> ir.Table:
        """customer_id of those who were here at as_of and still are when the window opens."""
        return spine_of(self.before()).semi_join(spine_of(self.at(self.opens)), CUSTOMER_ID)

    def _cut(self, moment: datetime, known: datetime) -> Cut:
        if (moment, known) not in self._cuts:
            self._cuts[moment, known] = cut_history(self.connection, moment, known)
        return self._cuts[moment, known]

    @cached_property
    def _cuts(self) -> dict[tuple[datetime, datetime], Cut]:
        # To write a cut down takes longer than a small bank's labels do.
        return {}


def stamped(frame: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """Sort by customer and put as_of second, so that equal labels are equal bytes."""
    ordered = frame.sort_values(CUSTOMER_ID, ignore_index=True)
    ordered.insert(1, AS_OF, pd.Timestamp(outcome.as_of).as_unit("us"))
    return ordered
