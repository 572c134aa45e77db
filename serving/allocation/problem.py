"""The nouns of an allocation: blocks of customers, options, and the rows that limit a plan."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["Block", "Fairness", "GroupLimit", "Limit", "Plan", "Pricing", "Problem"]

Floats = np.ndarray[Any, Any]
Ints = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Block:
    """Some customers, in the order of their row numbers.

    values
        (rows, m) float32 or float64, net value in major units; -inf where not allowed.
    groups
        (rows,) int, the customer's group in [0, n_groups), -1 for none, whom no group limits;
        None where no group limit exists.
    sides
        (rows,) int, 1 and 2 for the two sides of the fairness row, 0 for neither; None without one.
    costs
        (rows, m), at least 0: use of the rows whose usage is "costs"; read only where allowed.
    """

    values: Floats
    groups: Ints | None = None
    sides: Ints | None = None
    costs: Floats | None = None


@dataclass(frozen=True)
class Limit:
    """One row over all customers: a budget, a channel's capacity, an offer's cap, a minimum volume.

    usage
        (m,), at least 0: what one customer's choice of each option uses; "costs" where the blocks say.
    at_least
        The sum is to reach the limit instead of staying below it.
    """

    name: str
    unit: str
    limit: float
    usage: Floats | Literal["costs"]
    at_least: bool = False


@dataclass(frozen=True)
class GroupLimit:
    """One capacity for each group of customers, such as a relationship manager's.

    limits
        (n_groups,), at least 0.
    usage
        (m,), at least 0; 0 for the options that do not use it.
    """

    name: str
    unit: str
    limits: Floats
    usage: Floats


@dataclass(frozen=True)
class Fairness:
    """The mean benefit of side 1 and that of side 2 differ by `delta` at most, in both directions."""

    name: str
    unit: str
    delta: float
    measure: Literal["value", "contacts"]


@dataclass(frozen=True)
class Problem:
    """What to allocate: each customer takes at most k options, one of each offer, or nothing.

    blocks
        Gives the blocks anew at every call, always the same: the solver reads them many times and
        holds one at a time. Sizes do not matter for the result.
    offers
        (m,), the code of the offer that each option makes.
    """

    blocks: Callable[[], Iterable[Block]]
    offers: Ints
    limits: tuple[Limit, ...] = ()
    group: GroupLimit | None = None
    fairness: Fairness | None = None
    k: int = 1


@dataclass(frozen=True)
class Pricing:
    """The prices of a plan as a value after prices: all that is needed to choose for one more customer.

    For a customer of side s and group g an option j is worth factor[s] * value - by_option[s, j]
    - groups[g] * group_use[j] - cost_price * cost.

    by_option, factor
        (3, m) and (3,); side 0 without a fairness row.
    """

    by_option: Floats
    factor: Floats
    cost_price: float
    groups: Floats
    group_use: Floats
    offers: Ints
    k: int


@dataclass(frozen=True)
class Plan:
    """An allocation with its certificate.

    chosen
        (n, k) int16, the options taken, by number; -1 after the last, and for nothing.
    prices
        Row name -> currency for one more unit; for a minimum, what one unit less of it is worth.
        The fairness row has two rows, one in each direction.
    group_prices
        (n_groups,), in the same sense.
    usage, group_usage
        What the plan uses, summed anew from the data.
    value
        Of the plan, in major units, summed anew from the data.
    bound
        No plan that keeps every row is worth more.
    gap
        (bound - value) / abs(bound); 0 where both are 0.
    tries
        Of prices, on all customers; each reads them once, and once more where groups have limits.
    """

    chosen: Ints
    prices: dict[str, float]
    group_prices: Floats
    usage: dict[str, float]
    group_usage: Floats
    value: float
    bound: float
    gap: float
    tries: int
    pricing: Pricing
