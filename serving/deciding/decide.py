"""From columns and effects to decisions: one path for lists, plans and live answers.

First `weigh`, what may be offered to each customer and what that changes; then `decide`, what is done.
Both take any number of customers, and answer each of them to the bit as if alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.vocabulary import Catalogue
from serving.deciding.arms import assign, drawn
from serving.deciding.choice import at_prices, best, choose
from serving.deciding.worth import Effects, propensity_values, values
from serving.policy import Arm, Policy, Removed, allowed
from serving.policy.nouns import What

__all__ = ["Decided", "Draw", "Weighed", "decide", "draw", "weigh"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Weighed:
    """What may be done for n customers and what it is worth; options in the order of the catalogue.

    removed
        Which options are removed for whom, and by which rule.
    values
        (n, options) float32: incremental value in major units, also of removed options; NaN where it is
        not known. Seven digits are enough for money, and a plan of a million customers fits in memory.
    by_propensity
        (n,), the allowed option of highest propensity x margin less cost, or NOTHING.
    """

    removed: Removed
    values: NDArray[np.float32]
    by_propensity: Ints

    @property
    def offered(self) -> NDArray[np.float32]:
        """The values, -inf where the option is removed or its value not known: what a plan allocates."""
        known = self.removed.allowed & ~np.isnan(self.values)
        return np.where(known, self.values, np.float32(-np.inf))

    def of_rows(self, rows: Ints) -> "Weighed":
        """The same of some of the customers."""
        removed = replace(self.removed, codes=self.removed.codes[rows])
        return Weighed(removed, self.values[rows], self.by_propensity[rows])


@dataclass(frozen=True)
class Draw:
    """What chance says about n customers.

    arm
        (n,), place in the policy's arms.
    numbers
        (n, 2), uniform in [0, 1): whether to explore, and which option.
    planned
        (n,), whether the champion decides, and does not explore.
    """

    arm: NDArray[np.uint8]
    numbers: Floats
    planned: NDArray[np.bool_]


@dataclass(frozen=True)
class Decided:
    """One decision for each of n customers.

    arm
        (n,), place in the policy's arms.
    planned
        (n,), whether the champion decided, and did not explore.
    option
        (n,), the option chosen, or NOTHING; for the universal control what the champion would have done.
    action, probability
        (n,), what is done, an option or NOTHING; and the chance of that, in (0, 1], over the draw of
        the arm and within it.
    net
        (n, options), value after the prices of what the option uses; NaN where it is not known.
    """

    weighed: Weighed
    arm: NDArray[np.uint8]
    planned: NDArray[np.bool_]
    option: Ints
    action: Ints
    probability: Floats
    net: Floats

    def of_rows(self, rows: Ints) -> "Decided":
        """The decisions about some of the customers."""
        by_customer = ("arm", "planned", "option", "action", "probability", "net")
        some = {name: getattr(self, name)[rows] for name in by_customer}
        return replace(self, weighed=self.weighed.of_rows(rows), **some)


def weigh(columns: Mapping[str, Any], effects: Effects, catalogue: Catalogue, policy: Policy) -> Weighed:
    """What each customer may be offered, and what each option changes in money.

    Parameters
    ----------
    columns
        Features and scores by name, n rows: those of `serving.policy.columns_needed`.
    effects
        Of the same customers.

    Raises
    ------
    InputError
        If a column that a rule needs is missing.
    """
    removed = allowed(columns, catalogue, policy)
    by_propensity = best(propensity_values(effects, catalogue), removed.allowed)
    return Weighed(removed, values(effects, catalogue, policy).astype(np.float32), by_propensity)


def draw(customer_ids: Sequence[str], policy: Policy, *, salt: str, occasion: str) -> Draw:
    """Draw each customer's arm, for the policy's period, and exploration, for the occasion alone."""
    arm = assign(salt, policy.period, policy.arms, customer_ids)
    numbers = np.empty((len(arm), 2))
    numbers[:, 0] = drawn(salt, f"explore {occasion}", customer_ids)
    numbers[:, 1] = drawn(salt, f"pick {occasion}", customer_ids)
    champion = _are(policy.arms, "champion")[arm]
    return Draw(arm, numbers, champion & (numbers[:, 0] >= policy.exploration))


@lru_cache(maxsize=64)
def _are(arms: tuple[Arm, ...], what: What) -> NDArray[np.bool_]:
    return np.array([arm.what == what for arm in arms])


def decide(
    customer_ids: Sequence[str],
    weighed: Weighed,
    prices: Floats,
    policy: Policy,
    *,
    salt: str,
    occasion: str,
    planned: Ints | None = None,
) -> Decided:
    """Draw each customer's arm and exploration, and act as the arm says.

    Parameters
    ----------
    prices
        (n, options) or (options,), what the use of scarce things costs: `PlanPrices.of`, or zeros.
    salt
        The secret behind the draws.
    occasion
        What exploration is drawn for, such as the as_of: the same one draws the same, in lists and live.
    planned
        (n,), what a plan gave each customer; without one the champion takes the best option at the prices.
    """
    may, found = weighed.removed.allowed, weighed.values.astype(np.float64)
    champion = at_prices(found, may, prices) if planned is None else planned
    by: dict[What, Ints] = {
        "propensity_only": weighed.by_propensity,
        "no_constraints": best(found, may),
        "champion": champion,
    }
    lot = draw(customer_ids, policy, salt=salt, occasion=occasion)
    made = choose(policy.arms, lot.arm.astype(np.int64), by, may, policy.exploration, lot.numbers)
    held_out = _are(policy.arms, "universal_control")[lot.arm]
    option = np.where(held_out, champion, made.action)
    return Decided(weighed, lot.arm, lot.planned, option, made.action, made.probability, found - prices)
