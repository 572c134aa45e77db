"""The drift switch: from one month on the world obeys other laws.

economy
    Once, all incomes fall by 8%; from then on jobs are lost three times as often and customers
    part, leave and move balances more readily.
channel
    The app takes the branch's place: liking for app and web rises by 45% of what is missing to 1.
product
    The odds of taking up a card fall to half.
"""

import numpy as np

from features.errors import InputError
from features.simulate.money import Array
from features.simulate.world import CARD, PRODUCTS, Clock, World

__all__ = [
    "DRIFTS",
    "EFFECTS",
    "check_drift",
    "digital",
    "drifted",
    "inclination",
    "income_shock",
    "unrest",
]

DRIFTS = ("none", "economy", "channel", "product")

EFFECTS = {
    "income_factor": 0.92,
    "job_loss_factor": 3.0,
    "unrest_log_odds": 0.6,
    "digital_gain": 0.45,
    "card_odds_factor": 0.5,
}
"""How strong each change is."""


def check_drift(drift: str, month: int | None, months: int) -> tuple[int, int]:
    """Code of the drift and the month of history, counted from 0, in which it begins.

    `month` counts from 1; None is the middle of history.

    Raises
    ------
    InputError
        If there is no such drift, or the month lies outside history.
    """
    if drift not in DRIFTS:
        raise InputError(f"drift '{drift}': unknown; cure: one of {', '.join(DRIFTS)}")
    begins = months // 2 + 1 if month is None else month
    if not 1 <= begins <= months:
        raise InputError(f"drift month {begins}: outside history; cure: 1 to {months}")
    return DRIFTS.index(drift), 0 if drift == "none" else begins - 1


def drifted(clock: Clock, drift: str) -> bool:
    """Whether the laws of `drift` hold in the month to come."""
    return clock.drift == DRIFTS.index(drift) and clock.month >= clock.drift_month


def income_shock(clock: Clock) -> float:
    """What incomes are multiplied by in the month to come."""
    begins = drifted(clock, "economy") and clock.month == clock.drift_month
    return EFFECTS["income_factor"] if begins else 1.0


def unrest(clock: Clock) -> float:
    """What the log-odds of parting, of leaving and of attrition gain."""
    return EFFECTS["unrest_log_odds"] if drifted(clock, "economy") else 0.0


def digital(world: World) -> Array:
    """Liking for app and web, 0 to 1, as the month begins; (n,)."""
    liking = world.people.liking
    if drifted(world.clock, "channel"):
        return np.asarray(liking + EFFECTS["digital_gain"] * (1 - liking))
    return liking


def inclination(clock: Clock) -> Array:
    """What the log-odds of taking up each product gain, (products,)."""
    added = np.zeros(len(PRODUCTS))
    if drifted(clock, "product"):
        added[CARD] = np.log(EFFECTS["card_odds_factor"])
    return added
