"""Which segment and which value tier of the catalogue each customer belongs to."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.selling.expressions import Facts
from features.vocabulary import Catalogue

__all__ = ["segment_codes", "tier_codes"]


def segment_codes(facts: Facts, catalogue: Catalogue) -> npt.NDArray[np.int64]:
    """Index of the first segment of the catalogue that each customer fits, -1 where none does; (n,).

    Raises
    ------
    InputError
        If a column that a segment names is missing.
    """
    return _first([segment.where.holds(facts) for segment in catalogue.segments], facts.rows)


def tier_codes(value: npt.NDArray[np.float64], catalogue: Catalogue) -> npt.NDArray[np.int64]:
    """Index of each customer's value tier by expected value of twelve months in major units, (n,).

    -1 where the value is not known, or below the last tier.
    """
    return _first([value >= tier.min_value for tier in catalogue.tiers], len(value))


def _first(fits: Sequence[npt.NDArray[np.bool_]], rows: int) -> npt.NDArray[np.int64]:
    codes = np.full(rows, -1, dtype=np.int64)
    for code in reversed(range(len(fits))):
        codes[fits[code]] = code
    return codes
