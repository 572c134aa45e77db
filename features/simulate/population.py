"""The people of a new bank and what they hold as its history begins."""

from datetime import datetime

import numpy as np

from features.errors import InputError
from features.simulate.laws import scores, shipped, sigmoid
from features.simulate.money import Array
from features.simulate.randomness import DAY, boundary, month_number, stream
from features.simulate.world import (
    CARD,
    CURRENT,
    INSURANCE,
    INVESTMENT,
    LOAN,
    ORDER,
    PRODUCTS,
    SAVINGS,
    Clock,
    People,
    State,
    World,
)
from features.vocabulary import CHANNELS

__all__ = ["EDUCATIONS", "OCCUPATIONS", "REGIONS", "found"]

REGIONS = ("capital", "coast", "east", "hills", "lakes", "north", "south", "west")
OCCUPATIONS = (
    "employee",
    "manual_worker",
    "official",
    "professional",
    "self_employed",
    "student",
    "retired",
    "retail_trade",
    "services",
    "construction",
)
EDUCATIONS = ("basic", "secondary", "higher")

_YEAR = 365.25 * DAY
_JOINING = 0.007
"""New customers a month, as a part of those at the start."""
_HOLD = {SAVINGS: 0.1, CARD: 0.1, LOAN: -1.4, ORDER: -0.2, INVESTMENT: -1.5, INSURANCE: -0.8}


def found(*, customers: int, months: int, seed: int, end: datetime) -> World:
    """The world as its first month begins; everybody who ever joins is already in it.

    Raises
    ------
    InputError
        If a number is not positive, or `end` is not a UTC midnight.
    """
    if customers < 1 or months < 1 or seed < 0:
        raise InputError(
            f"customers {customers}, months {months}, seed {seed}: cure: at least 1, at least 1, at least 0"
        )
    clock = Clock(seed, month_number(end) - months, end.day, 0)
    rng = stream(seed, -1, "people")
    people, income = _people(rng, customers, months, clock)
    world = World(clock, people, _state(rng, people, income, clock.start))
    _open_first_holdings(stream(seed, -1, "holdings"), world)
    return world


