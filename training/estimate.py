"""An estimate with its 95% interval."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Estimate", "Z", "by_influence", "by_resamples"]

Z = 1.959963984540054
"""97.5% point of the normal distribution."""


class Estimate(NamedTuple):
    """A number and the ends of its 95% interval, in one unit."""

    point: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Standard error of an interval that is symmetric."""
        return (self.high - self.low) / (2 * Z)


def by_influence(
    point: float, influence: NDArray[np.float64], clusters: NDArray[Any] | None = None
) -> Estimate:
    """Normal interval from what each row adds to the estimate's error.

    Parameters
    ----------
    influence
        Shape (n,), about 0 on average; the estimate's error is their mean.
    clusters
        Rows of one cluster (a customer) are not independent and count as one; shape (n,).
    """
    sums: NDArray[np.float64] = influence
    if clusters is not None:
        codes, _ = pd.factorize(clusters)
        sums = np.bincount(codes, weights=influence).astype(np.float64)
    if len(sums) < 2:
        return Estimate(point, float("-inf"), float("inf"))
    error = float(np.sqrt(np.sum(sums**2) * len(sums) / (len(sums) - 1))) / len(influence)
    return Estimate(point, point - Z * error, point + Z * error)


def by_resamples(point: float, draws: NDArray[np.float64]) -> Estimate:
    """Percentile interval from bootstrap draws of the estimate, shape (draws,); NaN draws are left out."""
    known = draws[np.isfinite(draws)]
    if not len(known):
        return Estimate(point, float("nan"), float("nan"))
    low, high = np.quantile(known, (0.025, 0.975))
    return Estimate(point, float(low), float(high))
