"""What pacing needs to know of a plan: what is used of a scarce thing at lower and higher prices of it."""

import numpy as np
from numpy.typing import NDArray

from serving.allocation import Problem
from serving.deciding.choice import at_prices
from serving.deciding.prices import FACTORS

__all__ = ["demand"]

Floats = NDArray[np.float64]

_SAMPLE = 50_000


def demand(values: NDArray[np.float32], problem: Problem, prices: Floats, beside: Floats) -> Floats:
    """By row, what is used of it at `FACTORS` times its price over what is at the price itself, falling.

    From the choices of up to 50,000 customers, evenly spread, all other prices being the same. 1 / FACTORS
    where the row has no price, or nobody uses it at that.

    Parameters
    ----------
    values
        (n, options), -inf where an option may not be offered.
    prices
        (rows,), of the plan; those of minimum volumes are below 0.
    beside
        (rows,), what is used whatever the price is, such as by experiments.
    """
    step = -(-len(values) // _SAMPLE)
    some = values[::step].astype(np.float64)
    allowed = some > -np.inf
    found = np.tile(1.0 / np.asarray(FACTORS), (len(prices), 1))
    uses = [np.asarray(row.usage, dtype=np.float64) for row in problem.limits]
    charged = sum((p * u for p, u in zip(prices.tolist(), uses, strict=True)), np.zeros(some.shape[1]))
    for place, (usage, price) in enumerate(zip(uses, prices.tolist(), strict=True)):
        if price <= 0.0:
            continue
        used = []
        for factor in FACTORS:
            chosen = at_prices(some, allowed, charged + (factor - 1.0) * price * usage)
            used.append(step * float(usage[chosen[chosen >= 0]].sum()) + float(beside[place]))
        now = used[FACTORS.index(1.0)]
        if now > 0.0:
            found[place] = np.minimum.accumulate(used) / now
    return found
