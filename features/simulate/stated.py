"""The numbers of the laws, stated beside the truth so that tests and readers can hold history to them."""

from datetime import UTC, datetime
from typing import Any

from features.simulate.bookings import CHILD
from features.simulate.campaigns import ARMS, DRAWN, P_ARM
from features.simulate.contacts import WAIVED_MONTHS
from features.simulate.drift import DRIFTS, EFFECTS
from features.simulate.events import RATES
from features.simulate.income import ALLOWANCE, PAY_DAYS, VAT
from features.simulate.leaving import HEIRS_CLOSE
from features.simulate.life import HURT
from features.simulate.managers import LEAVES
from features.simulate.randomness import boundary
from features.simulate.seasons import HEATING, HOLIDAYS, SPENDING, TRADES
from features.simulate.world import Clock

__all__ = ["stated_laws"]


def stated_laws(clock: Clock) -> dict[str, Any]:
    """The laws' numbers as plain values, and from when on the drift switch holds."""
    changes = clock.drift > 0
    since = datetime.fromtimestamp(boundary(clock.first + clock.drift_month, clock.day) / 1e6, UTC)
    return {
        "drift": DRIFTS[clock.drift],
        "drift_since": since.isoformat() if changes else None,
        "drift_effects": EFFECTS,
        "pay_days": (PAY_DAYS + 1).tolist(),
        "child_allowance_cents": ALLOWANCE,
        "child_household_share": CHILD,
        "vat_share_of_income": VAT,
        "events_by_month": RATES,
        "manager_leaves": LEAVES,
        "heirs_close": HEIRS_CLOSE,
        "complaint": HURT,
        "campaign_drawn": DRAWN,
        "campaign_arms": dict(zip(ARMS, P_ARM, strict=True)),
        "waived_months": WAIVED_MONTHS,
        "season_spending": SPENDING.tolist(),
        "season_heating": HEATING.tolist(),
        "season_abroad": HOLIDAYS.tolist(),
        "season_trades": dict(zip(("shops", "services", "builders"), TRADES.tolist(), strict=True)),
    }
