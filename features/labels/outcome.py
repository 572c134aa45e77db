"""One snapshot and its outcome window: who is at risk, and history as known later."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from features.compute import spine_of
from features.history.cut import Cut, cut_history
from features.vocabulary import AS_OF, CUSTOMER_ID

__all__ = ["Outcome", "stamped"]


@dataclass(frozen=True)
class Outcome:
    """One snapshot and its outcome window; every cut is lazy.

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

    def at(self, moment: datetime) -> Cut:
        """History before `moment`, with the knowledge of `known`."""
        return cut_history(self.connection, moment, self.known)

    def at_risk(self) -> ir.Table:
        """customer_id of those who were here at as_of and still are when the window opens."""
        before = spine_of(cut_history(self.connection, self.as_of))
        return before.semi_join(spine_of(self.at(self.opens)), CUSTOMER_ID)


def stamped(frame: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """Sort by customer and put as_of second, so that equal labels are equal bytes."""
    ordered = frame.sort_values(CUSTOMER_ID, ignore_index=True)
    ordered.insert(1, AS_OF, pd.Timestamp(outcome.as_of).as_unit("us"))
    return ordered
