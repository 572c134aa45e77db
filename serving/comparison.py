"""The statistics of a controlled list: the difference of two rates, and the check of the arms' sizes."""

from math import erfc, sqrt
from typing import NamedTuple

__all__ = ["Interval", "newcombe_difference", "sample_ratio_p_value"]

_Z = 1.959963984540054  # 97.5% point of the normal distribution


class Interval(NamedTuple):
    """An estimate with its 95% interval."""

    point: float
    low: float
    high: float


def newcombe_difference(takers_a: int, n_a: int, takers_b: int, n_b: int) -> Interval:
    """Difference of two independent rates, a - b, with Newcombe's hybrid score interval.

    Method 10 of Newcombe (1998), Statistics in Medicine 17, 873-890: it keeps its coverage for
    small groups and rates near 0, where the Wald interval does not. Both groups hold at least one.

    >>> newcombe_difference(56, 70, 48, 80)  # Newcombe's first example: 0.0524 to 0.3339
    Interval(point=0.20000000000000007, low=0.0524..., high=0.3338...)
    """
    a, b = _wilson(takers_a, n_a), _wilson(takers_b, n_b)
    point = a.point - b.point
    low = point - sqrt((a.point - a.low) ** 2 + (b.high - b.point) ** 2)
    high = point + sqrt((a.high - a.point) ** 2 + (b.point - b.low) ** 2)
    return Interval(point, low, high)


def sample_ratio_p_value(n_target: int, n_control: int, planned_target: float) -> float:
    """P-value of Pearson's chi-square (one degree of freedom) of the arms' sizes against the plan.

    >>> round(sample_ratio_p_value(900, 100, 0.9), 6)
    1.0
    """
    n = n_target + n_control
    expected = (n * planned_target, n * (1.0 - planned_target))
    square = sum((seen - e) ** 2 / e for seen, e in zip((n_target, n_control), expected, strict=True))
    return erfc(sqrt(square / 2.0))


def _wilson(takers: int, n: int) -> Interval:
    rate = takers / n
    centre = (rate + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * sqrt(rate * (1 - rate) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return Interval(rate, centre - half, centre + half)
