"""One month of money: fixed costs, spending, saving, investing, loans, interest and fees."""

import numpy as np

from features.simulate.booking import CHANNEL, Month, post
from features.simulate.currencies import exchanged
from features.simulate.drift import digital
from features.simulate.hours import chosen_times
from features.simulate.income import book_business, book_income
from features.simulate.money import Array, split
from features.simulate.rows import NOTHING, Rows
from features.simulate.seasons import SPENDING, heating, holidays
from features.simulate.world import CARD, CURRENT, INSURANCE, INVESTMENT, LOAN, ORDER, SAVINGS

__all__ = ["CHILD", "book_month"]

CHILD = 0.2
"""What each child adds to household costs, as a share of them."""


def book_month(month: Month, rows: Rows) -> None:
    """Add the ordinary bookings of everybody whose current account was open as the month began."""
    n = month.world.size
    inflow, outflow = Rows(amount=0), Rows(amount=0)
    book_income(month, rows, inflow)
    book_business(month, rows, outflow)
    _fixed(month, rows, outflow)
    _loans(month, rows, outflow)
    came = _total(inflow, n)
    went = _total(outflow, n)
    left = _spending(month, rows, came, went)
    _saving(month, rows, left)
    _fees(month, rows)


def _total(rows: Rows, n: int) -> Array:
    return np.bincount(rows.column("who"), rows.column("amount"), n)


def _fixed(m: Month, rows: Rows, total: Rows) -> None:
    s, p, fine = m.world.state, m.world.people, m.fine
    here = np.clip(1.1 - 1.2 * s.drift, 0, 1)
    living = 0.30 * p.primary * (1 + CHILD * s.children) * heating(m.world)
    plan = (
        (CURRENT, "household", living, 3 / 28, 0.95 * here),
        (ORDER, "standing_order", 0.07, 5 / 28, here),
        (INSURANCE, "insurance", 0.015, 8 / 28, 1.0),
    )
    for slot, category, share, day, chance in plan:
        who = m.some(np.broadcast_to(chance, s.drift.shape), slot)
        part = np.broadcast_to(share, s.drift.shape)[who] * (0.8 + 0.4 * (who % 7) / 6)
        amount = np.rint(s.income[who] * part / 100).astype(np.int64) * 100
        post(rows, who, CURRENT, m.at(who, day + fine.random(len(who)) / 40), -amount, category, "auto")
        total.add(who, amount=amount)
    who = m.some(0.97 * (1 - 0.5 * s.drift), INVESTMENT)
    who = who[s.balance[who, CURRENT] > 0]
    amount = np.rint(s.income[who] * 0.05 / 1000).astype(np.int64) * 1000 + 2500
    at = m.at(who, 10 / 28 + fine.random(len(who)) / 40)
    post(rows, who, CURRENT, at, -amount, "investment", "auto")
    bought = exchanged(amount, p.currency[who], m.rates)
    post(rows, who, INVESTMENT, at, bought, "investment", "auto")
    total.add(who, amount=amount)


def _loans(m: Month, rows: Rows, total: Rows) -> None:
    s = m.world.state
    who = m.some(np.ones(m.world.size), LOAN)
    principal = np.minimum(s.payment[who], -s.balance[who, LOAN])
    interest = np.rint(-s.balance[who, LOAN] * 0.068 / 12).astype(np.int64)
    at = m.at(who, np.full(len(who), 6 / 28) + m.fine.random(len(who)) / 40)
    post(rows, who, CURRENT, at, -(principal + interest), "loan_payment", "auto")
    post(rows, who, LOAN, at, principal, "loan_payment", "auto")
    total.add(who, amount=principal + interest)


def _spending(m: Month, rows: Rows, came: Array, went: Array) -> Array:
    s, p, rng = m.world.state, m.world.people, m.rng
    n, now = m.world.size, s.balance[:, CURRENT]
    aim = s.income * np.minimum(0.6 * p.thrift, 2.5) * s.keep * (1 - 0.85 * s.drift)
    budget = 0.93 * (came - went) + 0.17 * (now - aim)
    budget = np.clip(
        budget, 0.04 * s.income * (1 - s.drift), np.maximum(now + came - went, 0) + 0.2 * s.income
    )
    season = np.where(p.business, 1.0, SPENDING[m.world.clock.season])
    budget *= season * rng.lognormal(-0.02, 0.2, n)
    total = np.where(m.active[:, CURRENT], np.rint(budget), 0).astype(np.int64)
    _pay_out(m, rows, total)
    return now + came - went - total


