"""The simulated bank's whole state: what never changes, what changes, and where its clock stands."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from features.simulate.money import Array
from features.simulate.randomness import boundary

__all__ = [
    "CARD",
    "CURRENT",
    "INSURANCE",
    "INVESTMENT",
    "LOAN",
    "OFFERED",
    "ORDER",
    "PEOPLE_TYPES",
    "PRODUCTS",
    "SAVINGS",
    "STATE_TYPES",
    "YEAR",
    "Clock",
    "People",
    "State",
    "World",
    "compact",
]

Part = TypeVar("Part", "People", "State")
Types = Mapping[str, np.dtype[Any]]

YEAR = 365.25 * 86_400_000_000
"""Microseconds of a year."""

PRODUCTS = (
    "current_account",
    "savings_account",
    "card",
    "loan",
    "standing_order",
    "investment",
    "insurance",
)
CURRENT, SAVINGS, CARD, LOAN, ORDER, INVESTMENT, INSURANCE = range(len(PRODUCTS))
OFFERED = (SAVINGS, CARD, LOAN, ORDER, INVESTMENT, INSURANCE)


@dataclass(frozen=True)
class Clock:
    """Where the world stands: month `month` begins next; `first` counts months since year 0."""

    seed: int
    first: int
    day: int
    month: int
    drift: int = 0
    drift_month: int = 0
    """Which laws change (a code of features.simulate.drift), and from which month on."""

    @property
    def start(self) -> int:
        """Begin of the month to come, microseconds since 1970."""
        return boundary(self.first + self.month, self.day)

    @property
    def end(self) -> int:
        """End of the month to come."""
        return boundary(self.first + self.month + 1, self.day)

    @property
    def season(self) -> int:
        """Calendar month of the month to come, 0 = January."""
        return (self.first + self.month) % 12


@dataclass(frozen=True)
class People:
    """What never changes; arrays of shape (n,), codes are -1 where nothing is known."""

    business: Array
    birth: Array
    """Microseconds since 1970; of a business, its founding."""
    gender: Array
    education: Array
    joined: Array
    preferred: Array
    liking: Array
    """Liking for app and web, 0 to 1, unless the drift switch moves it."""
    hour: Array
    """Favourite hour of the day, 6 to 22."""
    weekend: Array
    """How readily something falls on a weekend, 0 to 1."""
    cash: Array
    thrift: Array
    """Aimed balance in months of income."""
    primary: Array
    """Whether the salary comes here at all."""
    currency: Array
    """Code of the currency in which an investment is held (see features.simulate.currencies)."""
    abroad: Array
    """Share of card bookings made abroad, and below in which currency."""
    abroad_currency: Array
    taste: Array
    """What no column shows about each product, (n, products)."""


@dataclass(frozen=True)
class State:
    """What changes; arrays of shape (n,) or (n, products). A step works on its own copy."""

    live: Array
    income: Array
    jobless: Array
    occupation: Array
    employer: Array
    """Who pays the salary; it sets pay day, month of the yearly rise, and a 13th salary."""
    household: Array
    """Index of the household's first member; -1 for a business."""
    manager: Array
    region: Array
    marketing: Array
    profiling: Array
    opened: Array
    """When the open holding of each product began; -1 where there is none."""
    count: Array
    """Holdings so far of each product."""
    balance: Array
    """Cents in the holding's currency; a loan's is negative."""
    payment: Array
    """Principal of a loan paid a month, cents."""
    partner: Array
    """Whose current account this customer co-owns."""
    shared: Array
    """Whether the co-owned account is still shared."""
    shared_since: Array
    dead: Array
    children: Array
    child: Array
    """1 in the month of a birth, fading."""
    drift: Array
    """Inner parting from the bank, 0 to 1."""
    drifting: Array
    flight: Array
    """Whether balances are being moved to another bank."""
    keep: Array
    """Part of the aimed balance that is still kept here."""
    mood: Array
    """Satisfaction, 0 to 10."""
    windfall: Array
    moved: Array
    warm: Array
    """What is left of the last contact's effect for each product, 0 to 1."""
    pressed: Array
    """Contacts lately, fading."""
    waiver: Array
    """Months for which the account fee is still waived."""
    hurt: Array
    """What complaints do: 1 as one begins, more while it stays open, fading once it is settled."""
    complaint: Array
    """When the open complaint began; -1 where there is none."""
    complaint_number: Array
    complaint_channel: Array

    def copy(self) -> "State":
        """The same state in arrays of its own."""
        return State(**{f.name: getattr(self, f.name).copy() for f in fields(self)})


_CODE, _INDEX = np.dtype(np.int8), np.dtype(np.int32)
PEOPLE_TYPES: Types = dict.fromkeys(
    ("gender", "education", "preferred", "hour", "currency", "abroad_currency"), _CODE
) | {"taste": np.dtype(np.float32)}
STATE_TYPES: Types = (
    dict.fromkeys(("region", "occupation", "children", "waiver", "complaint_channel"), _CODE)
    | dict.fromkeys(("employer", "household", "manager", "partner"), _INDEX)
    | {"count": np.dtype(np.int16), "warm": np.dtype(np.float32)}
)
"""What is kept narrow, so that a million customers fit into little memory."""


def compact(part: Part, types: Types) -> Part:
    """The same people or state, with narrow columns."""
    return replace(part, **{name: getattr(part, name).astype(kind) for name, kind in types.items()})


@dataclass(frozen=True)
class World:
    """Everybody, as the month to come begins."""

    clock: Clock
    people: People
    state: State

    @property
    def size(self) -> int:
        """Number of customers that ever join."""
        return len(self.people.business)

    @property
    def held(self) -> Array:
        """Which products are held, bool (n, products)."""
        return self.state.opened >= 0

    @property
    def age(self) -> Array:
        """Age in years as the month begins."""
        return (self.clock.start - self.people.birth) / YEAR

    @property
    def tenure(self) -> Array:
        """Years since joining as the month begins."""
        return (self.clock.start - self.people.joined) / YEAR

    @property
    def alive(self) -> Array:
        """Customers that still are and live, bool (n,)."""
        return self.state.live & ~self.state.dead

    def part(self, begin: int, end: int) -> "World":
        """Some of the people, at the same moment; indices of households and partners are not moved."""
        people = {f.name: getattr(self.people, f.name)[begin:end] for f in fields(People)}
        state = {f.name: getattr(self.state, f.name)[begin:end] for f in fields(State)}
        return World(self.clock, People(**people), State(**state))

    def next_month(self, state: State) -> "World":
        """The same people one month later."""
        return World(replace(self.clock, month=self.clock.month + 1), self.people, state)
