"""The limits of a policy's plan as rows of an allocation, by the options of the catalogue."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.selling.offers import Option
from features.vocabulary import Catalogue
from serving.allocation import GroupLimit, Limit
from serving.policy import Plan

__all__ = ["CAPACITY", "managers_of", "rows_of", "spent_by", "use_of"]

Floats = NDArray[np.float64]

CAPACITY = "managers"
"""The row of what each relationship manager can do."""


def spent_by(catalogue: Catalogue, accepted: Floats) -> Floats:
    """What one choice of each option is expected to cost: the contact, and the incentive where accepted.

    Parameters
    ----------
    accepted
        (options,), mean P(accepts) of the customers who may have the option; NaN where nobody may.
    """
    options = catalogue.options
    incentive = _of(options, "incentive") * np.nan_to_num(accepted)
    found: Floats = _of(options, "cost") + incentive
    return found


def rows_of(plan: Plan, catalogue: Catalogue, spent: Floats) -> tuple[Limit, ...]:
    """Budgets, working hours and volumes, in the order of the policy's file.

    Parameters
    ----------
    spent
        (options,), see `spent_by`.
    """
    options, money = catalogue.options, catalogue.currency
    channel = np.array([option.channel for option in options])
    offer = np.array([option.offer for option in options])
    hours = _of(options, "minutes") / 60.0
    rows = [
        Limit(f"{name} budget", money, most, spent * ((channel == name) | (name == "total")))
        for name, most in plan.budgets.items()
    ]
    rows += [
        Limit(f"{name} hours", "hour", most, hours * (channel == name)) for name, most in plan.hours.items()
    ]
    for name, volume in plan.offers.items():
        made = (offer == name).astype(np.float64)
        if volume.least:
            rows.append(Limit(f"least {name}", "offer", volume.least, made, at_least=True))
        if volume.most is not None:
            rows.append(Limit(f"most {name}", "offer", volume.most, made))
    return tuple(rows)


def use_of(row: Limit, contacts: NDArray[np.int64]) -> float:
    """What some contacts use of a row; contacts (options,)."""
    return float(np.asarray(row.usage, dtype=np.float64) @ contacts)


def managers_of(plan: Plan, catalogue: Catalogue, teams: Sequence[int]) -> GroupLimit | None:
    """What each manager can do, None where the plan does not limit it; a team can do as many times that.

    Parameters
    ----------
    teams
        How many share the work of each manager, one a group.
    """
    if plan.managers is None or not teams:
        return None
    options, limit = catalogue.options, plan.managers
    busy = np.array([option.channel in limit.channels for option in options])
    usage = _of(options, "minutes") / 60.0 if limit.unit == "hours" else np.ones(len(options))
    unit = limit.unit.removesuffix("s")
    return GroupLimit(CAPACITY, unit, limit.limit * np.asarray(teams, dtype=np.float64), usage * busy)


def _of(options: tuple[Option, ...], name: str) -> Floats:
    return np.array([getattr(option, name) for option in options], dtype=np.float64)
