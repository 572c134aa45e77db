"""What every customer decides in a month: to leave, to give up, to take up, to answer."""

from dataclasses import dataclass

import numpy as np

from features.simulate.campaigns import Approach, Trial, draw_campaigns
from features.simulate.contacts import answer, complaints_about, retained, touch
from features.simulate.contracts import cancelled
from features.simulate.laws import eligible, shipped, takeup
from features.simulate.leaving import leave_hazard
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
    trial, approach
        Who was drawn into which arm of the bank's own campaigns, and who was contacted at all.
    bought
        When each customer opens each product, -1 where not; (n, products).
    response, answered
        Answer to the contact (codes of RESPONSES) and its time, -1 where there is none; (n,).
    upset
        When the contact makes the customer complain, -1 where it does not; (n,).
    """

    leaving: Array
    until: Array
    given_up: Array
    trial: Trial
    approach: Approach
    bought: Array
    response: Array
    answered: Array
    upset: Array


def choose(world: World, s: State, given: Approach | None, spared: Array) -> Choices:
    """Draw the month's decisions from the laws, seen from the month's begin; contacts warm `s`."""
    clock, n = world.clock, world.size
    rng = stream(clock.seed, clock.month, "decisions")
    settled = (world.state.opened[:, CURRENT] >= 0) & world.state.live
    trial, own = draw_campaigns(world, spared)
    approach = _merge(own, given)
    leaving = settled & (rng.random(n) < leave_hazard(world, retained(world, approach)))
    given_up = cancelled(world, s, leaving)
    until = _until(rng, world, leaving, given_up)
    added = touch(world, s, approach)
    chance = np.where(eligible(world, shipped()), takeup(world, added), 0.0)
    bought = (rng.random(chance.shape) < chance) & ~leaving[:, None]
    response, answered = answer(world, s, approach, bought)
    when = _when_bought(rng, world, bought, approach, answered)
    upset = complaints_about(world, approach)
    return Choices(leaving, until, given_up, trial, approach, when, response, answered, upset)


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
