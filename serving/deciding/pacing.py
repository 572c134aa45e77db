"""Prices on the way through a plan's month: lower where less would be used than is left, higher where more.

What the rest of the month would use at the plan's prices is known by customer: the plan has a decision for
each, and the log tells who came. So it changes nothing who asks first, the best or the worst. A row's price
is the plan's, times the factor at which the rest of the month uses what is left, by what the plan found to
be used at which price. It is the plan solved anew for the rest of the month, a row at a time (certainty
equivalence: Balseiro, Besbes and Pizarro 2023, Operations Research 72). The log is the whole state: it
tells what was used.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from features.home import Home
from features.vocabulary import Catalogue
from serving.deciding.prices import FACTORS, PlanPrices
from serving.deciding.spending import Spending
from serving.lists.sources import last_prices
from serving.policy import Plan, Policy

__all__ = ["DAYS", "Pacer", "Priced", "elapsed", "pace", "paced", "still_come"]

Floats = NDArray[np.float64]

DAYS = 30
"""How long a plan's limits are for."""

_CHANCE, _DOUBT, _ROUNDED = 2.0, 0.05, 1e-9
_AT_ONCE = 100
_FALLING = np.log(FACTORS)[::-1]


@dataclass(frozen=True)
class Priced:
    """What an option costs now: a plan's prices as paced, and the options that a limit has closed.

    plan
        None where there is none.
    closed
        (options,), whether one more choice would pass a limit, or leave too little for cheaper ones.
    reasons
        Why the prices are not those that they should be: `no_plan` was made for the options that there
        are, though the policy has limits, or `plan_over`, its days are.
    at_once
        For how many customers, from 1 to 100, these prices may stand: so many contacts, each by the
        dearest option that is open, pass no limit.
    """

    plan: PlanPrices | None
    closed: NDArray[np.bool_]
    reasons: tuple[str, ...] = ()
    at_once: int = _AT_ONCE

    @property
    def plan_id(self) -> str:
        """Empty without a plan."""
        return self.plan.plan_id if self.plan else ""

    @property
    def kept(self) -> Floats:
        """(options,), what experiments may use of each, see `serving.deciding.room`."""
        return np.asarray(self.plan.kept, dtype=np.float64) if self.plan else np.ones(len(self.closed))

    def of(self, managers: Sequence[str]) -> Floats:
        """What the scarce things that each option uses are worth elsewhere, (n, options)."""
        return self.plan.of(managers) if self.plan else np.zeros((len(managers), len(self.closed)))


def pace(due: float, left: float, demand: Sequence[float]) -> float:
    """The factor on a row's price, in [1/8, 8]: 1 where the rest of the month uses what is left.

    Parameters
    ----------
    due
        What the rest would use at the plan's prices, from 0.
    left
        Of the limit; 0 or less where it is used up.
    demand
        As `PlanPrices.demand` of the row.
    """
    if left <= 0.0:
        return FACTORS[-1]
    share = left / due if due > 0.0 else math.inf
    # Over a stretch of prices the use may be the same: as planned is the plan's price.
    return 1.0 if share == 1.0 else float(np.exp(np.interp(share, demand[::-1], _FALLING)))


def still_come(came: int, planned: int, share: float) -> float:
    """The chance that a customer of the plan who has not come yet still does, in [0, 1].

    All come as long as chance explains who is missing; else as many as until now, evenly over the month,
    where a twentieth of a month counts that went as planned: the first hours alone say little.

    Parameters
    ----------
    came
        Customers of the plan who came until now.
    planned
        All of them.
    share
        Of the month that is over, in [0, 1].
    """
    expected = share * planned
    if expected - came <= _CHANCE * math.sqrt(expected):
        return 1.0
    rate = (came + _DOUBT * planned) / (expected + _DOUBT * planned)
    return rate * (1.0 - share) / (1.0 - rate * share)


def elapsed(plan: PlanPrices, now: datetime) -> float:
    """The share of the plan's days that is over, in [0, 1]."""
    return min(max((now - datetime.fromisoformat(plan.as_of)) / timedelta(days=DAYS), 0.0), 1.0)


