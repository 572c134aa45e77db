"""Currencies of the simulated bank and their dated rates."""

import numpy as np

from features.simulate.money import Array, convert
from features.simulate.randomness import stream
from features.simulate.rows import NOTHING

__all__ = ["CURRENCIES", "exchanged", "rates_at"]

CURRENCIES = ("EUR", "USD", "CHF")
"""The reporting currency first."""

_WALKS = ((1.0, 0.0), (0.92, 0.015), (1.04, 0.008))
"""First rate and standard deviation of its monthly step, on the logarithm."""


def rates_at(seed: int, month: int) -> Array:
    """Value of one unit of each currency in the reporting one from the begin of a month on, (currencies,).

    A random walk for each; the same whoever asks for it.
    """
    found = []
    for code, (first, spread) in zip(CURRENCIES, _WALKS, strict=True):
        steps = stream(seed, NOTHING, f"rates {code}").normal(0, spread, month + 1)
        found.append(round(float(first * np.exp(steps.sum())), 6))
    return np.array(found)


def exchanged(cents: Array, currency: Array, rates: Array) -> Array:
    """Cents of the reporting currency as cents of each row's `currency` (codes), half a cent rounded."""
    if not currency.any():
        return cents
    foreign = np.flatnonzero(currency)
    out = cents.copy()
    out[foreign] = convert(cents[foreign], rates[currency[foreign]])
    return out
