"""Who decides in the policy benchmark: each says for a month which option, if any, each customer gets.

All keep the same row-wise rules, the same budget and the same hours; those that rank by money (`Tenure`,
propensity x value, the oracle) share one allocation as well, so that they differ by what they maximise
alone. The others fill the budget in the order of their own list.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.policy_bank import Floats, Ints, Month, later_worth
from features.catalogue import terms_of
from features.selling.expressions import Facts
from features.selling.offers import Option
from features.selling.parsing import parse_expression
from features.vocabulary import Catalogue
from serving.allocation import Block, Limit, Problem, allocate, at_once
from serving.deciding.choice import NOTHING
from serving.deciding.worth import Effects, propensity_values, values
from serving.policy import Policy

__all__ = ["BEST", "NOBODY", "PLAYERS", "Limits", "Player", "Situation", "allocated"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Limits:
    """What a month may use: money for contacts, and hours of work by channel."""

    money: float
    hours: Mapping[str, float]

    def rows(self, options: tuple[Option, ...]) -> tuple[Limit, ...]:
        """As the allocation takes them."""
        cost = np.array([option.cost for option in options])
        hour = np.array([option.minutes for option in options]) / 60.0
        by = np.array([option.channel for option in options])
        work = (Limit(name, "hour", most, hour * (by == name)) for name, most in self.hours.items())
        return (Limit("budget", "EUR", self.money, cost), *work)


@dataclass(frozen=True)
class Situation:
    """What is known as a month begins, of n customers; the truth is for the oracle's eyes alone.

    columns
        Features, with the scores among them.
    allowed
        (n, m), by the rules that hold for all.
    learned, stated
        Effects of contacts as Tenure has them, and by the catalogue's priors alone.
    left
        Months of the benchmark still to come, this one included.
    """

    columns: Mapping[str, Any]
    allowed: Mask
    learned: Effects
    stated: Effects
    truth: Month
    catalogue: Catalogue
    policy: Policy
    limits: Limits
    left: int
    seed: int

    @property
    def rest(self) -> int:
        """Months from one contact to the next, by the rules that hold for all."""
        rests = [window.days / window.most for window in self.policy.contact.windows if not window.channel]
        return max(1, round(max(rests, default=0) / 30))


Player = Callable[[Situation], Ints]


def nobody(now: Situation) -> Ints:
    """Contacts nobody: what all are measured against."""
    return np.full(len(now.allowed), NOTHING, np.int64)


def at_random(now: Situation) -> Ints:
    """Draws one of each customer's allowed options, and customers, until something is used up."""
    rng = np.random.default_rng(now.seed)
    keys = np.where(now.allowed, rng.random(now.allowed.shape), -1.0)
    return _in_order(keys.argmax(axis=1), rng.permutation(len(keys)), now)


_RULES: tuple[tuple[str, str], ...] = (
    ("inflow_change_3m < -0.5 and days_since_session > 30", "fee_waiver"),
    ("balance_total >= 15000", "investment"),
    ("balance_total >= 4000", "savings_account"),
    ("income_sum_3m > 3000 and 25 <= age_years < 60 and balance_total < 2000", "loan"),
    ("income_sum_3m > 0 and 20 <= age_years < 60", "card"),
    ("holds_loan == 1 or household_size > 1", "insurance"),
    ("used_app_180d > 0", "standing_order"),
)
"""A campaign manager's list: the first line that fits and may be offered is the customer's offer."""


def by_rules(now: Situation) -> Ints:
    """The hand-written list, by the preferred channel or else the cheapest, the largest balances first.

    Nobody is contacted by it more than twice in three months.
    """
    facts, terms = Facts(now.columns), terms_of(now.catalogue)
    picked = np.full(len(now.allowed), NOTHING, np.int64)
    for where, offer in _RULES:
        free = (picked == NOTHING) & parse_expression(where, terms, "rules").holds(facts)
        found = _by_usual_channel(now, offer)
        picked = np.where(free & (found != NOTHING), found, picked)
    picked = np.where(_numbers(now, "contacts_90d", 0.0) <= 1, picked, NOTHING)
    return _in_order(picked, np.argsort(-_numbers(now, "balance_total", -np.inf), kind="stable"), now)


