"""The people of a new bank and what they hold as its history begins."""

from datetime import datetime

import numpy as np

from features.errors import InputError
from features.simulate.drift import check_drift
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
    PEOPLE_TYPES,
    PRODUCTS,
    SAVINGS,
    STATE_TYPES,
    YEAR,
    Clock,
    People,
    State,
    World,
    compact,
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

_JOINING = 0.007
"""New customers a month, as a part of those at the start."""
_HOLD = {SAVINGS: 0.1, CARD: 0.1, LOAN: -1.4, ORDER: -0.2, INVESTMENT: -1.5, INSURANCE: -0.8}


def found(
    *,
    customers: int,
    months: int,
    seed: int,
    end: datetime,
    drift: str = "none",
    drift_month: int | None = None,
) -> World:
    """The world as its first month begins; everybody who ever joins is already in it.

    Raises
    ------
    InputError
        If a number is not positive, `end` is not a UTC midnight, or the drift is unknown.
    """
    if customers < 1 or months < 1 or seed < 0:
        raise InputError(
            f"customers {customers}, months {months}, seed {seed}: cure: at least 1, at least 1, at least 0"
        )
    first = month_number(end) - months
    clock = Clock(seed, first, end.day, 0, *check_drift(drift, drift_month, months))
    rng = stream(seed, -1, "people")
    people, income = _people(rng, customers, months, clock)
    state = _state(rng, people, income, clock.start)
    world = World(clock, compact(people, PEOPLE_TYPES), compact(state, STATE_TYPES))
    _open_first_holdings(stream(seed, -1, "holdings"), world)
    return world


