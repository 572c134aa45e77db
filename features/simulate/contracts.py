"""Holdings that begin and end within a month, and the running balance of each."""

import numpy as np

from features.simulate.booking import Month, post
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
    "share_accounts",
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
    s, n = m.world.state, m.world.size
    sizes, months = m.rng.uniform(2, 9, n), m.rng.integers(18, 60, n)
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
            lent = np.rint(s.income[who] * sizes[who] / 100).astype(np.int64) * 100
            s.payment[who] = lent // months[who] + 1
            post(bookings, who, LOAN, at + _SECOND, -lent, "loan_payout", "branch")
            post(bookings, who, CURRENT, at + _SECOND, lent, "loan_payout", "branch")


def cancelled(world: World, s: State, leaving: Array) -> Array:
    """Which single holdings staying customers give up this month, bool (n, products)."""
    drawn = stream(world.clock.seed, world.clock.month, "cancels").random(s.opened.shape)
    chosen = (s.opened >= 0) & ~leaving[:, None] & (drawn < (0.004 + 0.012 * s.drift)[:, None])
    chosen[:, [CURRENT, LOAN]] = False
    return np.asarray(chosen)


def share_accounts(m: Month, holdings: Rows) -> None:
    """Put down who became co-owner of a current account this month."""
    s = m.world.state
    who = np.flatnonzero(s.shared & (s.shared_since >= m.world.clock.start))
    head, since = s.partner[who], s.shared_since[who]
    number = holding_number(head, CURRENT, s.count[head, CURRENT])
    holdings.add(who, number=number, slot=CURRENT, role=1, opened=since, known=since)


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
    unwanted = (rest < -30_000) & (m.fine.random(len(who)) < 0.5)
    reason = np.where(unwanted | s.dead[who], _BANK, _CUSTOMER)
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


def settle(world: World, s: State, bookings: Rows) -> dict[str, Array]:
    """Sort the month's bookings by customer and time, add the balance after each, and carry balances on.

    Times become whole milliseconds, so that customer and time fit one sortable number.
    """
    start = world.clock.start
    moment = (bookings.column("at") - start) // 1_000
    order = np.argsort((bookings.column("who").astype(np.int64) << 32) | moment, kind="stable")
    rows = {name: bookings.column(name)[order] for name in ("who", "slot", "amount", "category", "channel")}
    rows |= {"currency": bookings.column("currency")[order], "at": start + moment[order] * 1_000}
    who, slot, amount = rows["who"].astype(np.int64), rows["slot"], rows["amount"]
    after = np.empty_like(amount)
    for code in np.unique(slot):
        of = np.flatnonzero(slot == code)
        running, owner = np.cumsum(amount[of]), who[of]
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        last = np.append(first[1:], len(owner)) - 1
        before = s.balance[owner[first], code] - running[first] + amount[of][first]
        after[of] = running + np.repeat(before, last - first + 1)
        s.balance[owner[last], code] = after[of[last]]
    return {**rows, "balance": after}


def _balances(s: State, bookings: Rows) -> Array:
    account = bookings.column("who") * _SLOTS + bookings.column("slot")
    moved = np.bincount(account, bookings.column("amount"), s.balance.size)
    return s.balance + moved.reshape(s.balance.shape).astype(np.int64)


def _empty(m: Month, who: Array, slot: int, at: Array, balance: Array, bookings: Rows) -> None:
    if slot not in (SAVINGS, INVESTMENT, LOAN):
        return
    category = {SAVINGS: "transfer_out", INVESTMENT: "investment", LOAN: "loan_payment"}[slot]
    post(bookings, who, slot, at, -balance, category, "app")
    rate = m.rates[m.world.people.currency[who]] if slot == INVESTMENT else 1.0
    own = np.rint(balance * rate).astype(np.int64)
    # The few without a current account are paid out elsewhere.
    here = m.world.state.opened[who, CURRENT] >= 0
    credit = "transfer_in" if slot == SAVINGS else category
    post(bookings, who[here], CURRENT, at[here], own[here], credit, "app")


def _row(s: State, who: Array, slot: int, holdings: Rows, *, known: Array, **more: object) -> None:
    number = holding_number(who, slot, s.count[who, slot])
    holdings.add(who, number=number, slot=slot, opened=s.opened[who, slot], known=known, **more)


def _close(s: State, who: Array, slot: int, at: Array, reason: Array | int, holdings: Rows) -> None:
    _row(s, who, slot, holdings, known=at, closed=at, reason=reason)
    s.opened[who, slot] = NOTHING


def _close_shared(m: Month, who: Array, at: Array, holdings: Rows) -> None:
    """End co-ownership where either side leaves."""
    s = m.world.state
    gone = np.full(m.world.size, NOTHING, np.int64)
    gone[who] = at
    sharer = np.flatnonzero(s.shared)
    head = s.partner[sharer]
    own, his = gone[sharer], gone[head]
    end = np.where((own >= 0) & (his >= 0), np.minimum(own, his), np.maximum(own, his))
    sharer, head, end = sharer[end >= 0], head[end >= 0], end[end >= 0]
    number = holding_number(head, CURRENT, s.count[head, CURRENT])
    row = {"opened": s.shared_since[sharer], "closed": end, "reason": _CUSTOMER, "known": end}
    holdings.add(sharer, number=number, slot=CURRENT, role=1, **row)
    s.shared[sharer] = False
