"""Holdings that begin and end within a month, and the running balance of each."""

import numpy as np

from features.simulate.bookings import Month, post
from features.simulate.money import Array
from features.simulate.randomness import DAY, stream
from features.simulate.rows import NOTHING, Rows
from features.simulate.world import (
    CURRENT,
    INVESTMENT,
    LOAN,
    OFFERED,
    PRODUCTS,
    SAVINGS,
    State,
    World,
)

__all__ = [
    "cancelled",
    "close_everything",
    "close_some",
    "first_deposit",
    "holding_number",
    "open_holdings",
    "settle",
]

_CUSTOMER, _BANK, _MATURED = range(3)
"""Codes of the reasons for closing."""

_SECOND = 1_000_000
_SLOTS = len(PRODUCTS)


def holding_number(who: Array, slot: Array | int, count: Array | int) -> Array:
    """The number of a contract: customer, product, and how many of it the customer has had."""
    return (who * _SLOTS + slot) * 100 + count


def open_holdings(m: Month, when: Array, bookings: Rows, holdings: Rows) -> None:
    """Open what was taken up, at its time; a first saving or the loan's payout is booked with it."""
    s = m.world.state
    for slot in OFFERED:
        who = np.flatnonzero(when[:, slot] >= 0)
        at = when[who, slot]
        s.opened[who, slot] = at
        s.count[who, slot] += 1
        s.balance[who, slot] = 0
        _row(s, who, slot, holdings, known=at)
        if slot == SAVINGS:
            first = np.maximum(np.rint(s.balance[who, CURRENT] * 0.4), 100).astype(np.int64)
            post(bookings, who, CURRENT, at + _SECOND, -first, "transfer_out", "app")
            post(bookings, who, SAVINGS, at + _SECOND, first, "transfer_in", "app")
        if slot == LOAN:
            lent = np.rint(s.income[who] * m.rng.uniform(2, 9, len(who)) / 100).astype(np.int64) * 100
            s.payment[who] = lent // m.rng.integers(18, 60, len(who)) + 1
            post(bookings, who, LOAN, at + _SECOND, -lent, "loan_payout", "branch")
            post(bookings, who, CURRENT, at + _SECOND, lent, "loan_payout", "branch")


def cancelled(world: World, s: State, leaving: Array) -> Array:
    """Which single holdings staying customers give up this month, bool (n, products)."""
    drawn = stream(world.clock.seed, world.clock.month, "cancels").random(s.opened.shape)
    chosen = (s.opened >= 0) & ~leaving[:, None] & (drawn < (0.004 + 0.012 * s.drift)[:, None])
    chosen[:, [CURRENT, LOAN]] = False
    return np.asarray(chosen)


def close_some(m: Month, staying: Array, given_up: Array, bookings: Rows, holdings: Rows) -> None:
    """Close paid-off loans, and what staying customers cancel; their money goes to the current account."""
    s, clock = m.world.state, m.world.clock
    balance = _balances(s, bookings)
    who = np.flatnonzero(staying & m.active[:, LOAN] & (balance[:, LOAN] == 0))
    _close(s, who, LOAN, np.full(len(who), clock.start + 9 * DAY), _MATURED, holdings)
    drawn = m.rng.random(m.world.size)
    for slot in OFFERED:
        who = np.flatnonzero(given_up[:, slot])
        span = clock.end - m.until[who] - DAY // 24
        at = m.until[who] + 2 * _SECOND + (drawn[who] * span).astype(np.int64)
        _empty(m, who, slot, at - _SECOND, balance[who, slot], bookings)
        _close(s, who, slot, at, _CUSTOMER, holdings)


def close_everything(m: Month, leaving: Array, bookings: Rows, holdings: Rows) -> None:
    """Close all that leaving customers hold and settle the last cent."""
    s = m.world.state
    who = np.flatnonzero(leaving)
    at = m.until[who]
    balance = _balances(s, bookings)
    for slot in (SAVINGS, INVESTMENT, LOAN):
        has = s.opened[who, slot] >= 0
        _empty(m, who[has], slot, at[has] - 2 * _SECOND, balance[who[has], slot], bookings)
    rest = _balances(s, bookings)[who, CURRENT]
    post(bookings, who, CURRENT, at - _SECOND, -np.maximum(rest, 0), "transfer_out", "branch")
    post(bookings, who, CURRENT, at - _SECOND, -np.minimum(rest, 0), "transfer_in", "branch")
    reason = np.where((rest < -30_000) & (m.rng.random(len(who)) < 0.5), _BANK, _CUSTOMER)
    _close_shared(m, who, at, holdings)
    for slot in range(len(PRODUCTS)):
        has = s.opened[who, slot] >= 0
        _close(s, who[has], slot, at[has], reason[has], holdings)
    s.live[who] = False


