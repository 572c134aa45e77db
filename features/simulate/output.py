"""The world's rows as the contract's tables."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from features.simulate.contacts import RESPONSES
from features.simulate.contracts import holding_number
from features.simulate.currencies import CURRENCIES, exchanged
from features.simulate.life import KINDS
from features.simulate.money import Array
from features.simulate.population import EDUCATIONS, OCCUPATIONS, REGIONS
from features.simulate.randomness import DAY, stream
from features.simulate.rows import NOTHING, Rows, as_table, ids_of_month, numbered, stamps, words
from features.simulate.step import MonthRows
from features.simulate.world import CURRENT, INVESTMENT, PRODUCTS, State, World
from features.vocabulary import CATEGORIES, CHANNELS

__all__ = ["customer_ids", "first_tables", "month_tables", "transaction_tables"]

_ROLES = ("owner", "co_owner")
_REASONS = ("customer", "bank", "matured")
_STEADY = np.array([c in ("pension", "household", "insurance", "standing_order") for c in CATEGORIES])
_CASUAL = np.array([c in ("card", "cash_out") for c in CATEGORIES])
_TAX_OFFICE = 9_999
_PIECE = 250_000
"""Bookings that become text at once."""


def customer_ids(who: Array, customers: int) -> pa.Array:
    """C000000 and so on; as wide for everybody as the last of so many `customers` needs."""
    return numbered("C", who, max(6, len(str(customers - 1))))


def _holding_ids(numbers: Array, customers: int) -> pa.Array:
    return numbered("H", numbers, max(9, len(str(holding_number(np.array([customers]), 0, 0)[0] - 1))))


def first_tables(world: World) -> dict[str, pa.Table]:
    """What the bank knew as its history begins: customers, holdings and a rate long before."""
    s, p, n = world.state, world.people, world.size
    who = np.flatnonzero(s.live)
    holdings = Rows(number=0, slot=0, role=0, opened=0, closed=NOTHING, reason=NOTHING, known=0)
    for slot in range(len(PRODUCTS)):
        has = np.flatnonzero(s.opened[:, slot] >= 0)
        since = s.opened[has, slot]
        holdings.add(has, number=holding_number(has, slot, 1), slot=slot, opened=since, known=since)
    sharer = np.flatnonzero(s.shared)
    head, since = s.partner[sharer], s.shared_since[sharer]
    holdings.add(
        sharer, number=holding_number(head, CURRENT, 1), slot=CURRENT, role=1, opened=since, known=since
    )
    return {
        "customers": _customers(world, s, who, p.joined[who]),
        "holdings": _holdings(n, holdings.columns()),
    }


def month_tables(before: World, after: State, rows: MonthRows) -> dict[str, pa.Table]:
    """One month's rows of every small table; `before` is the world as the month began."""
    who = np.flatnonzero(rows.versions >= 0)
    versions = _customers(before, after, who, rows.versions[who])
    joined = _customers(before, after, rows.joined, before.people.joined[rows.joined])
    return {
        "customers": pa.concat_tables([joined, versions]),
        "holdings": _holdings(before.size, rows.holdings),
        "interactions": _interactions(before, rows.interactions),
        "rates": _rates(before.clock.start, rows.rates),
    }