def _people(rng: np.random.Generator, n: int, months: int, clock: Clock) -> tuple[People, Array]:
    start, finish = clock.start, boundary(clock.first + months, clock.day)
    business = rng.random(n) < 0.10
    age = np.clip(np.where(business, 1 + rng.gamma(2.0, 5.0, n), rng.normal(46, 17, n)), 1, 92)
    age = np.where(business, age, np.maximum(age, 17))
    later = rng.random(n) < 1 - 1 / (1 + _JOINING * months)
    tenure = np.minimum(rng.gamma(1.3, 6.0, n), np.where(business, age - 0.5, age - 15)) * _YEAR
    since = start - np.maximum(tenure, 35 * DAY)
    joined = np.where(later, start + rng.random(n) * (finish - start), since).astype(np.int64)
    digital = sigmoid(0.9 - (np.where(business, 40, age) - 45) / 14 + rng.normal(0, 1.1, n))
    income = _income(rng, business, age)
    household, partner = _households(rng, business, joined < start)
    served = business | (income > np.quantile(income, 0.92))
    manager = np.where(served, rng.integers(0, max(1, n // 800), n), -1)
    return (
        People(
            business=business,
            birth=((start - age * _YEAR) // DAY * DAY).astype(np.int64),
            gender=np.where(business, -1, rng.choice(3, n, p=[0.495, 0.495, 0.01])),
            occupation=_occupation(rng, business, age),
            education=np.where(business | (rng.random(n) < 0.05), -1, rng.choice(3, n, p=[0.2, 0.5, 0.3])),
            joined=joined,
            household=household,
            manager=manager,
            preferred=_preferred(rng, digital),
            partner=partner,
            digital=digital,
            cash=np.clip(rng.gamma(4.0, 0.25, n) * (1.3 - 0.6 * digital), 0.05, 3.0),
            thrift=rng.lognormal(0.62, 0.6, n),
            primary=rng.random(n) < 0.78,
            dollars=rng.random(n) < 0.15,
            taste=rng.normal(0, 0.45, (n, len(PRODUCTS))),
        ),
        income,
    )


def _income(rng: np.random.Generator, business: Array, age: Array) -> Array:
    euros = rng.lognormal(np.log(2300), 0.45, len(age))
    euros *= np.where(age < 23, 0.4, np.where(age >= 65, 0.62, 0.75 + np.minimum(age, 50) / 100))
    euros = np.where(business, rng.lognormal(np.log(6500), 0.8, len(age)), euros)
    return np.rint(euros).astype(np.int64) * 100


def _occupation(rng: np.random.Generator, business: Array, age: Array) -> Array:
    worker = rng.choice(5, len(age), p=[0.42, 0.22, 0.12, 0.14, 0.10])
    person = np.where(age >= 65, 6, np.where(age < 22, 5, worker))
    return np.where(business, 7 + rng.integers(0, 3, len(age)), person)


def _preferred(rng: np.random.Generator, digital: Array) -> Array:
    modern = rng.choice(
        [CHANNELS.index(c) for c in ("app", "web", "email")], len(digital), p=[0.5, 0.2, 0.3]
    )
    classic = rng.choice([CHANNELS.index(c) for c in ("branch", "call", "mail")], len(digital))
    chosen = np.where(rng.random(len(digital)) < digital, modern, classic)
    return np.where(rng.random(len(digital)) < 0.15, -1, chosen)


def _households(rng: np.random.Generator, business: Array, already: Array) -> tuple[Array, Array]:
    n = len(business)
    household = np.where(business, -1, np.arange(n))
    partner = np.full(n, -1)
    persons = rng.permutation(np.flatnonzero(~business))
    pairs = persons[: len(persons) * 6 // 10 // 2 * 2].reshape(-1, 2)
    household[pairs[:, 1]] = pairs[:, 0]
    shared = (rng.random(len(pairs)) < 0.3) & already[pairs].all(axis=1)
    partner[pairs[shared, 1]] = pairs[shared, 0]
    return household, partner


def _state(rng: np.random.Generator, p: People, income: Array, start: int) -> State:
    n = len(income)
    none, shape = np.full(n, -1, np.int64), (n, len(PRODUCTS))
    balance = np.zeros(shape, np.int64)
    live = p.joined < start
    aim = income * p.thrift * rng.lognormal(-0.2, 0.4, n)
    balance[:, CURRENT] = np.where(live, np.rint(np.minimum(aim, 1.2 * income) * rng.random(n)), 0)
    opened = np.full(shape, -1, np.int64)
    opened[:, CURRENT] = np.where(live, p.joined, -1)
    drift = np.where(rng.random(n) < 0.045, rng.random(n) * 0.7, 0.0)
    return State(
        live=live,
        income=income,
        jobless=rng.random(n) < 0.02,
        region=rng.choice(8, n, p=[0.25, 0.1, 0.12, 0.08, 0.1, 0.13, 0.12, 0.1]),
        marketing=rng.random(n) < 0.80,
        profiling=rng.random(n) < 0.90,
        opened=opened,
        count=(opened >= 0).astype(np.int64),
        balance=balance,
        payment=np.zeros(n, np.int64),
        shared=p.partner >= 0,
        drift=drift,
        drifting=drift > 0,
        flight=rng.random(n) < 0.02,
        keep=np.ones(n),
        mood=np.clip(rng.normal(7.3, 1.3, n), 0, 10),
        windfall=np.zeros(n),
        moved=np.zeros(n),
        warm=np.zeros(shape),
        pressed=np.zeros(n),
        complaint=none.copy(),
        complaint_number=none.copy(),
        complaint_channel=none.copy(),
    )


def _open_first_holdings(rng: np.random.Generator, world: World) -> None:
    s, n, start = world.state, world.size, world.clock.start
    liking, catalogue = scores(world), shipped()
    for slot, ease in _HOLD.items():
        product = catalogue.products[PRODUCTS[slot]]
        of_age = world.people.business | ((world.age >= product.min_age) & (world.age <= product.max_age))
        chance = sigmoid(ease + 0.8 * liking[:, slot])
        has = s.live & of_age & (rng.random(n) < chance)
        since = rng.random(n) * np.minimum(start - world.people.joined, (4 if slot == LOAN else 40) * _YEAR)
        s.opened[has, slot] = (start - np.maximum(since, 2 * DAY)[has]).astype(np.int64)
        s.count[has, slot] = 1
    for slot, months in ((SAVINGS, 3.0), (INVESTMENT, 4.0)):
        saved = s.income * world.people.thrift * months * rng.random(n)
        s.balance[:, slot] = np.where(s.opened[:, slot] >= 0, np.rint(saved), 0)
    lent = np.rint(s.income * rng.uniform(2, 9, n)).astype(np.int64)
    s.payment[:] = np.where(s.opened[:, LOAN] >= 0, lent // 48 + 1, 0)
    s.balance[:, LOAN] = np.where(s.opened[:, LOAN] >= 0, -lent, 0)
