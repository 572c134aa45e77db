"""What every customer decides in a month: to leave, to give up, to take up, to answer."""

from dataclasses import dataclass

import numpy as np

from features.simulate.contacts import Approach, answer, approach_at_random, touch
from features.simulate.contracts import cancelled
from features.simulate.laws import eligible, leave_hazard, shipped, takeup
from features.simulate.money import Array
from features.simulate.randomness import DAY, stream
from features.simulate.rows import NOTHING
from features.simulate.world import CURRENT, State, World

__all__ = ["Choices", "choose"]


@dataclass(frozen=True)
class Choices:
    """One month's decisions.

    leaving, until
        Who closes everything, bool (n,), and when each customer's ordinary month ends, (n,).
    given_up
        Which single holdings are cancelled, bool (n, products).
    approach
        Who was contacted.
    bought
        When each customer opens each product, -1 where not; (n, products).
    response, answered
        Answer to the contact (codes of RESPONSES) and its time, -1 where there is none; (n,).
    """

    leaving: Array
    until: Array
    given_up: Array
    approach: Approach
    bought: Array
    response: Array
    answered: Array


def choose(world: World, s: State, given: Approach | None, spared: Array) -> Choices:
    """Draw the month's decisions from the laws, seen from the month's begin; contacts warm `s`."""
    clock, n = world.clock, world.size
    rng = stream(clock.seed, clock.month, "decisions")
    settled = (world.state.opened[:, CURRENT] >= 0) & world.state.live
    leaving = settled & (rng.random(n) < leave_hazard(world))
    given_up = cancelled(world, s, leaving)
    until = _until(rng, world, leaving, given_up)
    approach = _merge(approach_at_random(world, spared), given)
    added = touch(world, s, approach)
    chance = np.where(eligible(world, shipped()), takeup(world, added), 0.0)
    bought = (rng.random(chance.shape) < chance) & ~leaving[:, None]
    response, answered = answer(world, approach, bought)
    when = _when_bought(rng, world, bought, approach, answered)
    return Choices(leaving, until, given_up, approach, when, response, answered)


def _merge(own: Approach, given: Approach | None) -> Approach:
    """The contacts of a month: those that were decided elsewhere come first."""
    if given is None:
        return own
    taken = given.product >= 0
    return Approach(
        np.where(taken, given.product, own.product),
        np.where(taken, given.channel, own.channel),
        np.where(taken, given.at, own.at),
    )


def _until(rng: np.random.Generator, world: World, leaving: Array, given_up: Array) -> Array:
    """When each customer's ordinary month ends: at the closing, or before what is given up."""
    clock = world.clock
    parting = clock.start + ((16 + 11 * rng.random(world.size)) * DAY).astype(np.int64)
    return np.where(leaving, parting, np.where(given_up.any(axis=1), clock.start + 27 * DAY, clock.end))


def _when_bought(
    rng: np.random.Generator, world: World, bought: Array, approach: Approach, answered: Array
) -> Array:
    clock = world.clock
    u = rng.random(bought.shape)
    begin = np.full(bought.shape, clock.start)
    who = approach.who
    begin[who, approach.product[who]] = np.maximum(answered[who], approach.at[who])
    when = begin + (u * (clock.end - DAY // 24 - begin)).astype(np.int64)
    return np.where(bought, when, NOTHING)
