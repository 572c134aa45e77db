"""Life events: work and pay, moving, children, marriage, retirement and death."""

import numpy as np

from features.simulate.drift import EFFECTS, drifted, income_shock
from features.simulate.money import Array
from features.simulate.randomness import DAY, stream
from features.simulate.rows import Rows
from features.simulate.world import CURRENT, State, World

__all__ = ["EVENTS", "RATES", "RETIRED", "note", "pass_away", "undergo"]

EVENTS = (
    "job_lost",
    "job_found",
    "new_employer",
    "yearly_rise",
    "retirement",
    "move",
    "birth",
    "marriage",
    "new_manager",
    "death",
    "complaint_settled",
)
RETIRED = 6
"""Code of the occupation."""

RATES = {
    "job_lost": 0.006,
    "job_found": 0.22,
    "new_employer": 0.006,
    "move": 0.006,
    "birth": 0.004,
    "marriage": 0.006,
    "rise": 0.022,
    "pension_rise": 0.015,
    "pension_share": 0.7,
    "shares_account": 0.4,
}
"""Chances a month of those to whom it can happen, and sizes as shares of income."""


def undergo(world: World, s: State, events: Rows) -> None:
    """Change `s` by the month's life events, seen from the month's begin, and note each in `events`."""
    rng = stream(world.clock.seed, world.clock.month, "events")
    _work(rng, world, s, events)
    _home(rng, world, s, events)
    _marry(rng, world, s, events)


def note(events: Rows, who: Array, event: str) -> None:
    """Put down that something happened to each of `who`."""
    events.add(who, event=EVENTS.index(event))


def _work(rng: np.random.Generator, world: World, s: State, events: Rows) -> None:
    clock, n = world.clock, world.size
    u = rng.random((3, n))
    worker = world.alive & ~world.people.business & (s.occupation != RETIRED)
    odds = RATES["job_lost"] * (EFFECTS["job_loss_factor"] if drifted(clock, "economy") else 1.0)
    lost = worker & ~s.jobless & (u[0] < odds)
    found = worker & s.jobless & (u[0] < RATES["job_found"])
    changed = found | (worker & ~s.jobless & ~lost & (u[1] < RATES["new_employer"]))
    risen = worker & ~s.jobless & ~lost & ~changed & (s.employer % 12 == clock.season)
    retires = worker & (world.age >= 65)
    pensions = world.alive & (s.occupation == RETIRED) & (clock.season == 6)
    factor = np.where(changed & ~found, rng.normal(1.08, 0.10, n), 1.0)
    factor = np.where(risen, 1 + rng.normal(RATES["rise"], 0.008, n), factor)
    factor = np.where(pensions, 1 + RATES["pension_rise"], factor)
    factor = np.where(retires, RATES["pension_share"], factor) * income_shock(clock)
    paid = np.rint(s.income * factor / 100).astype(np.int64) * 100
    s.income[:] = np.where(factor == 1.0, s.income, np.maximum(paid, 10_000))
    s.jobless[:] = (s.jobless & ~found & ~retires) | (lost & ~retires)
    employers = int(s.employer.max()) + 1
    s.employer[:] = np.where(changed, (u[2] * employers).astype(np.int64), s.employer)
    s.occupation[retires] = RETIRED
    happened = {"job_lost": lost & ~retires, "job_found": found, "new_employer": changed & ~found}
    for event, whom in (happened | {"yearly_rise": risen, "retirement": retires}).items():
        note(events, np.flatnonzero(whom), event)


def _home(rng: np.random.Generator, world: World, s: State, events: Rows) -> None:
    """A household moves together; children are born to people between 22 and 44."""
    n = world.size
    home = np.where(s.household >= 0, s.household, np.arange(n))
    moves = rng.random(n)[home] < RATES["move"]
    other = (s.region[home] + 1 + (rng.random(n)[home] * 7).astype(np.int64)) % 8
    moved = world.alive & moves
    s.moved[:] = np.where(moved, 1.0, s.moved * 0.75)
    s.region[:] = np.where(moved, other, s.region)
    young = (world.age >= 22) & (world.age < 45) & ~world.people.business
    born = world.alive & young & (rng.random(n) < RATES["birth"])
    s.child[:] = np.where(born, 1.0, s.child * 0.75)
    s.children[born] += 1
    note(events, np.flatnonzero(moved), "move")
    note(events, np.flatnonzero(born), "birth")


def _marry(rng: np.random.Generator, world: World, s: State, events: Rows) -> None:
    """Two who live alone become one household, at one place; some share a current account."""
    n, clock = world.size, world.clock
    person = world.alive & ~world.people.business
    members = np.bincount(s.household[person], minlength=n)
    alone = person & (members[np.maximum(s.household, 0)] == 1) & (world.age >= 22) & (world.age < 70)
    drawn = rng.permutation(np.flatnonzero(alone & (rng.random(n) < RATES["marriage"])))
    pairs = drawn[: len(drawn) // 2 * 2].reshape(-1, 2)
    head, mate = pairs[:, 0], pairs[:, 1]
    s.household[mate], s.region[mate] = s.household[head], s.region[head]
    both = (s.opened[head, CURRENT] >= 0) & (s.opened[mate, CURRENT] >= 0) & ~s.shared[mate]
    shares = both & (rng.random(len(head)) < RATES["shares_account"])
    s.partner[mate[shares]], s.shared[mate[shares]] = head[shares], True
    moments = clock.start + ((1 + 8 * rng.random(len(head))) * DAY).astype(np.int64)
    s.shared_since[mate[shares]] = moments[shares]
    note(events, np.sort(drawn[: pairs.size]), "marriage")


def pass_away(world: World, s: State, events: Rows) -> None:
    """Who dies as the month ends: 0.25% a year at 46, 6% at 80, and so on (Gompertz).

    All income, spending and talk end with it; the bank closes everything for the heirs later.
    """
    u = stream(world.clock.seed, world.clock.month, "deaths").random(world.size)
    hazard = np.exp(-8.47 + 0.095 * (np.clip(world.age, 18, 105) - 46))
    dies = s.live & ~s.dead & ~world.people.business & world.state.live & (u < hazard)
    s.dead[dies] = True
    note(events, np.flatnonzero(dies), "death")
