"""What contacts change for each customer, by the best that is known about it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from serving.columns import Columns, length
from serving.deciding.worth import Effects
from serving.learned import learned_effects
from serving.scoring import Scorer

__all__ = ["effects_of", "of_rows"]


def effects_of(scorer: Scorer, columns: Columns, scores: Mapping[str, NDArray[np.float64]]) -> Effects:
    """Effects of every option on n customers: learned where a champion knows it, else stated priors.

    Parameters
    ----------
    columns
        Features by name, n rows.
    scores
        Scores of the same customers by name, each (n,), NaN where there is none.
    """
    return learned_effects(scorer.known, scorer.catalogue, scores, length(columns))


def of_rows(effects: Effects, rows: NDArray[np.int64]) -> Effects:
    """The effects on some of the customers."""
    by_customer = ("alone", "contacted", "accepts", "stake", "fatigue")
    return replace(effects, **{name: getattr(effects, name)[rows] for name in by_customer})
