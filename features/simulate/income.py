"""What comes in within a month: salaries and pensions, receipts, allowances; and what a business pays."""

import numpy as np
from scipy.stats import poisson

from features.simulate.booking import Month, post
from features.simulate.events import RETIRED
from features.simulate.money import Array
from features.simulate.randomness import DAY
from features.simulate.rows import Rows
from features.simulate.seasons import trade
from features.simulate.world import CURRENT

__all__ = ["ALLOWANCE", "PAY_DAYS", "THIRTEENTH", "VAT", "book_business", "book_income"]

PAY_DAYS = np.array([0, 1, 2, 4, 9, 14])
"""Days after the month's begin on which employers pay; employer e pays on PAY_DAYS[e % 6]."""

THIRTEENTH = 2
"""One employer in so many (even numbers) pays a 13th salary in December."""

ALLOWANCE = 20_000
"""Cents a month for each child born in history."""

VAT = 0.12
"""Part of three months' income that a business pays as VAT in January, April, July and October."""

_WAGES = 0.22

_MOST = 12
"""Most transfers that come in in one month; more would come to one business in 70,000."""


def book_income(m: Month, rows: Rows, total: Rows) -> None:
    """Salary, pension, receipts, other transfers, child allowance and windfalls."""
    s, p, rng, fine = m.world.state, m.world.people, m.rng, m.fine
    n = m.world.size
    stays = np.clip(1.15 - 1.5 * s.drift * (0.6 + 0.8 * p.cash / 2), 0, 1)
    stays = np.where(stays < 0.15, 0.0, stays)
    regular = p.primary & ~p.business & ~s.jobless
    pay = np.rint(s.income * stays * rng.normal(1, 0.015, n)).astype(np.int64)
    retired = s.occupation == RETIRED
    pay_day = np.where(retired, p.birth // DAY % 4, PAY_DAYS[s.employer % len(PAY_DAYS)])
    for category, group in (("salary", regular & ~retired), ("pension", regular & retired)):
        who = m.some(group)
        _pay(m, rows, total, who, pay_day[who], pay[who], category)
    if m.world.clock.season == 11:
        who = m.some(regular & ~retired & (s.employer % THIRTEENTH == 0))
        extra = np.rint(s.income[who] * stays[who] * 0.9).astype(np.int64)
        _pay(m, rows, total, who, pay_day[who] + 5, extra, "salary")
    often = np.where(p.business, 3.0, np.where(regular, 0.12, 1.3)) * np.where(s.jobless, 0.5, 1)
    counts = poisson.ppf(rng.random(n), often * np.maximum(stays, 0.05)).astype(np.int64)
    counts = np.minimum(counts, _MOST) * m.active[:, CURRENT]
    who = np.repeat(np.arange(n), counts)
    nth = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
    size = rng.lognormal(-0.06, 0.35, (n, _MOST))[who, nth]
    part = (np.where(p.business, 0.40, 0.34) * trade(m.world))[who] * size
    amount = np.rint(s.income[who] * part).astype(np.int64)
    post(rows, who, CURRENT, m.at(who, fine.random(len(who))), amount, "transfer_in", "auto")
    total.add(who, amount=amount)
    who = m.some((s.children > 0) & (stays > 0))
    _pay(
        m,
        rows,
        total,
        who,
        np.full(len(who), 11),
        ALLOWANCE * s.children[who].astype(np.int64),
        "transfer_in",
    )
    who = m.some(s.windfall == 1.0)
    amount = np.rint(s.income[who] * rng.uniform(1, 4, n)[who]).astype(np.int64)
    post(rows, who, CURRENT, m.at(who, fine.random(len(who))), amount, "transfer_in", "branch")


def _pay(m: Month, rows: Rows, total: Rows, who: Array, day: Array, amount: Array, category: str) -> None:
    at = m.on(who, day + 0.25 + m.fine.random(len(who)) / 3)
    post(rows, who, CURRENT, at, amount, category, "auto")
    total.add(who, amount=amount)


def book_business(m: Month, rows: Rows, total: Rows) -> None:
    """Wages on the 25th, and VAT on the 20th after each quarter; both leave with the owner's drift."""
    s, p = m.world.state, m.world.people
    here = np.clip(1.1 - 1.2 * s.drift, 0, 1)
    who = m.some(p.business * 0.6 * here)
    wages = np.rint(s.income[who] * _WAGES / 100).astype(np.int64) * 100
    post(rows, who, CURRENT, m.on(who, 24.3), -wages, "transfer_out", "auto")
    total.add(who, amount=wages)
    if m.world.clock.season % 3:
        return
    who = m.some(p.business * here)
    due = np.rint(3 * VAT * s.income[who] * here[who]).astype(np.int64)
    post(rows, who, CURRENT, m.on(who, 19.3), -due, "other", "web")
    total.add(who, amount=due)