def riskiest_first(now: Situation) -> Ints:
    """The retention offer to the likeliest to leave, until something is used up."""
    order = np.argsort(-_numbers(now, "churn", -1.0), kind="stable")
    return _in_order(_by_usual_channel(now, "fee_waiver"), order, now)


def propensity_stated(now: Situation) -> Ints:
    """Propensity x value less cost as it is usually done: propensity scores and the catalogue's margins."""
    return allocated(propensity_values(now.stated, now.catalogue), now)


def propensity(now: Situation) -> Ints:
    """The same with Tenure's learned chances after a contact and margins, which usually nobody has."""
    return allocated(propensity_values(now.learned, now.catalogue), now)


def tenure_stated(now: Situation) -> Ints:
    """Tenure before any randomised outcome: the catalogue's priors."""
    return allocated(values(now.stated, now.catalogue, now.policy), now)


def tenure(now: Situation) -> Ints:
    """Tenure with what it has learned."""
    return allocated(values(now.learned, now.catalogue, now.policy), now)


def oracle(now: Situation) -> Ints:
    """The truth: what each option changes this month, and what it is worth later."""
    worth = now.truth.gain + later_worth(now.truth, now.allowed, now.left, now.rest)
    return allocated(worth, now)


PLAYERS: dict[str, Player] = {
    "nobody": nobody,
    "random": at_random,
    "rules": by_rules,
    "highest risk first": riskiest_first,
    "propensity x value": propensity_stated,
    "propensity x value, Tenure's chances and margins": propensity,
    "Tenure, stated priors": tenure_stated,
    "Tenure": tenure,
    "oracle": oracle,
}
NOBODY, BEST = "nobody", "oracle"


def allocated(worth: Floats, now: Situation) -> Ints:
    """The options of highest total worth within the limits, (n,); worth (n, m), NaN where unknown."""
    offered = np.where(now.allowed & (worth > 0.0), worth, -np.inf)
    if not np.isfinite(offered).any():
        return nobody(now)
    offers = np.unique([option.offer for option in now.catalogue.options], return_inverse=True)[1]
    rows = now.limits.rows(now.catalogue.options)
    plan = allocate(Problem(at_once(Block(offered.astype(np.float32))), offers, rows))
    return plan.chosen[:, 0].astype(np.int64)


def _in_order(picked: Ints, order: Ints, now: Situation) -> Ints:
    """The picked options, customer after customer in the given order, as far as every limit allows."""
    rows = now.limits.rows(now.catalogue.options)
    usage = np.array([row.usage for row in rows])
    rest = np.array([row.limit for row in rows])
    action = np.full(len(picked), NOTHING, np.int64)
    for who in order[(picked[order] >= 0) & now.allowed[order, picked[order]]].tolist():
        used = usage[:, picked[who]]
        if (used <= rest).all():
            rest -= used
            action[who] = picked[who]
    return action


def _by_usual_channel(now: Situation, offer: str) -> Ints:
    """The offer by the preferred channel, or else the cheapest one allowed; NOTHING where none is."""
    preferred = np.asarray(now.columns["preferred_channel"], dtype=object)
    places = [i for i, option in enumerate(now.catalogue.options) if option.offer == offer]
    found = np.full(len(now.allowed), NOTHING, np.int64)
    for place in sorted(places, key=lambda i: -now.catalogue.options[i].cost):
        found = np.where(now.allowed[:, place], place, found)
    for place in places:
        liked = preferred == now.catalogue.options[place].channel
        found = np.where(now.allowed[:, place] & liked, place, found)
    return found


def _numbers(now: Situation, name: str, missing: float) -> Floats:
    return np.nan_to_num(np.asarray(now.columns[name], dtype=np.float64), nan=missing)
