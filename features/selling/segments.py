"""Which segment and which value tier of the catalogue each customer belongs to."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from features.selling.expressions import Comparison, Expression, Facts, Joined, Part, Term, some
from features.vocabulary import Catalogue

__all__ = ["in_tiers", "segment_codes", "tier_codes"]


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


def in_tiers(names: Collection[str], catalogue: Catalogue) -> Expression:
    """The condition that a customer's tier is one of some, by the score `value_expected`."""
    value, found = Term("value_expected"), list[Part]()
    for place, tier in enumerate(catalogue.tiers):
        if tier.name in names:
            above = (Comparison(value, "<", higher.min_value) for higher in catalogue.tiers[:place])
            found.append(Joined(True, (Comparison(value, ">=", tier.min_value), *above)))
    return some(*found)


def _first(fits: Sequence[npt.NDArray[np.bool_]], rows: int) -> npt.NDArray[np.int64]:
    codes = np.full(rows, -1, dtype=np.int64)
    for code in reversed(range(len(fits))):
        codes[fits[code]] = code
    return codes
