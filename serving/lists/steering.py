"""What pacing needs to know of a plan: how much less of a scarce thing is used at a higher price of it."""

import numpy as np
from numpy.typing import NDArray

from serving.allocation import Problem
from serving.deciding.choice import at_prices

__all__ = ["steepness"]

Floats = NDArray[np.float64]

_SAMPLE, _STEP = 50_000, 1.25
_LEAST, _MOST = 0.1, 10.0


def steepness(values: NDArray[np.float32], problem: Problem, prices: Floats) -> Floats:
    """By row, by how many per cent less of it is used at a price one per cent higher, in [0.1, 10].

    From the choices of up to 50,000 customers, evenly spread, at 1.25 times the price and at its 1.25th
    part, all other prices being the same. 1 where the row has no price, or nobody uses it at either.

    Parameters
    ----------
    values
        (n, options), -inf where an option may not be offered.
    prices
        (rows,), of the plan; those of minimum volumes are below 0.
    """
    some = values[:: -(-len(values) // _SAMPLE)].astype(np.float64)
    allowed = some > -np.inf
    found = np.ones(len(prices))
    uses = [np.asarray(row.usage, dtype=np.float64) for row in problem.limits]
    charged = sum((p * u for p, u in zip(prices.tolist(), uses, strict=True)), np.zeros(some.shape[1]))
    for place, (usage, price) in enumerate(zip(uses, prices.tolist(), strict=True)):
        if price <= 0.0:
            continue
        used = []
        for factor in (1.0 / _STEP, _STEP):
            chosen = at_prices(some, allowed, charged + (factor - 1.0) * price * usage)
            used.append(float(usage[chosen[chosen >= 0]].sum()))
        if used[0] > 0.0:
            change = np.log(used[0] / max(used[1], 1e-9 * used[0])) / (2.0 * np.log(_STEP))
            found[place] = min(max(change, _LEAST), _MOST)
    return found
