"""Prices on the way through a plan's month: higher where spending is ahead of its path, lower behind it.

The path of a row spends its limit evenly over the plan's days. A row's price is the plan's, times

    exp(gain x (spent - path) / limit), within [1 / most, most],

which is what multiplicative steps after each customer add up to (Balseiro, Lu and Mirrokni 2020, dual
mirror descent with the entropy as reference). So the log is the whole state: it tells what was spent.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from features.home import Home
from features.vocabulary import Catalogue
from serving.deciding.decide import draw
from serving.deciding.prices import PlanPrices
from serving.lists.sources import last_prices
from serving.log.decisions import open_log
from serving.policy import Plan, Policy

__all__ = ["DAYS", "Pacer", "Priced", "elapsed", "pace", "paced"]

Floats = NDArray[np.float64]

DAYS = 30
"""How long a plan's limits are for."""

_GAIN, _MOST, _CHANCE = 10.0, 8.0, 2.0


@dataclass(frozen=True)
class Priced:
    """What an option costs now: a plan's prices as paced, and the options that a limit has closed.

    plan
        None where there is none.
    closed
        (options,), whether one more choice would pass a limit.
    reasons
        Why the prices are not those that they should be: `no_plan` was made for the options that there
        are, though the policy has limits, or `plan_over`, its days are.
    """

    plan: PlanPrices | None
    closed: NDArray[np.bool_]
    reasons: tuple[str, ...] = ()

    @property
    def plan_id(self) -> str:
        """Empty without a plan."""
        return self.plan.plan_id if self.plan else ""

    def of(self, managers: Sequence[str]) -> Floats:
        """What the scarce things that each option uses are worth elsewhere, (n, options)."""
        return self.plan.of(managers) if self.plan else np.zeros((len(managers), len(self.closed)))


def pace(spent: float, path: float, limit: float) -> float:
    """The factor on a row's price, in [1/8, 8]: 1 on the path, higher ahead of it; limit above 0."""
    most = math.log(_MOST)
    return math.exp(min(max(_GAIN * (spent - path) / limit, -most), most))


def elapsed(plan: PlanPrices, now: datetime) -> float:
    """The share of the plan's days that is over, in [0, 1]."""
    return min(max((now - datetime.fromisoformat(plan.as_of)) / timedelta(days=DAYS), 0.0), 1.0)


def paced(plan: PlanPrices, spent: Mapping[str, float], share: float) -> PlanPrices:
    """The plan with the prices that hold when `spent` was used up by row and `share` of its days is over.

    Only what chance does not explain counts: beyond two standard deviations of as many contacts as the
    path pays for. A row that the plan does not use up has no price; it gets one where spending runs ahead:
    what a unit of it earns in the plan, times what the factor exceeds 1 by. Minimum volumes keep theirs.
    """
    prices = dict(plan.prices)
    for row, limit in _bounds(plan):
        if limit == 0.0:  # closed from the start
            continue
        path = share * limit
        chance = _CHANCE * math.sqrt(path * max(plan.usage[row]))  # of a count of the dearest contacts
        off = spent.get(row, 0.0) - path
        factor = pace(path + math.copysign(max(abs(off) - chance, 0.0), off), path, limit)
        earned = max(plan.value, 0.0) / limit
        prices[row] = prices[row] * factor if prices[row] else earned * max(factor - 1.0, 0.0)
    return replace(plan, prices=prices)


class Pacer:
    """Prices now, from the last plan and what live decisions used since; the log holds all state.

    Only those whom the plan's limits bind are counted: the champion's customers who do not explore.
    What each manager can do is priced as in the plan, and not paced: a manager has too few customers.

    Parameters
    ----------
    salt
        The secret behind the draws of arms and exploration.
    """

    def __init__(self, home: Home, catalogue: Catalogue, policy: Policy, salt: str) -> None:
        self._home, self._catalogue, self._policy, self._salt = home, catalogue, policy, salt
        self._place = {option.name: place for place, option in enumerate(catalogue.options)}
        self._plan_id, self._read, self._used = "", 0, np.zeros(len(self._place))

    def priced(self, now: datetime | None) -> Priced:
        """What options cost at a moment; None where time stands still, so that nothing is paced.

        Raises
        ------
        CorruptError
            If the last plan's file is not a plan's.
        """
        plan = last_prices(self._home, self._catalogue)
        if plan is None:
            reasons = ("no_plan",) if _limited(self._policy.plan) else ()
            return Priced(None, np.zeros(len(self._place), dtype=np.bool_), reasons)
        if plan.plan_id != self._plan_id:
            self._plan_id, self._read, self._used = plan.plan_id, 0, np.zeros(len(self._place))
        self._count()
        spent = {row: float(np.dot(plan.usage[row], self._used)) for row, _ in _bounds(plan)}
        closed = _closed(plan, spent)
        if now is None:
            return Priced(plan, closed)
        share = elapsed(plan, now)
        return Priced(paced(plan, spent, share), closed, ("plan_over",) if share == 1.0 else ())

    def _count(self) -> None:
        """Add the live decisions that were logged since the last time."""
        if not self._home.decisions_db.is_file():
            return
        with open_log(self._home.decisions_db, only_read=True) as log:
            rows = log.execute(
                "SELECT rowid, customer_id, action, as_of FROM decisions WHERE rowid > ? AND kind = 'live'"
                " AND prices = ? AND arm = 'champion' AND action <> '' ORDER BY rowid",
                (self._read, self._plan_id),
            ).fetchall()
        for _, customer_id, action, as_of in rows:
            lot = draw([customer_id], self._policy, salt=self._salt, occasion=as_of)
            self._used[self._place[action]] += lot.planned[0]
        self._read = rows[-1][0] if rows else self._read


def _limited(plan: Plan) -> bool:
    return bool(plan.budgets or plan.hours or plan.managers or plan.offers)


def _bounds(plan: PlanPrices) -> Iterator[tuple[str, float]]:
    """The rows that must not be passed, with their limits: all but those of minimum volumes."""
    for row, limit in plan.limits.items():
        if not row.startswith("least "):
            yield row, limit


def _closed(plan: PlanPrices, spent: Mapping[str, float]) -> NDArray[np.bool_]:
    closed = np.zeros(len(plan.options), dtype=np.bool_)
    for row, limit in _bounds(plan):
        usage = np.asarray(plan.usage[row])
        closed |= (usage > 0.0) & (spent[row] + usage > limit * (1.0 + 1e-9))
    return closed
