"""Buyers without a contract, who leave in silence: BG/NBD for how often, gamma-gamma for how much.

Fader, Hardie, Lee (2005), "Counting your customers" the easy way: an alternative to the Pareto/NBD
model, Marketing Science 24(2); Fader, Hardie (2013), The gamma-gamma model of monetary value.
Times are in one unit of the caller's choice, such as weeks; every array has the shape (n,).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

from features.errors import InputError, RefusedError

__all__ = ["BgNbd", "GammaGamma", "fit_bg_nbd", "fit_gamma_gamma", "repeat_buying"]

_Array = NDArray[np.float64]

_DAYS_A_WEEK = 7
_WIDE = 25.0
"""Bound of the parameters' logarithms: beyond, the likelihood is flat and no maximum exists."""


@dataclass(frozen=True)
class BgNbd:
    """Rates of buying are gamma (r, alpha), chances to leave after a purchase beta (a, b)."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, repeats: _Array, last: _Array, age: _Array) -> float:
        """Log-likelihood of all customers, in sums of logarithms so that no power overflows.

        Parameters
        ----------
        repeats
            Purchases after the first.
        last
            Time from the first purchase to the last; 0 without repeats.
        age
            Time from the first purchase to the end of the observation.
        """
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        common = gammaln(r + repeats) - gammaln(r) + r * np.log(alpha)
        common = common + betaln(a, b + repeats) - betaln(a, b)
        alive = -(r + repeats) * np.log(alpha + age)
        return float(np.sum(common + alive + np.log1p(self._odds_gone(repeats, last, age))))

    def alive(self, repeats: _Array, last: _Array, age: _Array) -> _Array:
        """Probability of still being a customer at the end of the observation, in [0, 1]."""
        chance: _Array = 1 / (1 + self._odds_gone(repeats, last, age))
        return chance

    def expected(self, repeats: _Array, last: _Array, age: _Array, ahead: float) -> _Array:
        """Expected purchases in the `ahead` units of time after the observation.

        The published form holds 2F1(r + x, b + x; a + b + x - 1; z), whose terms grow with the number
        of purchases x; Euler's transformation leaves 2F1(a + b - 1 - r, a - 1; a + b + x - 1; z) and
        a power that does not grow.
        """
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        z = ahead / (alpha + age + ahead)
        left = (1 - z) ** (a - 1) * hyp2f1(a + b - 1 - r, a - 1, a + b + repeats - 1, z)
        bought = (a + b + repeats - 1) / (a - 1) * (1 - left)
        purchases: _Array = bought * self.alive(repeats, last, age)
        return purchases

    def _odds_gone(self, repeats: _Array, last: _Array, age: _Array) -> _Array:
        """Odds of having left; who never bought again cannot have left."""
        more = np.maximum(repeats, 1.0)
        ratio = (self.r + more) * (np.log(self.alpha + age) - np.log(self.alpha + last))
        odds = np.exp(np.minimum(np.log(self.a) - np.log(self.b + more - 1) + ratio, 700.0))
        gone: _Array = np.where(repeats > 0, odds, 0.0)
        return gone


@dataclass(frozen=True)
class GammaGamma:
    """A purchase's amount is gamma with shape p; its scale varies by customer with shape q and `scale`."""

    p: float
    q: float
    scale: float

    def log_likelihood(self, repeats: _Array, mean: _Array) -> float:
        """Log-likelihood of mean amounts over `repeats` purchases; both above 0."""
        shape = self.p * repeats
        one = -betaln(shape, self.q) + self.q * np.log(self.scale) + shape * np.log(repeats)
        return float(
            np.sum(
                one + (shape - 1) * np.log(mean) - (shape + self.q) * np.log(self.scale + repeats * mean)
            )
        )

    def expected(self, repeats: _Array, mean: _Array) -> _Array:
        """Expected amount of a purchase; without repeats (`mean` is not looked at) that of everybody.

        The more purchases there are, the more the customer's own mean counts.
        """
        own = np.where(repeats > 0, repeats * np.nan_to_num(mean), 0.0)
        spend: _Array = self.p * (self.scale + own) / (self.p * repeats + self.q - 1)
        return spend


def repeat_buying(purchases: pd.DataFrame, until: date) -> pd.DataFrame:
    """Each customer's repeat purchases up to and including a day; a day's purchases count as one.

    Parameters
    ----------
    purchases
        customer_id, date, amount; later rows are not looked at.

    Returns
    -------
    DataFrame
        By customer_id: repeats, last and age (weeks), mean (amount of a repeat; NaN without repeats).
    """
    end = pd.Timestamp(until)
    days = (
        purchases[purchases["date"] <= end].groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    )
    by = days.groupby("customer_id")["date"]
    first, last = by.transform("min"), by.max()
    again = days[days["date"] > first].groupby("customer_id")["amount"]
    table = pd.DataFrame({"repeats": by.size() - 1.0})
    table["last"] = (last - by.min()).dt.days / _DAYS_A_WEEK
    table["age"] = (end - by.min()).dt.days / _DAYS_A_WEEK
    return table.assign(mean=again.mean())


def fit_bg_nbd(repeats: _Array, last: _Array, age: _Array) -> BgNbd:
    """Maximum likelihood.

    Raises
    ------
    InputError
        If a number is missing or negative, a last purchase lies after the end, or lies apart from the
        first without a repeat.
    RefusedError
        If nobody bought again, or the likelihood has no maximum.
    """
    sound = (repeats >= 0) & (last >= 0) & (last <= age) & ((repeats > 0) | (last == 0))
    if not sound.all():
        raise InputError(
            f"{int((~sound).sum())} customers whose purchases cannot be: repeats, last or age is "
            "missing or negative, or last does not lie between the first purchase and age; "
            "cure: use repeat_buying"
        )
    if not repeats.any():
        raise RefusedError("nobody bought again; cure: observe longer")
    start = (1.0, float(age.mean()) + 1e-9, 1.0, 1.0)
    return BgNbd(*_maximum(lambda p: BgNbd(*p).log_likelihood(repeats, last, age), start, len(age)))


def fit_gamma_gamma(repeats: _Array, mean: _Array) -> GammaGamma:
    """Maximum likelihood over those who bought again for an amount above 0; the others are left out.

    Raises
    ------
    RefusedError
        If nobody bought again, or the likelihood has no maximum.
    """
    known = (repeats > 0) & (mean > 0)
    if not known.any():
        raise RefusedError("nobody bought again for an amount above 0; cure: observe longer")
    x, m = repeats[known], mean[known]
    start = (2.0, 2.0, float(m.mean()))
    return GammaGamma(*_maximum(lambda p: GammaGamma(*p).log_likelihood(x, m), start, len(x)))


def _maximum(
    likelihood: Callable[[tuple[float, ...]], float], start: tuple[float, ...], n: int
) -> tuple[float, ...]:
    """The positive parameters of the highest likelihood."""
    found = minimize(
        lambda logs: -likelihood(tuple(np.exp(logs))) / n,
        np.log(start),
        method="Nelder-Mead",
        bounds=[(-_WIDE, _WIDE)] * len(start),
        options={"maxiter": 4_000, "maxfev": 4_000, "xatol": 1e-6, "fatol": 1e-10, "adaptive": True},
    )
    if not found.success or not np.isfinite(found.fun) or np.abs(found.x).max() > _WIDE - 1:
        raise RefusedError("the likelihood has no maximum; cure: observe more customers, or longer")
    return tuple(float(p) for p in np.exp(found.x))
