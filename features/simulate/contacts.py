"""The bank's approaches to its customers: whom, by which channel, what it changes, what they answer."""

from dataclasses import dataclass

import numpy as np

from features.simulate.bookings import CHANNEL
from features.simulate.laws import contact_effect, eligible, opt_out, shipped
from features.simulate.life import KINDS
from features.simulate.money import Array
from features.simulate.randomness import DAY, stream
from features.simulate.rows import NOTHING, Rows
from features.simulate.world import OFFERED, State, World
from features.vocabulary import CHANNELS

__all__ = ["RESPONSES", "Approach", "answer", "approach_at_random", "report_contacts", "touch", "warmth"]

RESPONSES = ("none", "opened", "accepted", "refused", "opted_out")
_NONE, _OPENED, _ACCEPTED, _REFUSED, _OPTED_OUT = range(len(RESPONSES))
_RATE = 0.03
"""Chance that a random campaign reaches an eligible, consenting customer, for each product a month."""


@dataclass(frozen=True)
class Approach:
    """Contacts of one month, at most one for each customer; arrays (n,), -1 where there is none."""

    product: Array
    channel: Array
    at: Array

    @property
    def who(self) -> Array:
        """Indices of those who are contacted."""
        return np.flatnonzero(self.product >= 0)


def approach_at_random(world: World, spared: Array) -> Approach:
    """The bank's own randomised campaigns: every eligible, consenting customer has the same chance.

    spared
        Customers under somebody else's decision, bool (n,); the campaigns leave them out.
    """
    clock, n = world.clock, world.size
    rng = stream(clock.seed, clock.month, "campaigns")
    allowed = eligible(world, shipped()) & (world.state.marketing & ~spared)[:, None]
    product = np.full(n, NOTHING)
    for slot in OFFERED:
        reached = (rng.random(n) < _RATE) & allowed[:, slot] & (product < 0)
        product[reached] = slot
    channel = rng.choice(
        [CHANNEL[c] for c in ("app", "email", "mail", "call")], n, p=[0.35, 0.35, 0.15, 0.15]
    )
    at = clock.start + (rng.random(n) * 9 * DAY).astype(np.int64) + DAY
    reached = product >= 0
    return Approach(product, np.where(reached, channel, NOTHING), np.where(reached, at, NOTHING))


def usual_channel(world: World) -> Array:
    """The preferred channel, the app where no preference is known; codes (n,)."""
    preferred = world.people.preferred
    return np.where(preferred >= 0, preferred, CHANNEL["app"])


def warmth(world: World, warm: Array) -> Array:
    """What contacts by the usual channel add to the log-odds at a given warmth, (n, products)."""
    return warm * contact_effect(world, usual_channel(world))


def touch(world: World, s: State, approach: Approach) -> Array:
    """Warm those who are contacted; returns what all warmth adds to the log-odds, (n, products)."""
    added = warmth(world, s.warm)
    who, product = approach.who, approach.product[approach.who]
    channel = np.where(approach.channel >= 0, approach.channel, usual_channel(world))
    added[who, product] = contact_effect(world, channel)[who, product]
    s.warm[who, product] = 1.0
    s.pressed[who] += 1.0
    return added


def answer(world: World, approach: Approach, bought: Array) -> tuple[Array, Array]:
    """How each customer answers the contact, and when: codes of RESPONSES and times, (n,).

    Whoever takes up the product in the month of the contact has accepted it.
    """
    clock, n = world.clock, world.size
    rng = stream(clock.seed, clock.month, "answers")
    u, refuses = rng.random(n), rng.random(n)
    response = np.where(u < 0.35, _OPENED, _NONE)
    response = np.where(refuses < 0.13, _REFUSED, response)
    response = np.where(rng.random(n) < opt_out(world), _OPTED_OUT, response)
    reached = np.arange(n), np.maximum(approach.product, 0)
    response = np.where(bought[reached], _ACCEPTED, response)
    response = np.where(approach.product >= 0, response, NOTHING)
    at = approach.at + (rng.random(n) * 5 * DAY).astype(np.int64) + 1_000_000
    return response, np.where(response > _NONE, at, NOTHING)


def report_contacts(approach: Approach, response: Array, answered: Array, month: int, rows: Rows) -> None:
    """Campaign rows: the contact when it is made, and once more when it is answered."""
    listed = shipped().channels
    costs = np.array([round(listed[c].cost * 100) if c in listed else 0 for c in CHANNELS])
    who = approach.who
    shared = {
        "at": approach.at[who],
        "number": month * 10_000_000 + 8_000_000 + np.arange(len(who)),
        "channel": approach.channel[who],
        "out": True,
        "kind": KINDS.index("campaign"),
        "product": approach.product[who],
        "cost": costs[approach.channel[who]],
    }
    rows.add(who, **shared, response=_NONE, known=approach.at[who])
    said = response[who] > _NONE
    again = {k: (v[said] if isinstance(v, np.ndarray) else v) for k, v in shared.items()}
    rows.add(who[said], **again, response=response[who][said], known=answered[who][said])
