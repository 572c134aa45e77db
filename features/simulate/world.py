"""The simulated bank's whole state, and its one file on disk."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from features.errors import CorruptError, NotReadyError
from features.home import write_whole
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
    "PRODUCTS",
    "SAVINGS",
    "Clock",
    "People",
    "State",
    "World",
    "load_world",
    "save_world",
]

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
    occupation: Array
    education: Array
    joined: Array
    household: Array
    manager: Array
    preferred: Array
    partner: Array
    """Whose current account this customer co-owns."""
    digital: Array
    """Liking for app and web, 0 to 1; sessions show it."""
    cash: Array
    thrift: Array
    """Aimed balance in months of income."""
    primary: Array
    """Whether the salary comes here at all."""
    dollars: Array
    """Whether an investment is held in USD."""
    taste: Array
    """What no column shows about each product, (n, products)."""


@dataclass(frozen=True)
class State:
    """What changes; arrays of shape (n,) or (n, products). A step works on its own copy."""

    live: Array
    income: Array
    jobless: Array
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
    shared: Array
    """Whether the co-owned account is still shared."""
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
    complaint: Array
    """When the open complaint began; -1 where there is none."""
    complaint_number: Array
    complaint_channel: Array

    def copy(self) -> "State":
        """The same state in arrays of its own."""
        return State(**{f.name: getattr(self, f.name).copy() for f in fields(self)})


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
        return (self.clock.start - self.people.birth) / (365.25 * 86_400_000_000)

    def next_month(self, state: State) -> "World":
        """The same people one month later."""
        return World(replace(self.clock, month=self.clock.month + 1), self.people, state)


def save_world(path: Path, world: World) -> None:
    """Write the state whole, as plain arrays."""
    arrays: dict[str, Any] = {"clock": np.array([getattr(world.clock, f.name) for f in fields(Clock)])}
    for part in (world.people, world.state):
        arrays.update({f.name: getattr(part, f.name) for f in fields(part)})
    with write_whole(path) as target, target.open("wb") as handle:
        np.savez_compressed(handle, **arrays)


def load_world(path: Path) -> World:
    """Read a state that `save_world` wrote.

    Raises
    ------
    NotReadyError
        If there is none.
    CorruptError
        If the file is damaged or misses an array.
    """
    if not path.is_file():
        raise NotReadyError(f"{path}: no simulated bank here; cure: run `tenure simulate` first")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: Mapping[str, Array] = {name: stored[name] for name in stored.files}
        clock = Clock(*(int(v) for v in arrays["clock"]))
        people = People(**{f.name: arrays[f.name] for f in fields(People)})
        return World(clock, people, State(**{f.name: arrays[f.name] for f in fields(State)}))
    except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise CorruptError(f"{path}: damaged; cure: run `tenure simulate` again") from error
