"""What happens to people in a month, apart from money: moods, events, parting, talking to the bank."""

import numpy as np

from features.simulate.bookings import CHANNEL
from features.simulate.laws import attrition_hazard, onset_hazard
from features.simulate.money import Array
from features.simulate.randomness import stream
from features.simulate.rows import NOTHING, Rows
from features.simulate.world import State, World

__all__ = ["KINDS", "interactions", "live_on"]

KINDS = ("campaign", "call", "visit", "complaint", "survey", "session")


def live_on(world: World, s: State) -> None:
    """Change `s` (a copy of the world's state) by the month's fortunes, seen from the month's begin."""
    rng = stream(world.clock.seed, world.clock.month, "life")
    n = world.size
    u = rng.random((8, n))
    s.jobless[:] = np.where(s.jobless, u[0] > 0.22, u[0] < 0.006)
    s.income[:] = np.where(u[1] < 0.02, np.rint(s.income / 100 * rng.normal(1.06, 0.08, n)) * 100, s.income)
    s.income[:] = np.maximum(s.income, 10_000)
    s.windfall[:] = np.where(s.live & (u[2] < 0.006), 1.0, s.windfall * 0.7)
    s.moved[:] = np.where(s.live & (u[3] < 0.006), 1.0, s.moved * 0.75)
    other = (s.region + 1 + (u[4] * 7).astype(np.int64)) % 8
    s.region[:] = np.where(s.moved == 1.0, other, s.region)
    unsettled = s.complaint >= 0
    s.mood[:] = np.clip(s.mood + 0.04 * (7.3 - s.mood) + rng.normal(0, 0.25, n) - 0.35 * unsettled, 0, 10)
    begins = ~s.drifting & (u[5] < onset_hazard(world))
    s.drifting[:] = np.where(s.drifting, u[6] > 0.05, begins)
    pace = np.where(s.drifting, rng.uniform(0.02, 0.30, n), -0.2)
    s.drift[:] = np.clip(s.drift + pace, 0, 1)
    s.flight[:] = np.where(s.flight, s.keep > 0.15, u[7] < attrition_hazard(world))
    s.keep[:] = np.clip(np.where(s.flight, s.keep * 0.66, s.keep + 0.03), 0.05, 1.0)
    s.warm[:] *= 0.5
    s.pressed[:] *= 0.75


def interactions(world: World, s: State, until: Array, rows: Rows) -> None:
    """Sessions, calls, visits, surveys and complaints of a month; a settled complaint comes again."""
    rng = stream(world.clock.seed, world.clock.month, "interactions")
    p, n, start = world.people, world.size, world.clock.start
    here = s.live & (s.opened[:, 0] >= 0) & (s.opened[:, 0] < start)
    busy = here * (1 - 0.75 * s.drift) * (1 + 0.5 * (s.windfall + s.moved))
    web = (rng.random(n) < 0.3) & here
    plan = (
        ("session", 1.7 * p.digital * busy, np.where(web, CHANNEL["web"], CHANNEL["app"]), NOTHING),
        ("call", 0.06 * here * (1 + 1.5 * s.drift), CHANNEL["call"], 400),
        ("visit", 0.16 * (1 - p.digital) * busy, CHANNEL["branch"], 600),
    )
    for kind, often, channel, cost in plan:
        who = np.repeat(np.arange(n), rng.poisson(often))
        at = _within(rng, start, until, who)
        code = np.broadcast_to(channel, (n,))[who]
        rows.add(who, at=at, channel=code, kind=KINDS.index(kind), cost=cost, known=at)
    who = np.flatnonzero(here & (rng.random(n) < 0.02))
    at = _within(rng, start, until, who)
    rating = np.clip(np.rint(s.mood[who] - 2 * s.drift[who] + rng.normal(0, 1.0, len(who))), 0, 10)
    mail = CHANNEL["email"]
    rows.add(
        who, at=at, channel=mail, out=True, kind=KINDS.index("survey"), rating=rating, cost=20, known=at
    )
    _complaints(rng, world, s, until, here, rows)


def _within(rng: np.random.Generator, start: int, until: Array, who: Array) -> Array:
    return np.asarray(start + rng.random(len(who)) * (until[who] - start)).astype(np.int64)


def _complaints(
    rng: np.random.Generator, world: World, s: State, until: Array, here: Array, rows: Rows
) -> None:
    n, start, kind = world.size, world.clock.start, KINDS.index("complaint")
    chance = 0.006 * np.exp(-0.35 * (s.mood - 7.0)) * (1 + 2.0 * s.drift)
    fresh = here & (s.complaint < 0) & (rng.random(n) < chance)
    settled = here & (s.complaint >= 0) & (rng.random(n) < 0.45)
    who = np.flatnonzero(settled)
    at = _within(rng, start, until, who)
    rows.add(
        who,
        number=s.complaint_number[who],
        at=s.complaint[who],
        channel=s.complaint_channel[who],
        kind=kind,
        resolved=at,
        cost=1500,
        known=at,
    )
    s.complaint[who] = NOTHING
    who = np.flatnonzero(fresh)
    at = _within(rng, start, until, who)
    channel = rng.choice([CHANNEL["call"], CHANNEL["branch"], CHANNEL["email"]], len(who))
    number = world.clock.month * 10_000_000 + 9_000_000 + np.arange(len(who))
    rows.add(who, number=number, at=at, channel=channel, kind=kind, cost=1500, known=at)
    s.complaint[who], s.complaint_number[who], s.complaint_channel[who] = at, number, channel