def first_deposit(world: World, s: State, who: Array, bookings: Rows, holdings: Rows) -> None:
    """The current account of those who join, with a first payment."""
    at = s.opened[who, CURRENT]
    _row(s, who, CURRENT, holdings, known=at)
    amount = s.income[who] // 200 * 100
    later = at + (world.clock.end - at) // 50
    post(bookings, who, CURRENT, later, amount, "transfer_in", "branch")


def settle(s: State, bookings: Rows) -> dict[str, Array]:
    """Sort the month's bookings by customer and time, add the balance after each, and carry balances on."""
    rows = bookings.columns()
    order = np.lexsort((rows["at"], rows["who"]))
    rows = {name: column[order] for name, column in rows.items()}
    account = rows["who"] * _SLOTS + rows["slot"]
    by_account = np.argsort(account, kind="stable")
    amount, owner = rows["amount"][by_account], account[by_account]
    running = np.cumsum(amount)
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    if not len(first):
        return {**rows, "balance": running, "number": running}
    earlier = np.repeat(running[first] - amount[first], np.diff(np.append(first, len(owner))))
    after = np.empty_like(running)
    after[by_account] = running - earlier + s.balance.ravel()[owner]
    last = np.append(first[1:], len(owner)) - 1
    s.balance.reshape(-1)[owner[last]] = after[by_account][last]
    number = holding_number(rows["who"], rows["slot"], s.count[rows["who"], rows["slot"]])
    return {**rows, "balance": after, "number": number}


def _balances(s: State, bookings: Rows) -> Array:
    rows = bookings.columns()
    moved = np.bincount(rows["who"] * _SLOTS + rows["slot"], rows["amount"], s.balance.size)
    return s.balance + moved.reshape(s.balance.shape).astype(np.int64)


def _empty(m: Month, who: Array, slot: int, at: Array, balance: Array, bookings: Rows) -> None:
    if slot not in (SAVINGS, INVESTMENT, LOAN):
        return
    category = {SAVINGS: "transfer_out", INVESTMENT: "investment", LOAN: "loan_payment"}[slot]
    post(bookings, who, slot, at, -balance, category, "app")
    dollars = m.world.people.dollars[who] & (slot == INVESTMENT)
    own = np.where(dollars, np.rint(balance * m.rate).astype(np.int64), balance)
    post(bookings, who, CURRENT, at, own, "transfer_in" if slot == SAVINGS else category, "app")


def _row(s: State, who: Array, slot: int, holdings: Rows, *, known: Array, **more: object) -> None:
    number = holding_number(who, slot, s.count[who, slot])
    holdings.add(who, number=number, slot=slot, opened=s.opened[who, slot], known=known, **more)


def _close(s: State, who: Array, slot: int, at: Array, reason: Array | int, holdings: Rows) -> None:
    _row(s, who, slot, holdings, known=at, closed=at, reason=reason)
    s.opened[who, slot] = NOTHING


def _close_shared(m: Month, who: Array, at: Array, holdings: Rows) -> None:
    """End co-ownership where either side leaves."""
    s, partner = m.world.state, m.world.people.partner
    gone = np.full(m.world.size, NOTHING, np.int64)
    gone[who] = at
    sharer = np.flatnonzero(s.shared)
    head = partner[sharer]
    own, his = gone[sharer], gone[head]
    end = np.where((own >= 0) & (his >= 0), np.minimum(own, his), np.maximum(own, his))
    sharer, head, end = sharer[end >= 0], head[end >= 0], end[end >= 0]
    number = holding_number(head, CURRENT, s.count[head, CURRENT])
    since = np.maximum(s.opened[head, CURRENT], m.world.people.joined[sharer])
    holdings.add(
        sharer, number=number, slot=CURRENT, role=1, opened=since, closed=end, reason=_CUSTOMER, known=end
    )
    s.shared[sharer] = False
