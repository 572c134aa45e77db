"""What customers choose at the prices of a plan: for the live answer, and wherever the customers are."""

from typing import Any

import numba
import numpy as np

from serving.allocation.customer import choose, reduce_row
from serving.allocation.problem import Block, Pricing
from serving.allocation.stream import arrays_of

__all__ = ["best_choices"]

Array = np.ndarray[Any, Any]


def best_choices(block: Block, pricing: Pricing) -> Array:
    """The options worth most to each customer after prices, (rows, k) int16, best first; -1 none.

    The plan itself differs from it for the few customers between two choices, whom it deals out so
    that every row holds.
    """
    chosen = np.empty((len(block.values), pricing.k), np.int16)
    priced = pricing.by_option, pricing.factor, pricing.cost_price, pricing.groups
    _choose_all(arrays_of(block), priced, (pricing.offers, pricing.group_use, pricing.k), chosen)
    return chosen


@numba.njit(cache=True, nogil=True)
def _choose_all(data: Any, prices: Any, options: Any, chosen: Array) -> None:
    reduced, out = np.empty(data[0].shape[1]), np.empty(options[2], np.int16)
    for i in range(len(chosen)):
        reduce_row(data, i, prices, options[1], reduced)
        choose(reduced, options, 0.0, out)
        chosen[i] = out
