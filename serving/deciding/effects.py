"""What contacts change for each customer, by the best that is known about it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from serving.deciding.worth import Effects
from serving.learned import learned_effects
from serving.scoring import Scorer

__all__ = ["effects_of", "of_rows"]


def effects_of(scorer: Scorer, table: NDArray[np.float64]) -> Effects:
    """Effects of every option on n customers: learned where a champion knows it, else stated priors.

    Parameters
    ----------
    table
        Scores of the customers, (n, names) in the order of `Scorer.names`, NaN where there is none.
    """
    return learned_effects(scorer.known, scorer.catalogue, table)


def of_rows(effects: Effects, rows: NDArray[np.int64]) -> Effects:
    """The effects on some of the customers."""
    by_customer = ("alone", "contacted", "accepts", "stake", "fatigue")
    return replace(effects, **{name: getattr(effects, name)[rows] for name in by_customer})
