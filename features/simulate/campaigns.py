"""The bank's own campaigns: who is drawn for which offer, and into which randomised arm."""

from dataclasses import dataclass

import numpy as np

from features.simulate.booking import CHANNEL
from features.simulate.hours import is_weekend
from features.simulate.laws import eligible, shipped
from features.simulate.leaving import waivable
from features.simulate.money import Array
from features.simulate.randomness import DAY, stream
from features.simulate.rows import NOTHING
from features.simulate.world import CURRENT, OFFERED, World

__all__ = ["ARMS", "DRAWN", "P_ARM", "Approach", "Trial", "draw_campaigns"]

ARMS = ("control", "app", "email", "mail", "call")
P_ARM = (0.30, 0.245, 0.245, 0.105, 0.105)
"""Probability of each arm for whoever is drawn for an offer."""

DRAWN = {"product": 0.043, "retention": 0.030}
"""P(is drawn for the offer of one product) of eligible, consenting customers a month, and the same
for the retention offer, a waiver of the account fee; at most one offer each."""


@dataclass(frozen=True)
class Approach:
    """Contacts of one month, at most one for each customer; arrays (n,), -1 where there is none.

    A contact about the current account, which everybody has, is a retention offer.
    """

    product: Array
    channel: Array
    at: Array

    @property
    def who(self) -> Array:
        """Indices of those who are contacted."""
        return np.flatnonzero(self.product >= 0)

    @property
    def retention(self) -> Array:
        """Who is offered a fee waiver, bool (n,)."""
        return np.asarray(self.product == CURRENT)


@dataclass(frozen=True)
class Trial:
    """Who was drawn for which offer and into which arm; arrays (n,), -1 where nobody was drawn."""

    product: Array
    arm: Array


def draw_campaigns(world: World, spared: Array) -> tuple[Trial, Approach]:
    """Draw every eligible, consenting customer with the same chance, and an arm for each.

    spared
        Customers under somebody else's decision, bool (n,); the campaigns leave them out.
    """
    clock, n = world.clock, world.size
    rng = stream(clock.seed, clock.month, "campaigns")
    allowed = eligible(world, shipped())
    allowed[:, CURRENT] = waivable(world)
    allowed &= (world.state.marketing & ~spared)[:, None]
    u, product, reached = rng.random(n), np.full(n, NOTHING, np.int64), np.zeros(n)
    for slot in (CURRENT, *OFFERED):
        share = np.where(allowed[:, slot], DRAWN["retention" if slot == CURRENT else "product"], 0.0)
        product[(u >= reached) & (u < reached + share)] = slot
        reached += share
    arm = np.where(product >= 0, rng.choice(len(ARMS), n, p=P_ARM), NOTHING)
    contacted = arm > 0
    by = np.array([CHANNEL.get(name, NOTHING) for name in ARMS])[np.maximum(arm, 0)]
    day = 1 + (rng.random(n) * 8).astype(np.int64)
    day += 2 * is_weekend(clock.start // DAY + day)
    at = clock.start + day * DAY + ((9 + 8 * rng.random(n)) * DAY / 24).astype(np.int64)
    approach = (np.where(contacted, found, NOTHING) for found in (product, by, at))
    return Trial(product, arm), Approach(*approach)
