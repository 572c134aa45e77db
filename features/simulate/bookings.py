"""One month of money: income, fixed costs, spending, saving, investing, loans, interest and fees."""

from dataclasses import dataclass

import numpy as np

from features.simulate.money import Array, convert, split
from features.simulate.randomness import DAY
from features.simulate.rows import Rows
from features.simulate.world import CARD, CURRENT, INSURANCE, INVESTMENT, LOAN, ORDER, SAVINGS, World
from features.vocabulary import CATEGORIES, CHANNELS

__all__ = ["CATEGORY", "CHANNEL", "Month", "book_month", "post"]

CATEGORY = {name: code for code, name in enumerate(CATEGORIES)}
CHANNEL = {name: code for code, name in enumerate(CHANNELS)}

_SEASON = np.array([0.88, 0.90, 0.97, 1.0, 1.02, 1.06, 1.10, 1.04, 0.97, 0.98, 1.06, 1.28])


@dataclass(frozen=True)
class Month:
    """What the month's bookings need beside the world: `until` is when each customer's month ends, (n,)."""

    world: World
    rng: np.random.Generator
    rate: float
    until: Array
    active: Array
    """Which holdings were open as the month began, bool (n, products)."""

    def at(self, who: Array, fraction: Array | float) -> Array:
        """A moment of the month for each of `who`, at a fraction of the customer's month."""
        start = self.world.clock.start
        return (start + fraction * (self.until[who] - start - DAY // 24)).astype(np.int64)

    def some(self, chance: Array, slot: int = CURRENT) -> Array:
        """Indices of those who do something with probability `chance`, of active holders of `slot`."""
        drawn = self.rng.random(self.world.size) < chance
        return np.flatnonzero(drawn & self.active[:, slot] & self.active[:, CURRENT])


def post(
    rows: Rows, who: Array, slot: int, at: Array, amount: Array, category: str, channel: object
) -> None:
    """Book `amount` cents on the holding `slot` of each of `who`; zero amounts are left out."""
    kept = amount != 0
    code = CHANNEL[channel] if isinstance(channel, str) else np.asarray(channel)
    code = np.broadcast_to(code, who.shape)[kept]
    rows.add(
        who[kept], slot=slot, at=at[kept], amount=amount[kept], category=CATEGORY[category], channel=code
    )


def book_month(month: Month, rows: Rows) -> None:
    """Add the ordinary bookings of everybody whose current account was open as the month began."""
    n = month.world.size
    inflow, outflow = Rows(amount=0), Rows(amount=0)
    _income(month, rows, inflow)
    _fixed(month, rows, outflow)
    _loans(month, rows, outflow)
    came = _total(inflow, n)
    went = _total(outflow, n)
    left = _spending(month, rows, came, went)
    _saving(month, rows, left)
    _fees(month, rows)


def _total(rows: Rows, n: int) -> Array:
    columns = rows.columns()
    return np.bincount(columns["who"], columns["amount"], n)


def _income(m: Month, rows: Rows, total: Rows) -> None:
    s, p, rng = m.world.state, m.world.people, m.rng
    n = m.world.size
    stays = np.clip(1.15 - 1.5 * s.drift * (0.6 + 0.8 * p.cash / 2), 0, 1)
    stays = np.where(stays < 0.15, 0.0, stays)
    regular = p.primary & ~p.business & ~s.jobless
    extra = np.where((m.world.clock.season == 11) & (p.household % 2 == 0), 1.7, 1.0)
    pay = np.rint(s.income * stays * extra * rng.normal(1, 0.015, n)).astype(np.int64)
    old = m.world.age >= 65
    for category, group in (("salary", regular & ~old), ("pension", regular & old)):
        who = m.some(group)
        day = (1 + p.birth[who] // DAY % 4) / 28 + rng.random(len(who)) / 60
        post(rows, who, CURRENT, m.at(who, day), pay[who], category, "auto")
        total.add(who, amount=pay[who])
    often = np.where(p.business, 3.0, np.where(regular, 0.12, 1.3)) * np.where(s.jobless, 0.5, 1)
    counts = rng.poisson(often * np.maximum(stays, 0.05)) * m.active[:, CURRENT]
    who = np.repeat(np.arange(n), counts)
    part = np.where(p.business, 0.36, 0.34)[who] * rng.lognormal(-0.06, 0.35, len(who))
    amount = np.rint(s.income[who] * part).astype(np.int64)
    post(rows, who, CURRENT, m.at(who, rng.random(len(who))), amount, "transfer_in", "auto")
    total.add(who, amount=amount)
    who = m.some(s.windfall == 1.0)
    amount = np.rint(s.income[who] * rng.uniform(1, 4, len(who))).astype(np.int64)
    post(rows, who, CURRENT, m.at(who, rng.random(len(who))), amount, "transfer_in", "branch")


def _fixed(m: Month, rows: Rows, total: Rows) -> None:
    s, p, rng = m.world.state, m.world.people, m.rng
    here = np.clip(1.1 - 1.2 * s.drift, 0, 1)
    plan = (
        (CURRENT, "household", 0.30 * p.primary, 3 / 28, 0.95 * here),
        (ORDER, "standing_order", 0.07, 5 / 28, here),
        (INSURANCE, "insurance", 0.015, 8 / 28, 1.0),
    )
    for slot, category, share, day, chance in plan:
        who = m.some(np.broadcast_to(chance, s.drift.shape), slot)
        part = np.broadcast_to(share, s.drift.shape)[who] * (0.8 + 0.4 * (who % 7) / 6)
        amount = np.rint(s.income[who] * part / 100).astype(np.int64) * 100
        post(rows, who, CURRENT, m.at(who, day + rng.random(len(who)) / 40), -amount, category, "auto")
        total.add(who, amount=amount)
    who = m.some(0.97 * (1 - 0.5 * s.drift), INVESTMENT)
    who = who[s.balance[who, CURRENT] > 0]
    amount = np.rint(s.income[who] * 0.05 / 1000).astype(np.int64) * 1000 + 2500
    at = m.at(who, 10 / 28 + rng.random(len(who)) / 40)
    post(rows, who, CURRENT, at, -amount, "investment", "auto")
    bought = np.where(p.dollars[who], convert(amount, m.rate), amount)
    post(rows, who, INVESTMENT, at, bought, "investment", "auto")
    total.add(who, amount=amount)


def _loans(m: Month, rows: Rows, total: Rows) -> None:
    s = m.world.state
    who = m.some(np.ones(m.world.size), LOAN)
    principal = np.minimum(s.payment[who], -s.balance[who, LOAN])
    interest = np.rint(-s.balance[who, LOAN] * 0.068 / 12).astype(np.int64)
    at = m.at(who, np.full(len(who), 6 / 28) + m.rng.random(len(who)) / 40)
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
    budget *= _SEASON[m.world.clock.season] * rng.lognormal(-0.02, 0.2, n)
    total = np.where(m.active[:, CURRENT], np.rint(budget), 0).astype(np.int64)
    here = (1 - 0.75 * s.drift) * m.active[:, CURRENT]
    card = rng.poisson((1.0 + 1.6 * (s.opened[:, CARD] >= 0)) * (0.6 + 0.8 * p.digital) * here)
    cash = rng.poisson(0.75 * p.cash * here)
    transfer = (rng.poisson((0.45 + 0.8 * p.business) * (1 - 0.3 * s.drift)) + 1) * (total > 0)
    counts = np.stack([card, cash, transfer], axis=1)
    kind = np.tile(np.arange(3), n).repeat(counts.ravel())
    weights = np.array([0.8, 1.4, 2.2])[kind] * rng.gamma(1.5, 1.0, len(kind)) + 1e-6
    amount = split(total, counts.sum(axis=1), weights)
    who = np.repeat(np.arange(n), counts.sum(axis=1))
    at = m.at(who, rng.random(len(who)))
    modern = rng.random(len(who)) < p.digital[who]
    app = np.where(rng.random(len(who)) < 0.7, CHANNEL["app"], CHANNEL["web"])
    channels = (
        np.where(modern & (rng.random(len(who)) < 0.5), CHANNEL["web"], -1),
        np.where(modern, CHANNEL["atm"], CHANNEL["branch"]),
        np.where(modern, app, CHANNEL["branch"]),
    )
    for code, category in enumerate(("card", "cash_out", "transfer_out")):
        of = kind == code
        post(rows, who[of], CURRENT, at[of], -amount[of], category, channels[code][of])
    return now + came - went - total


def _saving(m: Month, rows: Rows, left: Array) -> None:
    s, p, rng = m.world.state, m.world.people, m.rng
    saved = s.balance[:, SAVINGS]
    stay = s.keep * (1 - 0.9 * s.drift)
    gap = s.income * p.thrift * 3.5 * stay - saved
    spare = np.maximum(left - 0.5 * s.income * p.thrift * stay, 0) * 0.5
    move = np.rint(np.where(gap > 0, np.minimum(spare, 0.3 * gap), 0.0)).astype(np.int64)
    who = m.some((move > 2_000) * 0.75, SAVINGS)
    at = m.at(who, 0.70 + 0.2 * rng.random(len(who)))
    post(rows, who, CURRENT, at, -move[who], "transfer_out", "app")
    post(rows, who, SAVINGS, at, move[who], "transfer_in", "app")
    leaving = stay < 0.85
    back = np.rint(np.clip(-gap * np.where(leaving, 0.45, 0.05), 0, np.maximum(saved, 0))).astype(np.int64)
    out = m.some((back > 2_000) & leaving, SAVINGS)
    post(rows, out, SAVINGS, m.at(out, 0.3 + 0.5 * rng.random(len(out))), -back[out], "transfer_out", "web")
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
    who = m.some(balance < 100_000)
    post(rows, who, CURRENT, m.at(who, 0.985), -fee[who], "fee", "auto")
    who = m.some(balance < 0)
    charge = 500 + np.rint(-balance[who] * 0.011).astype(np.int64)
    post(rows, who, CURRENT, m.at(who, 0.98), -charge, "penalty", "auto")
