"""The world's rows as the contract's tables."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from features.simulate.contacts import RESPONSES
from features.simulate.contracts import holding_number
from features.simulate.life import KINDS
from features.simulate.money import Array
from features.simulate.population import EDUCATIONS, OCCUPATIONS, REGIONS
from features.simulate.randomness import DAY, stream
from features.simulate.rows import NOTHING, Rows, as_table, numbered, stamps, words
from features.simulate.step import MonthRows
from features.simulate.world import CURRENT, INVESTMENT, PRODUCTS, State, World
from features.vocabulary import CATEGORIES, CHANNELS

__all__ = ["customer_ids", "first_tables", "month_tables"]

_ROLES = ("owner", "co_owner")
_REASONS = ("customer", "bank", "matured")
_STEADY = [CATEGORIES.index(c) for c in ("salary", "pension", "household", "insurance", "standing_order")]
_CASUAL = [CATEGORIES.index(c) for c in ("card", "cash_out")]


def customer_ids(who: Array) -> pa.Array:
    """C000000 and so on."""
    return numbered("C", who, 6)


def first_tables(world: World) -> dict[str, pa.Table]:
    """What the bank knew as its history begins: customers, holdings and a rate long before."""
    s, p = world.state, world.people
    who = np.flatnonzero(s.live)
    holdings = Rows(number=0, slot=0, role=0, opened=0, closed=NOTHING, reason=NOTHING, known=0)
    for slot in range(len(PRODUCTS)):
        has = np.flatnonzero(s.opened[:, slot] >= 0)
        since = s.opened[has, slot]
        holdings.add(has, number=holding_number(has, slot, 1), slot=slot, opened=since, known=since)
    sharer = np.flatnonzero(s.shared)
    head = p.partner[sharer]
    since = np.maximum(p.joined[sharer], p.joined[head])
    holdings.add(
        sharer, number=holding_number(head, CURRENT, 1), slot=CURRENT, role=1, opened=since, known=since
    )
    return {
        "customers": _customers(world, s, who, p.joined[who]),
        "holdings": _holdings(holdings.columns()),
    }


def month_tables(before: World, after: State, rows: MonthRows) -> dict[str, pa.Table]:
    """One month's rows of every table; `before` is the world as the month began."""
    who = np.flatnonzero(rows.versions >= 0)
    versions = _customers(before, after, who, rows.versions[who])
    joined = _customers(before, after, rows.joined, before.people.joined[rows.joined])
    return {
        "customers": pa.concat_tables([joined, versions]),
        "holdings": _holdings(rows.holdings),
        "transactions": _transactions(before, rows.bookings),
        "interactions": _interactions(before.clock.month, rows.interactions),
        "rates": _rates(before.clock.start, rows.rate),
    }


def _customers(world: World, s: State, who: Array, since: Array) -> pa.Table:
    p = world.people
    return as_table(
        "customers",
        {
            "customer_id": customer_ids(who),
            "kind": words(p.business[who].astype(np.int64), ("person", "business")),
            "birth_date": p.birth[who],
            "gender": words(p.gender[who], ("female", "male", "other")),
            "occupation": words(p.occupation[who], OCCUPATIONS),
            "education": words(p.education[who], EDUCATIONS),
            "region": words(s.region[who], REGIONS),
            "income": s.income[who],
            "joined_at": p.joined[who],
            "household_id": numbered("F", p.household[who], 6),
            "manager_id": numbered("M", p.manager[who], 3),
            "preferred_channel": words(p.preferred[who], CHANNELS),
            "consent_marketing": s.marketing[who],
            "consent_profiling": s.profiling[who],
            "valid_from": since,
            "known_at": since,
        },
    )


def _holdings(rows: dict[str, Array]) -> pa.Table:
    return as_table(
        "holdings",
        {
            "holding_id": numbered("H", rows["number"], 9),
            "customer_id": customer_ids(rows["who"]),
            "product": words(rows["slot"], PRODUCTS),
            "role": words(rows["role"], _ROLES),
            "opened_at": rows["opened"],
            "closed_at": rows["closed"],
            "close_reason": words(rows["reason"], _REASONS),
            "known_at": rows["known"],
        },
    )


def _transactions(world: World, rows: dict[str, Array]) -> pa.Table:
    clock, n = world.clock, len(rows["who"])
    rng = stream(clock.seed, clock.month, "booking")
    late = np.isin(rows["category"], _CASUAL) & (rng.random(n) < 0.03)
    known = rows["at"] + np.where(late, rng.integers(DAY // 2, 3 * DAY, n), 0)
    known = np.where(known < clock.end, known, rows["at"])
    steady = np.isin(rows["category"], _STEADY)
    party = np.where(steady, (rows["who"] * 31 + rows["category"] * 977) % 5_000, NOTHING)
    dollars = world.people.dollars[rows["who"]] & (rows["slot"] == INVESTMENT)
    return as_table(
        "transactions",
        {
            "transaction_id": numbered("T", clock.month * 100_000_000 + np.arange(n), 12),
            "customer_id": customer_ids(rows["who"]),
            "holding_id": numbered("H", rows["number"], 9),
            "at": rows["at"],
            "amount": rows["amount"],
            "currency": words(dollars.astype(np.int64), ("EUR", "USD")),
            "category": words(rows["category"], CATEGORIES),
            "channel": words(rows["channel"], CHANNELS),
            "counterparty": numbered("P", party, 4),
            "balance_after": rows["balance"],
            "known_at": known,
        },
    )


def _interactions(month: int, rows: dict[str, Array]) -> pa.Table:
    order = np.lexsort((rows["known"], rows["who"]))
    rows = {name: column[order] for name, column in rows.items()}
    plain = month * 10_000_000 + np.arange(len(order))
    number = np.where(rows["number"] >= 0, rows["number"], plain)
    return as_table(
        "interactions",
        {
            "interaction_id": numbered("N", number, 11),
            "customer_id": customer_ids(rows["who"]),
            "at": rows["at"],
            "channel": words(rows["channel"], CHANNELS),
            "direction": words(rows["out"].astype(np.int64), ("in", "out")),
            "kind": words(rows["kind"], KINDS),
            "product": words(rows["product"], PRODUCTS),
            "response": words(rows["response"], RESPONSES),
            "rating": rows["rating"].astype(np.float64),
            "resolved_at": stamps(rows["resolved"]),
            "cost": pa.array(rows["cost"], mask=rows["cost"] < 0),
            "known_at": rows["known"],
        },
    )


def _rates(start: int, rate: float) -> pa.Table:
    columns = {"currency": "USD", "date": datetime.fromtimestamp(start / 1e6, UTC).date(), "rate": rate}
    ready = {name: pa.array([value]) for name, value in columns.items()}
    return as_table("rates", {**ready, "known_at": np.array([start])})
