"""The laws of leaving: why customers part, leave or move balances, and what a retention offer changes."""

import numpy as np

from features.simulate.drift import digital, unrest
from features.simulate.laws import deposits, sigmoid
from features.simulate.money import Array
from features.simulate.world import World
from features.vocabulary import CHANNELS

__all__ = [
    "HEIRS_CLOSE",
    "accept_waiver",
    "asleep",
    "attrition_hazard",
    "hesitant",
    "leave_hazard",
    "onset_hazard",
    "retention_effect",
    "waivable",
]

HEIRS_CLOSE = 0.6
"""P(the bank closes all that a dead customer held, for the heirs) each month after the death."""


def onset_hazard(world: World) -> Array:
    """P(begins to part from the bank); parting takes months and shows before it ends."""
    s, p = world.state, world.people
    x = -5.0 + 1.25 * s.hurt - 0.40 * (s.mood - 7.0) + 0.7 * (world.tenure < 2.0)
    x = x + 0.6 * ~p.primary - 0.22 * (world.held.sum(axis=1) - 3) - 0.5 * (s.waiver > 0)
    return sigmoid(x + unrest(world.clock))


def leave_hazard(world: World, offered: Array | float = 0.0) -> Array:
    """P(closes everything); `offered` is what a retention offer adds to the log-odds, (n,)."""
    s = world.state
    x = -6.25 + 4.9 * s.drift + 0.55 * s.hurt - 0.2 * (world.held.sum(axis=1) - 3)
    x = x - 0.3 * (s.mood - 7.0) + 0.5 * unrest(world.clock) + offered
    return np.where(s.dead, HEIRS_CLOSE, sigmoid(x))


def attrition_hazard(world: World) -> Array:
    """P(begins to move balances to another bank), of those who live and do not yet."""
    s, p = world.state, world.people
    rich = np.log1p(deposits(world))
    x = -7.15 + 0.55 * rich + 1.2 * (digital(world) - 0.5) + 1.5 * s.drift - 0.3 * (s.mood - 7.0)
    x = x + 0.5 * ~p.primary + unrest(world.clock)
    return np.where(s.flight | s.dead, 0.0, sigmoid(x))


def hesitant(world: World) -> Array:
    """How far a customer is one who can be kept: parting, but not lost yet; 0 to 1."""
    drift = world.state.drift
    return np.asarray(sigmoid(10 * (drift - 0.15)) * sigmoid(10 * (0.8 - drift)))


def asleep(world: World) -> Array:
    """How far a customer is better left alone: not parting, long here, seldom in app or web; 0 to 1."""
    rest = (1 - sigmoid(10 * (world.state.drift - 0.15))) * sigmoid(3 * (world.tenure - 4))
    return np.asarray(rest * sigmoid(8 * (0.45 - digital(world))))


def retention_effect(world: World, channel: Array) -> Array:
    """What a fee waiver offered by `channel` (codes, (n,)) adds to the log-odds of leaving, (n,).

    Those who hesitate stay, the more so if somebody talks to them; those asleep are woken.
    """
    personal = np.isin(channel, [CHANNELS.index("call"), CHANNELS.index("branch")])
    kept = -(1.3 + 0.5 * personal) * hesitant(world)
    return np.asarray(kept + 1.0 * asleep(world))


def accept_waiver(world: World, channel: Array) -> Array:
    """P(accepts a fee waiver that is offered by `channel`, codes (n,))."""
    s = world.state
    x = -0.9 + 0.4 * (channel == world.people.preferred) - 0.35 * s.pressed + 0.5 * hesitant(world)
    return sigmoid(x - 1.2 * (s.complaint >= 0))


def waivable(world: World) -> Array:
    """Who may be offered a fee waiver: living holders of a current account without one, bool (n,)."""
    s = world.state
    return np.asarray(world.alive & (s.opened[:, 0] >= 0) & (s.waiver == 0))
