"""One month of the world, and every row that the bank writes down in it."""

from dataclasses import dataclass

import numpy as np

from features.simulate.booking import Month, booking_rows
from features.simulate.bookings import book_month
from features.simulate.campaigns import Approach
from features.simulate.choices import Choices, choose
from features.simulate.contacts import RESPONSES, report_contacts
from features.simulate.contracts import (
    close_everything,
    close_some,
    first_deposit,
    open_holdings,
    settle,
    share_accounts,
)
from features.simulate.currencies import rates_at
from features.simulate.events import pass_away
from features.simulate.life import interactions, live_on
from features.simulate.money import Array
from features.simulate.randomness import DAY, stream
from features.simulate.rows import NOTHING, Rows
from features.simulate.world import CURRENT, State, World

__all__ = ["MonthRows", "step"]

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
    events: dict[str, Array]
    rates: Array
    choices: Choices


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
    events = Rows(event=np.int8(0))
    live_on(world, s, events)
    choices = choose(world, s, given, spared)
    talk = Rows(**_TALK, **_MORE_TALK)
    interactions(world, s, choices.until, choices.upset, talk, events)
    report_contacts(choices.approach, choices.response, choices.answered, clock.month, talk)
    versions = _versions(world, s, choices)
    rates = rates_at(clock.seed, clock.month)
    bookings, holdings = _money(world, s, rates, choices)
    joined = _join(world, s, bookings, holdings)
    booked = settle(world, s, bookings)
    pass_away(world, s, events)
    talked, happened = talk.columns(), events.columns()
    rows = MonthRows(booked, holdings.columns(), joined, versions, talked, happened, rates, choices)
    return world.next_month(s), rows


def _money(world: World, s: State, rates: Array, choices: Choices) -> tuple[Rows, Rows]:
    clock = world.clock
    money, hours = (stream(clock.seed, clock.month, purpose) for purpose in ("money", "hours"))
    bookings = booking_rows()
    holdings = Rows(number=0, slot=0, role=0, opened=0, closed=NOTHING, reason=NOTHING, known=0)
    active = (s.opened >= 0) & world.alive[:, None]
    month = Month(World(clock, world.people, s), money, hours, rates, choices.until, active)
    book_month(month, bookings)
    share_accounts(month, holdings)
    open_holdings(month, choices.bought, bookings, holdings)
    close_some(month, ~choices.leaving, choices.given_up, bookings, holdings)
    close_everything(month, choices.leaving, bookings, holdings)
    return bookings, holdings


def _versions(world: World, s: State, choices: Choices) -> Array:
    """Since when a customer's data are new, -1 where they are not; (n,)."""
    old, clock = world.state, world.clock
    out = choices.response == RESPONSES.index("opted_out")
    s.marketing[out] = False
    changed = np.zeros(world.size, bool)
    for name in ("region", "income", "marketing", "occupation", "household", "manager"):
        changed |= getattr(old, name) != getattr(s, name)
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
