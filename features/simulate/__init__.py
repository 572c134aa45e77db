"""A simulated bank whose truth is known: history to learn from, truth kept apart, a future to act on.

`README.md` beside this file tells the laws in words and numbers, `features.simulate.truth` every
column of the truth and why it is true.
"""

from features.simulate.bank import advance, simulate

__all__ = ["advance", "simulate"]