def paced(plan: PlanPrices, spent: Mapping[str, float], rest: Floats) -> PlanPrices:
    """The plan with the prices that hold when `spent` was used up by row.

    A row that the plan does not use up has no price; it gets one where more would be used than is left:
    what a unit of it earns in the plan, times what the factor exceeds 1 by. Minimum volumes keep theirs.

    Parameters
    ----------
    rest
        (options,), the plan's contacts with customers who are still expected.
    """
    prices = dict(plan.prices)
    for row, limit in _bounds(plan):
        if limit == 0.0:  # closed from the start
            continue
        due, left = float(np.dot(plan.usage[row], rest)), limit - spent.get(row, 0.0)
        # Sums of money differ in their last digits: that says nothing.
        even = abs(due - left) <= _ROUNDED * limit
        factor = 1.0 if even else pace(due, left, plan.demand[row])
        earned = max(plan.value, 0.0) / limit
        prices[row] = prices[row] * factor if prices[row] else earned * max(factor - 1.0, 0.0)
    return replace(plan, prices=prices)


class Pacer:
    """Prices now, from the last plan and what was used since; the log holds all state.

    What is counted tells `serving.deciding.spending`. What each manager can do is priced as in the plan,
    and not paced: a manager has too few customers.
    """

    def __init__(self, home: Home, catalogue: Catalogue, policy: Policy) -> None:
        self._home, self._catalogue, self._policy = home, catalogue, policy
        options = [option.name for option in catalogue.options]
        self._spending = Spending(home, options, policy.plan.max_offers)

    def priced(self, now: datetime | None) -> Priced:
        """What options cost at a moment; None where time stands still, so that nothing is paced.

        Nothing is either where the log does not hold the plan's decisions.

        Raises
        ------
        CorruptError
            If the last plan's file is not a plan's.
        """
        plan = last_prices(self._home, self._catalogue)
        if plan is None:
            reasons = ("no_plan",) if _limited(self._policy.plan) else ()
            return Priced(None, np.zeros(len(self._catalogue.options), dtype=np.bool_), reasons)
        used = self._spending.since(plan.as_of, now, plan.plan_id)
        spent = {row: float(np.dot(plan.usage[row], used.contacts)) for row, _ in _bounds(plan)}
        rest, share = np.zeros(len(plan.options)), elapsed(plan, now) if now else 0.0
        if used.known:
            rest = np.asarray(plan.contacts, dtype=np.float64) - used.planned
            rest *= still_come(used.came, plan.customers, share)
        closed = _closed(plan, spent, rest)
        over = ("plan_over",) if share == 1.0 else ()
        room = _room(plan, spent, closed)
        return Priced(paced(plan, spent, rest) if now and used.known else plan, closed, over, room)


def _limited(plan: Plan) -> bool:
    return bool(plan.budgets or plan.hours or plan.managers or plan.offers)


def _bounds(plan: PlanPrices) -> Iterator[tuple[str, float]]:
    """The rows that must not be passed, with their limits: all but those of minimum volumes."""
    for row, limit in plan.limits.items():
        if not row.startswith("least "):
            yield row, limit


def _closed(plan: PlanPrices, spent: Mapping[str, float], rest: Floats) -> NDArray[np.bool_]:
    """Options of which one more would pass a limit, or leave too little for what uses less of it.

    One dear contact may not take the place of hundreds of cheap ones: what the plan makes of these in the
    `rest` of the month is kept for them (Littlewood's nested limits).
    """
    closed = np.zeros(len(plan.options), dtype=np.bool_)
    for row, limit in _bounds(plan):
        usage = np.asarray(plan.usage[row], dtype=np.float64)
        cheaper = np.where(usage[:, None] > usage[None, :], usage * rest, 0.0).sum(axis=1)
        closed |= (usage > 0.0) & (spent[row] + usage + cheaper > limit * (1.0 + 1e-9))
    return closed


def _room(plan: PlanPrices, spent: Mapping[str, float], closed: NDArray[np.bool_]) -> int:
    """How many customers may be decided for until somebody looks again, from 1 to 100."""
    room = float(_AT_ONCE)
    for row, limit in _bounds(plan):
        most = float(np.max(np.asarray(plan.usage[row])[~closed], initial=0.0))
        room = min(room, (limit - spent[row]) / most) if most else room
    return int(max(room + 1e-9, 1.0))
