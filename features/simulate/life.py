"""What happens to people in a month, apart from money: moods, events, parting, talking to the bank."""

import numpy as np

from features.simulate.booking import CHANNEL
from features.simulate.drift import digital
from features.simulate.events import note, undergo
from features.simulate.hours import chosen_times
from features.simulate.leaving import attrition_hazard, onset_hazard
from features.simulate.managers import hand_over
from features.simulate.money import Array
from features.simulate.randomness import stream
from features.simulate.rows import NOTHING, Rows, ids_of_month
from features.simulate.world import State, World

__all__ = ["HURT", "KINDS", "interactions", "live_on"]

KINDS = ("campaign", "call", "visit", "complaint", "survey", "session")
HURT = {"grows": 0.35, "most": 2.6, "healed": 0.4, "fades": 0.75}
"""A complaint hurts by 1 as it begins and grows each month while open, up to a most; settling it
leaves a share of the hurt, of which a share is left each month later."""
_SETTLED = 0.40
"""P(an open complaint is settled in a month)."""


def live_on(world: World, s: State, events: Rows) -> None:
    """Change `s` (a copy of the world's state) by the month's fortunes, seen from the month's begin."""
    rng = stream(world.clock.seed, world.clock.month, "life")
    n = world.size
    undergo(world, s, events)
    u = rng.random((4, n))
    s.windfall[:] = np.where(s.live & (u[0] < 0.006), 1.0, s.windfall * 0.7)
    unsettled = s.complaint >= 0
    s.mood[:] = np.clip(s.mood + 0.04 * (7.3 - s.mood) + rng.normal(0, 0.25, n) - 0.35 * unsettled, 0, 10)
    hand_over(world, s, events)
    begins = ~s.drifting & ~s.dead & (u[1] < onset_hazard(world))
    s.drifting[:] = np.where(s.drifting, u[2] > 0.05, begins)
    pace = np.where(s.drifting, rng.uniform(0.02, 0.30, n), -0.2)
    s.drift[:] = np.clip(s.drift + pace, 0, 1)
    s.flight[:] = np.where(s.flight, s.keep > 0.15, u[3] < attrition_hazard(world))
    s.keep[:] = np.clip(np.where(s.flight, s.keep * 0.66, s.keep + 0.03), 0.05, 1.0)
    s.hurt[:] = np.where(
        unsettled, np.minimum(s.hurt + HURT["grows"], HURT["most"]), s.hurt * HURT["fades"]
    )
    s.warm[:] *= 0.5
    s.pressed[:] *= 0.75
    s.waiver[:] = np.maximum(s.waiver - 1, 0)


def interactions(world: World, s: State, until: Array, upset: Array, rows: Rows, events: Rows) -> None:
    """Sessions, calls, visits, surveys and complaints of a month; a settled complaint comes again.

    upset
        When a contact of the bank makes a customer complain, -1 where it does not; (n,).
    """
    rng = stream(world.clock.seed, world.clock.month, "interactions")
    p, n, start = world.people, world.size, world.clock.start
    here = s.live & ~s.dead & (s.opened[:, 0] >= 0) & (s.opened[:, 0] < start)
    modern = digital(world)
    busy = here * (1 - 0.75 * s.drift) * (1 + 0.5 * (s.windfall + s.moved))
    web = (rng.random(n) < 0.3) & here
    plan = (
        ("session", 1.7 * modern * busy, np.where(web, CHANNEL["web"], CHANNEL["app"]), NOTHING),
        ("call", 0.06 * here * (1 + 1.5 * s.drift), CHANNEL["call"], 400),
        ("visit", 0.16 * (1 - modern) * busy, CHANNEL["branch"], 600),
    )
    for kind, often, channel, cost in plan:
        who = np.repeat(np.arange(n), rng.poisson(often))
        at = chosen_times(rng, p, who, start, until[who])
        code = np.broadcast_to(channel, (n,))[who]
        rows.add(who, at=at, channel=code, kind=KINDS.index(kind), cost=cost, known=at)
    who = np.flatnonzero(here & (rng.random(n) < 0.02))
    at = chosen_times(rng, p, who, start, until[who])
    rating = np.clip(np.rint(s.mood[who] - 2 * s.drift[who] + rng.normal(0, 1.0, len(who))), 0, 10)
    mail = CHANNEL["email"]
    rows.add(
        who, at=at, channel=mail, out=True, kind=KINDS.index("survey"), rating=rating, cost=20, known=at
    )
    # Of a stream of their own: they move satisfaction, and sessions draw as many numbers as there are.
    rng = stream(world.clock.seed, world.clock.month, "complaints")
    settled, unasked = rng.random((2, n))
    _settle_complaints(rng, world, s, until, here & (settled < _SETTLED), rows, events)
    _complain(rng, world, s, until, here, unasked, upset, rows)


def _within(rng: np.random.Generator, start: int, until: Array, who: Array) -> Array:
    return np.asarray(start + rng.random(len(who)) * (until[who] - start)).astype(np.int64)


def _settle_complaints(
    rng: np.random.Generator,
    world: World,
    s: State,
    until: Array,
    settled: Array,
    rows: Rows,
    events: Rows,
) -> None:
    who = np.flatnonzero(settled & (s.complaint >= 0))
    at = _within(rng, world.clock.start, until, who)
    shared = {"channel": s.complaint_channel[who], "kind": KINDS.index("complaint"), "cost": 1500}
    rows.add(who, number=s.complaint_number[who], at=s.complaint[who], resolved=at, known=at, **shared)
    s.complaint[who] = NOTHING
    s.hurt[who] *= HURT["healed"]
    note(events, who, "complaint_settled")


def _complain(
    rng: np.random.Generator,
    world: World,
    s: State,
    until: Array,
    here: Array,
    drawn: Array,
    upset: Array,
    rows: Rows,
) -> None:
    n, clock = world.size, world.clock
    chance = 0.006 * np.exp(-0.35 * (s.mood - 7.0)) * (1 + 2.0 * s.drift)
    free = here & (s.complaint < 0) & (world.state.complaint < 0)
    by_itself = free & (drawn < chance)
    who = np.flatnonzero(by_itself | (free & (upset >= 0)))
    own = chosen_times(rng, world.people, who, clock.start, until[who])
    at = np.where(upset[who] >= 0, upset[who], own)
    channel = rng.choice([CHANNEL["call"], CHANNEL["branch"], CHANNEL["email"]], len(who))
    number = ids_of_month(n, clock.month, 9) + np.arange(len(who))
    rows.add(who, number=number, at=at, channel=channel, kind=KINDS.index("complaint"), cost=1500, known=at)
    s.complaint[who], s.complaint_number[who], s.complaint_channel[who] = at, number, channel
    s.hurt[who] = np.maximum(s.hurt[who], 1.0)
