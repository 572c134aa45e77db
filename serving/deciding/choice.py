"""From values to actions: what each arm does with each customer, and with which chance it does so."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.policy.nouns import Arm, What

__all__ = ["NOTHING", "Choices", "at_prices", "best", "choose"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

NOTHING = -1
"""No contact: an action like the others, and logged like them."""


@dataclass(frozen=True)
class Choices:
    """One action for each customer.

    action
        (n,), place of an option, or NOTHING.
    probability
        (n,), in (0, 1]: the chance with which this action was taken, over the draw of the arm and within
        it. It is what makes off-policy estimates valid.
    """

    action: Ints
    probability: Floats


def best(values: Floats, allowed: Mask) -> Ints:
    """The allowed option of highest value above zero for each row, NOTHING where there is none; (n,)."""
    offered = np.where(allowed & (values > 0.0), values, -np.inf)
    first = offered.argmax(axis=1)
    return np.where(np.isfinite(offered[np.arange(len(first)), first]), first, NOTHING)


def at_prices(values: Floats, allowed: Mask, prices: Floats) -> Ints:
    """As `best`, after the price of what each option uses: prices (m,) or (n, m), in major units."""
    return best(values - prices, allowed)


def choose(
    arms: Sequence[Arm], drawn: Ints, by: dict[What, Ints], allowed: Mask, exploration: float, draws: Floats
) -> Choices:
    """What the drawn arm does with each customer.

    Parameters
    ----------
    arms, drawn
        The experiment's arms, and each customer's place among them, (n,).
    by
        The action of each arm that does not draw one, (n,) each: propensity_only, no_constraints, champion.
    allowed
        (n, m).
    exploration
        Share of the champion's decisions that are drawn at random.
    draws
        (n, 2), uniform in [0, 1), independent of everything else: whether to explore, and what to draw.
    """
    candidates = allowed.sum(axis=1) + 1  # nothing is one of them
    picked = _nth(allowed, np.minimum((draws[:, 1] * candidates).astype(np.int64), candidates - 1))
    explores = draws[:, 0] < exploration
    action = np.full(len(drawn), NOTHING, dtype=np.int64)
    for place, arm in enumerate(arms):
        here = drawn == place
        if arm.what == "random_eligible":
            action[here] = picked[here]
        elif arm.what != "universal_control":
            action[here] = by[arm.what][here]
        if arm.what == "champion":
            action[here & explores] = picked[here & explores]
    return Choices(action, _chance(arms, action, by, 1.0 / candidates, exploration))


def _chance(
    arms: Sequence[Arm], action: Ints, by: dict[What, Ints], uniform: Floats, exploration: float
) -> Floats:
    chance = np.zeros(len(action))
    for arm in arms:
        if arm.what == "universal_control":
            chance += arm.share * (action == NOTHING)
        elif arm.what == "random_eligible":
            chance += arm.share * uniform
        else:
            explores = exploration if arm.what == "champion" else 0.0
            chance += arm.share * ((1.0 - explores) * (action == by[arm.what]) + explores * uniform)
    return chance


def _nth(allowed: Mask, place: Ints) -> Ints:
    """The allowed option with the given place among them, counted from 1; NOTHING for 0."""
    reached = allowed.cumsum(axis=1) == place[:, None]
    found = (reached & allowed).argmax(axis=1)
    return np.where(place > 0, found, NOTHING)