def _people(rng: np.random.Generator, n: int, months: int, clock: Clock) -> tuple[People, Array]:
    start, finish = clock.start, boundary(clock.first + months, clock.day)
    business = rng.random(n) < 0.10
    age = np.clip(np.where(business, 1 + rng.gamma(2.0, 5.0, n), rng.normal(46, 17, n)), 1, 92)
    age = np.where(business, age, np.maximum(age, 17))
    later = rng.random(n) < 1 - 1 / (1 + _JOINING * months)
    tenure = np.minimum(rng.gamma(1.3, 6.0, n), np.where(business, age - 0.5, age - 15)) * YEAR
    since = start - np.maximum(tenure, 35 * DAY)
    joined = np.where(later, start + rng.random(n) * (finish - start), since).astype(np.int64)
    digital = sigmoid(0.9 - (np.where(business, 40, age) - 45) / 14 + rng.normal(0, 1.1, n))
    income = _income(rng, business, age)
    abroad = np.where(rng.random(n) < 0.12, rng.uniform(0.15, 0.5, n), 0.01)
    return (
        People(
            business=business,
            birth=((start - age * YEAR) // DAY * DAY).astype(np.int64),
            gender=np.where(business, -1, rng.choice(3, n, p=[0.495, 0.495, 0.01])),
            education=np.where(business | (rng.random(n) < 0.05), -1, rng.choice(3, n, p=[0.2, 0.5, 0.3])),
            joined=joined,
            preferred=_preferred(rng, digital),
            liking=digital,
            hour=np.where(business, rng.integers(9, 17, n), _favourite_hour(rng, digital)),
            weekend=np.where(business, 0.1, rng.beta(2.0, 2.0, n)),
            cash=np.clip(rng.gamma(4.0, 0.25, n) * (1.3 - 0.6 * digital), 0.05, 3.0),
            thrift=rng.lognormal(0.62, 0.6, n),
            primary=rng.random(n) < 0.78,
            currency=rng.choice(3, n, p=[0.85, 0.10, 0.05]),
            abroad=abroad,
            abroad_currency=rng.choice([1, 2], n, p=[0.6, 0.4]),
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


def _favourite_hour(rng: np.random.Generator, digital: Array) -> Array:
    """Morning, midday or evening; those who like app and web are later."""
    band = (rng.random(len(digital)) + 0.5 * (digital - 0.5) > 0.33).astype(np.int64)
    band += rng.random(len(digital)) < 0.6 * digital
    return np.asarray(np.array([9, 13, 19])[band] + rng.integers(-2, 4, len(digital)))


def _households(
    rng: np.random.Generator, business: Array, age: Array, already: Array
) -> tuple[Array, Array]:
    """First member of each household, and whose account is co-owned.

    60% of persons live in pairs, most of the other young ones with such a pair.
    """
    n = len(business)
    household = np.where(business, -1, np.arange(n))
    partner = np.full(n, -1)
    persons = rng.permutation(np.flatnonzero(~business))
    pairs = persons[: len(persons) * 6 // 10 // 2 * 2].reshape(-1, 2)
    household[pairs[:, 1]] = pairs[:, 0]
    shared = (rng.random(len(pairs)) < 0.3) & already[pairs].all(axis=1)
    partner[pairs[shared, 1]] = pairs[shared, 0]
    rest = persons[pairs.size :]
    at_home = rest[(age[rest] < 26) & (rng.random(len(rest)) < 0.7)]
    if len(pairs):
        household[at_home] = pairs[rng.integers(0, len(pairs), len(at_home)), 0]
    return household, partner


def _state(rng: np.random.Generator, p: People, income: Array, start: int) -> State:
    n = len(income)
    shape = (n, len(PRODUCTS))
    balance = np.zeros(shape, np.int64)
    live = p.joined < start
    age = (start - p.birth) / YEAR
    household, partner = _households(rng, p.business, age, live)
    region = rng.choice(8, n, p=[0.25, 0.1, 0.12, 0.08, 0.1, 0.13, 0.12, 0.1])
    served = p.business | (income > np.quantile(income, 0.92))
    aim = income * p.thrift * rng.lognormal(-0.2, 0.4, n)
    balance[:, CURRENT] = np.where(live, np.rint(np.minimum(aim, 1.2 * income) * rng.random(n)), 0)
    opened = np.full(shape, -1, np.int64)
    opened[:, CURRENT] = np.where(live, p.joined, -1)
    drift = np.where(rng.random(n) < 0.045, rng.random(n) * 0.7, 0.0)
    return State(
        live=live,
        income=income,
        jobless=(rng.random(n) < 0.02) & ~p.business & (age < 65),
        occupation=_occupation(rng, p.business, age),
        employer=rng.integers(0, np.clip(n // 40, 12, 4_000), n),
        household=household,
        manager=np.where(served, rng.integers(0, max(1, n // 800), n), -1),
        region=np.where(household >= 0, region[household], region),
        marketing=rng.random(n) < 0.80,
        profiling=rng.random(n) < 0.90,
        opened=opened,
        count=(opened >= 0).astype(np.int64),
        balance=balance,
        partner=partner,
        shared=partner >= 0,
        shared_since=np.where(partner >= 0, np.maximum(p.joined, p.joined[partner]), -1),
        drift=drift,
        drifting=drift > 0,
        flight=rng.random(n) < 0.02,
        mood=np.clip(rng.normal(7.3, 1.3, n), 0, 10),
        **_fresh(n),
    )


def _fresh(n: int) -> dict[str, Array]:
    """What has not happened to anybody yet as history begins."""
    none = np.full(n, -1, np.int64)
    return {
        "payment": np.zeros(n, np.int64),
        "dead": np.zeros(n, bool),
        "children": np.zeros(n, np.int64),
        "child": np.zeros(n),
        "keep": np.ones(n),
        "windfall": np.zeros(n),
        "moved": np.zeros(n),
        "warm": np.zeros((n, len(PRODUCTS))),
        "pressed": np.zeros(n),
        "waiver": np.zeros(n, np.int64),
        "hurt": np.zeros(n),
        "complaint": none.copy(),
        "complaint_number": none.copy(),
        "complaint_channel": none.copy(),
    }


def _open_first_holdings(rng: np.random.Generator, world: World) -> None:
    s, n, start = world.state, world.size, world.clock.start
    liking, catalogue = scores(world), shipped()
    for slot, ease in _HOLD.items():
        product = catalogue.products[PRODUCTS[slot]]
        of_age = world.people.business | ((world.age >= product.min_age) & (world.age <= product.max_age))
        chance = sigmoid(ease + 0.8 * liking[:, slot])
        has = s.live & of_age & (rng.random(n) < chance)
        since = rng.random(n) * np.minimum(start - world.people.joined, (4 if slot == LOAN else 40) * YEAR)
        s.opened[has, slot] = (start - np.maximum(since, 2 * DAY)[has]).astype(np.int64)
        s.count[has, slot] = 1
    for slot, months in ((SAVINGS, 3.0), (INVESTMENT, 4.0)):
        saved = s.income * world.people.thrift * months * rng.random(n)
        s.balance[:, slot] = np.where(s.opened[:, slot] >= 0, np.rint(saved), 0)
    lent = np.rint(s.income * rng.uniform(2, 9, n)).astype(np.int64)
    s.payment[:] = np.where(s.opened[:, LOAN] >= 0, lent // 48 + 1, 0)
    s.balance[:, LOAN] = np.where(s.opened[:, LOAN] >= 0, -lent, 0)
