"""One month of the world, and every row that the bank writes down in it."""

from dataclasses import dataclass

import numpy as np

from features.simulate.bookings import Month, book_month
from features.simulate.choices import Choices, choose
from features.simulate.contacts import RESPONSES, Approach, report_contacts
from features.simulate.contracts import close_everything, close_some, first_deposit, open_holdings, settle
from features.simulate.life import interactions, live_on
from features.simulate.money import Array
from features.simulate.randomness import DAY, stream
from features.simulate.rows import NOTHING, Rows
from features.simulate.world import CURRENT, State, World

__all__ = ["MonthRows", "step", "usd_rate"]

_TALK = {"number": NOTHING, "at": 0, "channel": 0, "out": False, "kind": 0, "product": NOTHING}
_MORE_TALK = {"response": NOTHING, "rating": np.nan, "resolved": NOTHING, "cost": NOTHING, "known": 0}


@dataclass(frozen=True)
class MonthRows:
    """What one month leaves behind: columns of codes, and what was decided.

    joined
        Indices of those who joined.
    versions
        Since when each customer's data are new, -1 where they are not; (n,).
    """

    bookings: dict[str, Array]
    holdings: dict[str, Array]
    joined: Array
    versions: Array
    interactions: dict[str, Array]
    rate: float
    choices: Choices


def usd_rate(seed: int, month: int) -> float:
    """Value of one USD in the reporting currency from the begin of a month on: a random walk."""
    steps = stream(seed, NOTHING, "rates").normal(0, 0.015, month + 1)
    return round(float(0.92 * np.exp(steps.sum())), 6)


def step(world: World, given: Approach | None, spared: Array) -> tuple[World, MonthRows]:
    """Live one month; the world handed in stays as it was.

    Parameters
    ----------
    given
        Contacts that were decided outside the world, if any.
    spared
        Customers that the bank's own random campaigns leave out this month, bool (n,).

    Returns
    -------
    The world as the next month begins, and the month's rows.
    """
    clock, s = world.clock, world.state.copy()
    live_on(world, s)
    choices = choose(world, s, given, spared)
    talk = Rows(**_TALK, **_MORE_TALK)
    interactions(world, s, choices.until, talk)
    report_contacts(choices.approach, choices.response, choices.answered, clock.month, talk)
    versions = _versions(world, s, choices)
    rate = usd_rate(clock.seed, clock.month)
    bookings, holdings = _money(world, s, rate, choices)
    joined = _join(world, s, bookings, holdings)
    booked = settle(s, bookings)
    rows = MonthRows(booked, holdings.columns(), joined, versions, talk.columns(), rate, choices)
    return world.next_month(s), rows


def _money(world: World, s: State, rate: float, choices: Choices) -> tuple[Rows, Rows]:
    clock = world.clock
    rng = stream(clock.seed, clock.month, "money")
    bookings = Rows(slot=0, at=0, amount=0, category=0, channel=0)
    holdings = Rows(number=0, slot=0, role=0, opened=0, closed=NOTHING, reason=NOTHING, known=0)
    active = (s.opened >= 0) & s.live[:, None]
    month = Month(World(clock, world.people, s), rng, rate, choices.until, active)
    book_month(month, bookings)
    open_holdings(month, choices.bought, bookings, holdings)
    close_some(month, ~choices.leaving, choices.given_up, bookings, holdings)
    close_everything(month, choices.leaving, bookings, holdings)
    return bookings, holdings


def _versions(world: World, s: State, choices: Choices) -> Array:
    """Since when a customer's data are new, -1 where they are not; (n,)."""
    old, clock = world.state, world.clock
    out = choices.response == RESPONSES.index("opted_out")
    s.marketing[out] = False
    changed = (old.region != s.region) | (old.income != s.income) | (old.marketing != s.marketing)
    u = stream(clock.seed, clock.month, "versions").random(world.size)
    at = clock.start + (u * 15 * DAY).astype(np.int64)
    return np.where(changed & old.live, np.where(out, choices.answered, at), NOTHING)


def _join(world: World, s: State, bookings: Rows, holdings: Rows) -> Array:
    clock, joined = world.clock, world.people.joined
    who = np.flatnonzero((joined >= clock.start) & (joined < clock.end))
    s.live[who] = True
    at = joined[who]
    s.opened[who, CURRENT] = at
    s.count[who, CURRENT] += 1
    first_deposit(world, s, who, bookings, holdings)
    return who
