"""The statistics of a controlled campaign: differences with intervals, sample ratio, and power."""

from math import erfc, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from training.estimate import Estimate, Z

__all__ = [
    "Power",
    "newcombe_difference",
    "power_of",
    "sample_ratio_p_value",
    "summed",
    "welch_difference",
]

_Z_POWER = 0.8416212335729143  # 80% point of the normal distribution


class Power(NamedTuple):
    """What a comparison of such sizes can find.

    smallest
        The true difference that would be found (two-sided, 5%) with 80% power.
    needed
        Customers, split between the groups as these were, for whom the difference that was seen would
        be that smallest one; None where no difference was seen.
    """

    smallest: float
    needed: int | None


def newcombe_difference(takers_a: int, n_a: int, takers_b: int, n_b: int) -> Estimate:
    """Difference of two independent rates, a - b, with Newcombe's hybrid score interval.

    Method 10 of Newcombe (1998), Statistics in Medicine 17, 873-890: it keeps its coverage for
    small groups and rates near 0, where the Wald interval does not. Both groups hold at least one.

    >>> newcombe_difference(56, 70, 48, 80)  # Newcombe's first example: 0.0524 to 0.3339
    Estimate(point=0.20000000000000007, low=0.0524..., high=0.3338...)
    """
    a, b = _wilson(takers_a, n_a), _wilson(takers_b, n_b)
    point = a.point - b.point
    low = point - sqrt((a.point - a.low) ** 2 + (b.high - b.point) ** 2)
    high = point + sqrt((a.high - a.point) ** 2 + (b.point - b.low) ** 2)
    return Estimate(point, low, high)


def welch_difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> Estimate:
    """Difference of two means, a - b, of groups whose variances differ.

    Welch (1947), Biometrika 34, 28-35. A group of one tells nothing of its variance: its interval has
    no ends.
    """
    point = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return Estimate(point, float("-inf"), float("inf"))
    if a.std() == 0 and b.std() == 0:
        return Estimate(point, point, point)
    found: Any = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    return Estimate(point, float(found.low), float(found.high))


def power_of(seen: float, deviation_a: float, n_a: int, deviation_b: float, n_b: int) -> Power:
    """Power of a comparison of two means or rates, from the standard deviations of one customer.

    Bloom (1995), Evaluation Review 19, 547-556: the smallest difference is (z.975 + z.80) standard
    errors; the standard error falls with the root of the sizes.

    >>> power_of(0.01, 0.2, 1000, 0.2, 1000)
    Power(smallest=0.0250..., needed=12558)
    """
    smallest = (Z + _Z_POWER) * sqrt(deviation_a**2 / n_a + deviation_b**2 / n_b)
    needed = round((n_a + n_b) * (smallest / seen) ** 2) if seen else None
    return Power(smallest, needed)


def sample_ratio_p_value(n_target: int, n_control: int, planned_target: float) -> float:
    """P-value of Pearson's chi-square (one degree of freedom) of the arms' sizes against the plan.

    >>> round(sample_ratio_p_value(900, 100, 0.9), 6)
    1.0
    """
    n = n_target + n_control
    expected = (n * planned_target, n * (1.0 - planned_target))
    square = sum((seen - e) ** 2 / e for seen, e in zip((n_target, n_control), expected, strict=True))
    return erfc(sqrt(square / 2.0))


def summed(parts: list[Estimate]) -> Estimate:
    """The sum of independent estimates; its interval by squares of the parts' arms.

    The method of variance estimates recovery: Zou, Donner (2008), Statistics in Medicine 27, 1693-1702.
    """
    point = sum(p.point for p in parts)
    low = point - sqrt(sum((p.point - p.low) ** 2 for p in parts))
    return Estimate(point, low, point + sqrt(sum((p.high - p.point) ** 2 for p in parts)))


def _wilson(takers: int, n: int) -> Estimate:
    rate = takers / n
    centre = (rate + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return Estimate(rate, centre - half, centre + half)
