"""Rare and new products pooled: one order of customers for all of them, and a level for each.

A single booster learns who takes up anything at all, which many more customers do than any rare
product has takers. A product's own level is the share of its eligible customers who took it, drawn
towards the bank's over all products by as much as its few customers leave open; how steeply it follows
the common order is drawn towards all products' likewise. A product that nobody had taken yet has the
bank's level and steepness.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import lightgbm
import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit

from training.artifact import Head, Matrix
from training.calibrate import platt
from training.measures import calibration_line
from training.split import Split

__all__ = ["POOL", "Prior", "any_taken", "pooled_heads", "prior_over"]

POOL = "any product"
"""What the common booster answers."""

_ALIKE, _UNLIKE = 1e-6, 0.5
"""Bounds of the correlation within a product, so that a prior weighs one customer to a million."""


@dataclass(frozen=True)
class Prior:
    """What is known of a product before anybody was asked for it.

    rate
        The bank's uptake over all products, in (0, 1).
    weight
        How many customers of its own a product needs to count as much as that.
    """

    rate: float
    weight: float

    def shrunk(self, rate: float, customers: float) -> float:
        """(n rate + weight prior) / (n + weight): between the product's rate and the bank's."""
        return (customers * rate + self.weight * self.rate) / (customers + self.weight)


def any_taken(targets: Mapping[str, Matrix]) -> Matrix:
    """Whether anything was taken up of what could have been, shape (n,); NaN where nothing could be.

    Parameters
    ----------
    targets
        Product -> 1.0 taken, 0.0 not, NaN not eligible, each of shape (n,).
    """
    taken: Matrix = np.fmax.reduce(list(targets.values()))
    return taken


def prior_over(rates: Matrix, customers: Matrix) -> Prior:
    """Prior of a product's rate by the moments of a beta-binomial (Kleinman 1973).

    Parameters
    ----------
    rates, customers
        Shape (products,): each product's rate, and how many customers it was seen on, at least 1.
    """
    total = customers.sum()
    rate = float(np.sum(customers * rates) / total)
    chance = len(rates) - 1.0  # what products that are all alike would show
    room = total - np.sum(customers**2) / total - chance
    alike = 0.0
    if room > 0 and 0 < rate < 1:
        spread = np.sum(customers * (rates - rate) ** 2) / (rate * (1 - rate))
        alike = float((spread - chance) / room)
    return Prior(rate, 1 / float(np.clip(alike, _ALIKE, _UNLIKE)) - 1)


def pooled_heads(
    booster: lightgbm.Booster,
    held_out: Matrix,
    targets: Mapping[str, Matrix],
    split: Split,
    customers: "pd.Series[str]",
) -> dict[str, Head]:
    """Every product's head on the common booster.

    Rows of one customer overlap in time, so each customer counts once, with its mean uptake.

    Parameters
    ----------
    booster
        Learned on `any_taken` of the training rows.
    held_out
        Matrix of the split's calibration rows.
    targets
        As for `any_taken`, over the rows of the training set's frame; of a product that was not on
        sale yet all NaN. Something must have been taken up in the calibration rows, and something not.
    customers
        Whose row each of them is.
    """
    raw = Head(POOL, "probability", {}, booster).raw(held_out)
    outcomes = {name: target[split.calibrate] for name, target in targets.items()}
    known = {name: np.isfinite(outcome) for name, outcome in outcomes.items()}
    learned = np.concatenate([split.train, split.calibrate])
    seen = {name: _seen(target[learned], customers.iloc[learned]) for name, target in targets.items()}
    sold = [name for name, (_, n) in seen.items() if n]
    prior = prior_over(*(np.array([seen[name][i] for name in sold]) for i in (0, 1)))
    rates = {name: prior.shrunk(*seen[name]) for name in targets}
    # Nobody held out may be eligible; then everybody stands for them.
    asked = {name: raw[rows] if rows.any() else raw for name, rows in known.items()}
    slope = platt(
        np.concatenate([raw[known[name]] for name in sold]),
        np.concatenate([outcomes[name][known[name]] for name in sold]),
    )[0]
    lines = {
        name: calibration_line(
            outcomes[name][known[name]],
            expit(slope * raw[known[name]] + _level(slope * asked[name], rates[name])),
        )
        for name in sold
    }
    steep = _steepness({name: (line[0], line[2]) for name, line in lines.items()})
    heads = {}
    for name in targets:
        own = slope * steep.get(name, 1.0)
        calibration = {"slope": own, "intercept": _level(own * asked[name], rates[name])}
        heads[name] = Head(name, "probability", calibration, booster, "pooled")
    return heads


def _seen(target: Matrix, customers: "pd.Series[str]") -> tuple[float, float]:
    """The product's rate, and on how many customers it was seen."""
    known = np.isfinite(target)
    if not known.any():
        return 0.0, 0.0
    return float(target[known].mean()), float(customers[known].nunique())


def _level(score: Matrix, rate: float) -> float:
    """What to add to log-odds, shape (n,), so that the mean probability is `rate`."""
    even = float(logit(rate))
    ends = even - float(score.max()) - 1.0, even - float(score.min()) + 1.0
    return float(brentq(lambda level: float(expit(score + level).mean()) - rate, *ends, xtol=1e-12))


def _steepness(found: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Each product's slope as a multiple of the common one, drawn towards 1 by its standard error.

    The spread between products is the moment estimator of DerSimonian and Laird (1986) around 1.
    """
    sure = {name: (slope, error) for name, (slope, error) in found.items() if np.isfinite(slope + error)}
    if not sure:
        return {}
    slopes, errors = np.array(list(sure.values())).T
    weight = errors**-2.0
    spread = max(0.0, float((np.sum(weight * (slopes - 1) ** 2) - len(slopes)) / weight.sum()))
    drawn = 1 + (slopes - 1) * spread / (spread + errors**2)
    return dict(zip(sure, drawn.tolist(), strict=True))