def _customers(world: World, s: State, who: Array, since: Array) -> pa.Table:
    p = world.people
    return as_table(
        "customers",
        {
            "customer_id": customer_ids(who, world.size),
            "kind": words(p.business[who].astype(np.int64), ("person", "business")),
            "birth_date": p.birth[who],
            "gender": words(p.gender[who], ("female", "male", "other")),
            "occupation": words(s.occupation[who], OCCUPATIONS),
            "education": words(p.education[who], EDUCATIONS),
            "region": words(s.region[who], REGIONS),
            "income": s.income[who],
            "joined_at": p.joined[who],
            "household_id": numbered("F", s.household[who], max(6, len(str(world.size - 1)))),
            "manager_id": numbered("M", s.manager[who], max(3, len(str(world.size // 100)))),
            "preferred_channel": words(p.preferred[who], CHANNELS),
            "consent_marketing": s.marketing[who],
            "consent_profiling": s.profiling[who],
            "valid_from": since,
            "known_at": since,
        },
    )


def _holdings(n: int, rows: dict[str, Array]) -> pa.Table:
    return as_table(
        "holdings",
        {
            "holding_id": _holding_ids(rows["number"], n),
            "customer_id": customer_ids(rows["who"], n),
            "product": words(rows["slot"], PRODUCTS),
            "role": words(rows["role"], _ROLES),
            "opened_at": rows["opened"],
            "closed_at": rows["closed"],
            "close_reason": words(rows["reason"], _REASONS),
            "known_at": rows["known"],
        },
    )


def transaction_tables(before: World, after: State, rows: MonthRows) -> Iterator[pa.Table]:
    """One month's bookings in order, in tables of at most `_PIECE` rows."""
    clock, columns = before.clock, rows.bookings
    rng = stream(clock.seed, clock.month, "booking")
    for begin in range(0, len(columns["who"]), _PIECE):
        piece = {name: column[begin : begin + _PIECE] for name, column in columns.items()}
        yield _transactions(rng, before, after, rows.rates, piece, begin)


def _transactions(
    rng: np.random.Generator, world: World, s: State, rates: Array, rows: dict[str, Array], begin: int
) -> pa.Table:
    clock, size = world.clock, len(rows["who"])
    late = _CASUAL[rows["category"]] & (rng.random(size) < 0.03)
    known = rows["at"] + np.where(late, rng.integers(DAY // 2, 3 * DAY, size), 0)
    known = np.where(known < clock.end, known, rows["at"])
    own = np.where(rows["slot"] == INVESTMENT, world.people.currency[rows["who"]], 0)
    currency = np.where(rows["currency"] >= 0, rows["currency"], own)
    abroad = np.where(rows["currency"] >= 0, rows["currency"], 0)
    who, slot = rows["who"].astype(np.int64), rows["slot"]
    holding = holding_number(who, slot, s.count[who, slot])
    number = ids_of_month(world.size, clock.month) * 10 + begin + np.arange(size)
    return as_table(
        "transactions",
        {
            "transaction_id": numbered("T", number, 12),
            "customer_id": customer_ids(rows["who"], world.size),
            "holding_id": _holding_ids(holding, world.size),
            "at": rows["at"],
            "amount": exchanged(rows["amount"], abroad, rates),
            "currency": words(currency, CURRENCIES),
            "category": words(rows["category"], CATEGORIES),
            "channel": words(rows["channel"], CHANNELS),
            "counterparty": numbered("P", _party(s, rows), 4),
            "balance_after": exchanged(rows["balance"], abroad, rates),
            "known_at": known,
        },
    )


def _party(s: State, rows: dict[str, Array]) -> Array:
    """The other side: an employer, the tax office, or whom a regular payment goes to; -1 if nobody."""
    who, category = rows["who"].astype(np.int64), rows["category"]
    party = np.where(_STEADY[category], (who * 31 + category.astype(np.int64) * 977) % 5_000, NOTHING)
    party = np.where(category == CATEGORIES.index("salary"), 5_000 + s.employer[who], party)
    return np.where(category == CATEGORIES.index("other"), _TAX_OFFICE, party)


def _interactions(world: World, rows: dict[str, Array]) -> pa.Table:
    order = np.lexsort((rows["known"], rows["who"]))
    rows = {name: column[order] for name, column in rows.items()}
    plain = ids_of_month(world.size, world.clock.month) + np.arange(len(order))
    number = np.where(rows["number"] >= 0, rows["number"], plain)
    return as_table(
        "interactions",
        {
            "interaction_id": numbered("N", number, 11),
            "customer_id": customer_ids(rows["who"], world.size),
            "at": rows["at"],
            "channel": words(rows["channel"], CHANNELS),
            "direction": words(rows["out"].astype(np.int8), ("in", "out")),
            "kind": words(rows["kind"], KINDS),
            "product": words(rows["product"], PRODUCTS),
            "response": words(rows["response"], RESPONSES),
            "rating": rows["rating"].astype(np.float64),
            "resolved_at": stamps(rows["resolved"]),
            "cost": pa.array(rows["cost"], mask=rows["cost"] < 0),
            "known_at": rows["known"],
        },
    )


def _rates(start: int, rates: Array) -> pa.Table:
    """Every foreign currency's rate from the month's begin on."""
    day = datetime.fromtimestamp(start / 1e6, UTC).date()
    columns = {
        "currency": pa.array(CURRENCIES[1:]),
        "date": pa.array([day] * len(rates[1:])),
        "rate": pa.array(rates[1:]),
        "known_at": np.full(len(rates[1:]), start),
    }
    return as_table("rates", columns)
