"""Hours of the day: when in a month people do what they choose to do."""

import numpy as np

from features.simulate.money import Array
from features.simulate.randomness import DAY
from features.simulate.world import People

__all__ = ["chosen_times", "is_weekend"]

_HOUR = DAY // 24
_SPREAD = 2.0
"""Standard deviation around the favourite hour, in hours."""


def is_weekend(days: Array) -> Array:
    """Whether days since 1970-01-01, a Thursday, fall on Saturday or Sunday."""
    return np.asarray((days + 3) % 7 >= 5)


def chosen_times(rng: np.random.Generator, people: People, who: Array, start: int, until: Array) -> Array:
    """A moment for each of `who` between `start` (a midnight) and `until`, (len(who),).

    It lies near the customer's favourite hour. What falls on a weekend is moved to another day
    unless the customer likes weekends. Hours are UTC: the bank lies in one zone.
    """
    size = len(who)
    whole = (until - start) // DAY
    day = (rng.random(size) * whole).astype(np.int64)
    moved = np.flatnonzero(is_weekend(start // DAY + day) & (rng.random(size) > people.weekend[who]))
    day[moved] = (rng.random(len(moved)) * whole[moved]).astype(np.int64)
    hour = people.hour[who] + _SPREAD * rng.standard_normal(size)
    at = start + day * DAY + (np.clip(hour, 0.1, 23.9) * _HOUR).astype(np.int64)
    return np.asarray(at)
