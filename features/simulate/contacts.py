"""What the bank's approaches to its customers change, and what the customers answer."""

import numpy as np

from features.simulate.booking import CHANNEL
from features.simulate.campaigns import Approach
from features.simulate.laws import complain, contact_effect, opt_out, shipped
from features.simulate.leaving import accept_waiver, asleep, hesitant, retention_effect
from features.simulate.life import KINDS
from features.simulate.money import Array
from features.simulate.randomness import DAY, stream
from features.simulate.rows import NOTHING, Rows, ids_of_month
from features.simulate.world import State, World
from features.vocabulary import CHANNELS

__all__ = [
    "RESPONSES",
    "WAIVED_MONTHS",
    "answer",
    "channel_used",
    "complaints_about",
    "report_contacts",
    "retained",
    "touch",
    "usual_channel",
    "warmth",
]

WAIVED_MONTHS = 12
"""For how long an accepted retention offer waives the account fee."""

RESPONSES = ("none", "opened", "accepted", "refused", "opted_out")
_NONE, _OPENED, _ACCEPTED, _REFUSED, _OPTED_OUT = range(len(RESPONSES))


def usual_channel(world: World) -> Array:
    """The preferred channel, the app where no preference is known; codes (n,)."""
    preferred = world.people.preferred
    return np.where(preferred >= 0, preferred, CHANNEL["app"])


def warmth(world: World, warm: Array) -> Array:
    """What contacts by the usual channel add to the log-odds at a given warmth, (n, products)."""
    return warm * contact_effect(world, usual_channel(world))


def channel_used(world: World, approach: Approach) -> Array:
    """The channel of each contact, and the usual one where there is none; codes (n,)."""
    return np.where(approach.channel >= 0, approach.channel, usual_channel(world))


def touch(world: World, s: State, approach: Approach) -> Array:
    """Warm those who are contacted; returns what all warmth adds to the log-odds, (n, products)."""
    added = warmth(world, s.warm)
    who, product = approach.who, approach.product[approach.who]
    added[who, product] = contact_effect(world, channel_used(world, approach))[who, product]
    s.warm[who, product] = 1.0
    s.pressed[who] += 1.0
    return added


def retained(world: World, approach: Approach) -> Array:
    """What retention offers add to this month's log-odds of leaving, 0 where there is none; (n,)."""
    return np.where(approach.retention, retention_effect(world, channel_used(world, approach)), 0.0)


def answer(world: World, s: State, approach: Approach, bought: Array) -> tuple[Array, Array]:
    """How each customer answers the contact, and when: codes of RESPONSES and times, (n,).

    Whoever takes up the product in the month of the contact has accepted it. Whoever accepts a
    fee waiver gets it: half of the hesitant then stop parting; of those asleep some begin to.
    """
    clock, n = world.clock, world.size
    rng = stream(clock.seed, clock.month, "answers")
    by = channel_used(world, approach)
    u, refuses = rng.random(n), rng.random(n)
    response = np.where(u < 0.35, _OPENED, _NONE)
    response = np.where(refuses < 0.13, _REFUSED, response)
    response = np.where(rng.random(n) < opt_out(world, by), _OPTED_OUT, response)
    accepts = approach.retention & (rng.random(n) < accept_waiver(world, by))
    reached = np.arange(n), np.maximum(approach.product, 0)
    response = np.where(bought[reached] | accepts, _ACCEPTED, response)
    response = np.where(approach.product >= 0, response, NOTHING)
    at = approach.at + (rng.random(n) * 5 * DAY).astype(np.int64) + 1_000_000
    s.waiver[accepts] = WAIVED_MONTHS
    u = rng.random(n)
    s.drifting[:] = (s.drifting & ~(accepts & (u < 0.5 * hesitant(world)))) | (
        approach.retention & (u < 0.12 * asleep(world))
    )
    return response, np.where(response > _NONE, at, NOTHING)


def complaints_about(world: World, approach: Approach) -> Array:
    """When a contact makes a customer complain, -1 where it does not; (n,)."""
    clock, n = world.clock, world.size
    rng = stream(clock.seed, clock.month, "upset")
    upset = (approach.product >= 0) & (rng.random(n) < complain(world, channel_used(world, approach)))
    at = approach.at + (rng.random(n) * 3 * DAY).astype(np.int64) + 1_000_000
    return np.where(upset, at, NOTHING)


def report_contacts(approach: Approach, response: Array, answered: Array, month: int, rows: Rows) -> None:
    """Campaign rows: the contact when it is made, and once more when it is answered."""
    listed = shipped().channels
    costs = np.array([round(listed[c].cost * 100) if c in listed else 0 for c in CHANNELS])
    who = approach.who
    shared = {
        "at": approach.at[who],
        "number": ids_of_month(len(response), month, 8) + np.arange(len(who)),
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
