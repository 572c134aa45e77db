"""The calendar's hand in money: December, summer holidays, heating, and each trade's own year."""

import numpy as np

from features.simulate.money import Array
from features.simulate.world import World

__all__ = ["HEATING", "HOLIDAYS", "SPENDING", "TRADES", "heating", "holidays", "trade"]

SPENDING = np.array([0.88, 0.90, 0.97, 1.0, 1.02, 1.06, 1.10, 1.04, 0.97, 0.98, 1.06, 1.28])
"""What private spending is multiplied by, January first."""

HEATING = np.array([1.25, 1.22, 1.12, 1.0, 0.92, 0.9, 0.9, 0.9, 0.92, 1.0, 1.12, 1.22])
HOLIDAYS = np.array([0.8, 0.9, 0.8, 1.0, 1.1, 1.4, 2.6, 2.4, 1.1, 0.8, 0.7, 1.0])

TRADES = np.array(
    [
        [0.80, 0.80, 0.92, 0.95, 1.00, 1.00, 0.95, 0.92, 1.00, 1.02, 1.20, 1.60],
        [1.00, 1.00, 1.00, 1.02, 1.02, 1.00, 0.90, 0.88, 1.04, 1.06, 1.04, 1.00],
        [0.60, 0.65, 0.90, 1.10, 1.20, 1.25, 1.25, 1.20, 1.15, 1.10, 0.90, 0.65],
    ]
)
"""Receipts of shops, of services and of builders by month, around 1."""

_FIRST_TRADE = 7
"""Code of the first line of business among the occupations."""


def heating(world: World) -> float:
    """What household costs are multiplied by in the month to come."""
    return float(HEATING[world.clock.season])


def holidays(world: World) -> float:
    """What the share of card bookings made abroad is multiplied by in the month to come."""
    return float(HOLIDAYS[world.clock.season])


def trade(world: World) -> Array:
    """What a business's receipts are multiplied by in the month to come, 1 for persons; (n,)."""
    line = np.clip(world.state.occupation - _FIRST_TRADE, 0, len(TRADES) - 1)
    return np.where(world.people.business, TRADES[line, world.clock.season], 1.0)
