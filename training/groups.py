"""Which customers belong together: the parts by which a model is looked at."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import InputError
from features.selling.expressions import Facts
from features.selling.segments import segment_codes, tier_codes
from features.vocabulary import Catalogue
from training.artifact import Matrix

__all__ = ["Names", "groups_of", "ordered", "parts_of"]

Names = np.ndarray[Any, np.dtype[np.str_]]

_MOST = 12
_AGES = {"under 26": 26, "26 to 44": 45, "45 to 64": 65, "65 and older": np.inf}
_TENURES = {
    "under 1 year": 365.25,
    "1 to 3 years": 1095.75,
    "3 to 10 years": 3652.5,
    "10 years or more": np.inf,
}
_QUARTERS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")
_LAST = ("all others", "not known")


def groups_of(test: pd.DataFrame, catalogue: Catalogue, values: Matrix | None) -> dict[str, Names]:
    """The bank's own segment and value tier of each row, shape (n,), empty where none fits.

    Parameters
    ----------
    values
        Expected value of each row over twelve months in the reporting currency; None if no model of
        value is at hand, and then there are no tiers.
    """
    groups = {}
    columns = {name: test[name] for name in test.columns}
    try:
        segments = segment_codes(Facts(columns), catalogue)
        groups["segment"] = _named(segments, [s.name for s in catalogue.segments])
    except InputError:
        pass  # a segment by what no model may learn from, such as a consent, is not at hand here
    if values is not None:
        groups["tier"] = _named(tier_codes(values, catalogue), [t.name for t in catalogue.tiers])
    return groups


def parts_of(test: pd.DataFrame, groups: Mapping[str, Names]) -> dict[str, Names]:
    """Kind of part -> the part that each row belongs to, shape (n,).

    By what `groups` tells apart, kind, age, time with the bank, region and quarter of the balance; what
    the frame lacks is left out.

    Parameters
    ----------
    groups
        Names of shape (n,), empty where none fits, such as the bank's own segments and tiers.
    """
    parts = {by: _words(pd.Series(names).replace("", None)) for by, names in groups.items()}
    if "kind" in test:
        parts["kind"] = _words(test["kind"])
    if "age_years" in test:
        parts["age"] = _bands(test["age_years"], list(_AGES.values()), tuple(_AGES))
    if "tenure_days" in test:
        parts["time with the bank"] = _bands(test["tenure_days"], list(_TENURES.values()), tuple(_TENURES))
    if "region" in test:
        parts["region"] = _words(test["region"])
    if "balance_total" in test:
        known = test["balance_total"].dropna().to_numpy(dtype=np.float64)
        ends = [*np.quantile(known, (0.25, 0.5, 0.75)), np.inf] if len(known) else [np.inf] * 4
        parts["balance"] = _bands(test["balance_total"], ends, _QUARTERS)
    return parts


def _named(codes: NDArray[np.int64], names: list[str]) -> Names:
    """Names by their place; -1 is none."""
    return np.array([*names, ""])[codes]


def _words(values: "pd.Series[str]") -> Names:
    words = values.astype("object").fillna("not known").astype(str)
    common = words.value_counts().index[:_MOST]
    return np.asarray(words.where(words.isin(common), "all others"), dtype=np.str_)


def _bands(values: "pd.Series[float]", ends: list[float], names: tuple[str, ...]) -> Names:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    place = np.minimum(np.searchsorted(ends, numbers, side="right"), len(ends) - 1)
    return np.asarray(np.array([*names, "not known"])[np.where(np.isfinite(numbers), place, len(ends))])


def ordered(names: Names) -> list[str]:
    """Bands in their own order, words by count; what is not known comes last."""
    found, counts = np.unique(names, return_counts=True)
    place = {name: i for i, name in enumerate([*_AGES, *_TENURES, *_QUARTERS])}
    by_count = sorted(zip(found.tolist(), counts.tolist(), strict=True), key=lambda item: -item[1])
    return sorted((n for n, _ in by_count), key=lambda n: (n in _LAST, place.get(n, 0)))