def _pay_out(m: Month, rows: Rows, total: Array) -> None:
    """Split what is spent into card payments, cash and transfers, each at its own hour."""
    s, p, rng, n = m.world.state, m.world.people, m.fine, m.world.size
    modern_share = digital(m.world)
    here = (1 - 0.75 * s.drift) * m.active[:, CURRENT]
    card = rng.poisson((1.0 + 1.6 * (s.opened[:, CARD] >= 0)) * (0.6 + 0.8 * modern_share) * here)
    cash = rng.poisson(0.75 * p.cash * here)
    transfer = (rng.poisson((0.45 + 0.8 * p.business) * (1 - 0.3 * s.drift)) + 1) * (total > 0)
    counts = np.stack([card, cash, transfer], axis=1)
    kind = np.tile(np.arange(3, dtype=np.int8), n).repeat(counts.ravel())
    weights = np.array([0.8, 1.4, 2.2])[kind] * rng.gamma(1.5, 1.0, len(kind)) + 1e-6
    amount = split(total, counts.sum(axis=1), weights)
    who = np.repeat(np.arange(n, dtype=np.int32), counts.sum(axis=1))
    at = chosen_times(rng, p, who, m.world.clock.start, m.until[who])
    modern = rng.random(len(who)) < modern_share[who]
    app = np.where(rng.random(len(who)) < 0.7, CHANNEL["app"], CHANNEL["web"])
    foreign = (kind == 0) & (rng.random(len(who)) < (p.abroad * holidays(m.world))[who])
    currency = np.where(foreign, p.abroad_currency[who], NOTHING)
    channels = (
        np.where(modern & (rng.random(len(who)) < 0.5), CHANNEL["web"], -1),
        np.where(modern, CHANNEL["atm"], CHANNEL["branch"]),
        np.where(modern, app, CHANNEL["branch"]),
    )
    for code, category in enumerate(("card", "cash_out", "transfer_out")):
        of = kind == code
        post(rows, who[of], CURRENT, at[of], -amount[of], category, channels[code][of], currency[of])


def _saving(m: Month, rows: Rows, left: Array) -> None:
    s, p, fine = m.world.state, m.world.people, m.fine
    saved = s.balance[:, SAVINGS]
    stay = s.keep * (1 - 0.9 * s.drift)
    gap = s.income * p.thrift * 3.5 * stay - saved
    spare = np.maximum(left - 0.5 * s.income * p.thrift * stay, 0) * 0.5
    move = np.rint(np.where(gap > 0, np.minimum(spare, 0.3 * gap), 0.0)).astype(np.int64)
    who = m.some((move > 2_000) * 0.75, SAVINGS)
    at = m.at(who, 0.70 + 0.2 * fine.random(len(who)))
    post(rows, who, CURRENT, at, -move[who], "transfer_out", "app")
    post(rows, who, SAVINGS, at, move[who], "transfer_in", "app")
    leaving = stay < 0.85
    back = np.rint(np.clip(-gap * np.where(leaving, 0.45, 0.05), 0, np.maximum(saved, 0))).astype(np.int64)
    out = m.some((back > 2_000) & leaving, SAVINGS)
    post(
        rows, out, SAVINGS, m.at(out, 0.3 + 0.5 * fine.random(len(out))), -back[out], "transfer_out", "web"
    )
    short = np.minimum(np.rint(np.maximum(-left, 0)).astype(np.int64), saved)
    home = m.some((short > 2_000) & ~leaving, SAVINGS)
    at = m.at(home, 0.95)
    post(rows, home, SAVINGS, at, -short[home], "transfer_out", "app")
    post(rows, home, CURRENT, at, short[home], "transfer_in", "app")
    who = m.some(saved > 0, SAVINGS)
    interest = np.rint(saved[who] * 0.014 / 12).astype(np.int64)
    post(rows, who, SAVINGS, m.at(who, 0.99), interest, "interest", "auto")


def _fees(m: Month, rows: Rows) -> None:
    s = m.world.state
    balance = s.balance[:, CURRENT]
    fee = np.where(m.world.people.business, 990, 490)
    who = m.some((balance < 100_000) & (s.waiver == 0))
    post(rows, who, CURRENT, m.at(who, 0.985), -fee[who], "fee", "auto")
    who = m.some(balance < 0)
    charge = 500 + np.rint(-balance[who] * 0.011).astype(np.int64)
    post(rows, who, CURRENT, m.at(who, 0.98), -charge, "penalty", "auto")
