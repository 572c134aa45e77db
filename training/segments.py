"""A probability slice by slice, so that a good average cannot hide customers it is wrong about."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.evaluate import Evaluation
from training.measures import auc

__all__ = ["JUDGED_POSITIVES", "Slices", "slices_of"]

Slices = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Head -> slice, such as `region=north` -> rows, positives, auc, observed_to_expected."""

JUDGED_POSITIVES = 30
"""A slice with fewer positives says nothing about the model."""

_WORDS = ("kind", "region")
_YEAR = 365.25
_LEAST = 1e-9
_BANDS = {"under 1 year": 0.0, "1 to 3 years": 1.0, "3 to 10 years": 3.0, "10 years or more": 10.0}


def slices_of(evaluation: Evaluation, test: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Measure every probability by kind, region, time with the bank and quarter of the balance.

    Parameters
    ----------
    test
        The test rows in the order in which the evaluation saw them, with the labels; a slice
        whose column it lacks is left out.

    Returns
    -------
    dict
        Only slices with enough positives to judge; an AUC that is not defined is left out.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for head in evaluation.heads:
        if head.kind != "probability":
            continue
        known = test[np.isfinite(test[head.name].to_numpy(dtype=np.float64))]
        measured = {
            name: _measures(head.actual[rows], head.predicted[rows])
            for name, rows in _slices(known)
            if head.actual[rows].sum() >= JUDGED_POSITIVES
        }
        found[head.name] = measured
    return found


def _slices(frame: pd.DataFrame) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Name and mask of each slice; missing values are a slice of none."""
    for column in (c for c in _WORDS if c in frame):
        words = frame[column].astype("object").to_numpy()
        for word in sorted({w for w in words if isinstance(w, str)}):
            yield f"{column}={word}", words == word
    if "tenure_days" in frame:
        bands, names = list(_BANDS.values()), list(_BANDS)
        years = frame["tenure_days"].to_numpy(dtype=np.float64, na_value=np.nan) / _YEAR
        yield from _cut("time with the bank", years, bands[1:], names)
    if "balance_total" in frame:
        balance = frame["balance_total"].to_numpy(dtype=np.float64, na_value=np.nan)
        known = balance[np.isfinite(balance)]
        edges = np.quantile(known, (0.25, 0.5, 0.75)).tolist() if len(known) else []
        yield from _cut("quarter of the balance", balance, edges, ["1", "2", "3", "4"])


def _cut(
    title: str, values: NDArray[np.float64], edges: list[float], names: list[str]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    place = np.where(np.isfinite(values), np.searchsorted(edges, values, side="right"), -1)
    for n in range(len(edges) + 1):
        yield f"{title}={names[n]}", place == n


def _measures(actual: NDArray[np.float64], predicted: NDArray[np.float64]) -> dict[str, float]:
    measures = {
        "rows": float(len(actual)),
        "positives": float(actual.sum()),
        "auc": auc(actual, predicted),
        "observed_to_expected": float(actual.sum() / max(predicted.sum(), _LEAST)),
    }
    return {name: number for name, number in measures.items() if np.isfinite(number)}
