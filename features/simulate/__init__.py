"""A simulated bank whose truth is known: history to learn from, truth kept apart, a future to act on."""

from features.simulate.bank import advance, simulate

__all__ = ["advance", "simulate"]
