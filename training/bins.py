"""Training rows as LightGBM takes them: columns, bins, and the parameters that fix every byte."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.families.base import Field
from training.artifact import Matrix
from training.contract import Feature
from training.datasets import TrainingSet

__all__ = ["binned", "deterministic", "eligible", "learned_columns"]


def learned_columns(
    training_set: TrainingSet, rows: NDArray[np.intp]
) -> tuple[tuple[Feature, ...], Matrix]:
    """What some rows hold of each field, and their values, shape (n_rows, n_features), by column.

    A column is read once, and no second copy of the table is made beside the frame.
    """
    matrix = np.empty((len(rows), len(training_set.fields)), order="F")
    features = []
    for place, declared in enumerate(training_set.fields):
        column = training_set.frame[declared.name].iloc[rows]
        feature = _named(declared, column)
        matrix[:, place] = values = feature.codes(column)
        features.append(_counted(feature, values))
    return tuple(features), matrix


def _named(declared: Field, values: "pd.Series[Any]") -> Feature:
    levels = None
    if declared.dtype == "string":
        levels = tuple(sorted(str(v) for v in values.dropna().unique()))
    told = (declared.label, declared.unit, declared.protected)
    return Feature(declared.name, declared.dtype, levels, None, *told)


def _counted(feature: Feature, values: Matrix) -> Feature:
    missing = np.isnan(values)
    gaps = bool(missing.any())
    known = values[~missing] if gaps else values
    typical = float(np.median(known)) if len(known) and feature.levels is None else None
    return replace(feature, typical=typical, gaps=gaps)


def binned(matrix: Matrix, features: Sequence[Feature], params: Mapping[str, Any]) -> lightgbm.Dataset:
    """Rows as LightGBM's bins, once for all heads; labels follow head by head."""
    return lightgbm.Dataset(
        matrix,
        np.zeros(len(matrix)),
        feature_name=_plain([f.name for f in features]),
        categorical_feature=[i for i, f in enumerate(features) if f.levels is not None],
        params=dict(params),
    ).construct()


def _plain(names: Sequence[str]) -> list[str]:
    """Names as LightGBM's text can hold them; where that makes two alike, the place tells them apart.

    >>> _plain(["age", "paid: 1, 2", "paid  1  2"])
    ['age', 'paid__1__2', 'paid__1__2_2']
    """
    plain: list[str] = []
    for place, name in enumerate(names):
        word = re.sub(r'[\s\[\]{}":,]', "_", name)
        plain.append(word if word not in plain else f"{word}_{place}")
    return plain


def eligible(data: lightgbm.Dataset, target: Matrix) -> lightgbm.Dataset:
    """The bins of the rows that have a target (NaN: none), with it as their label."""
    if np.isfinite(target).all():
        return data.set_label(target)
    rows = np.flatnonzero(np.isfinite(target))
    # Constructed before the labels are set: a lazy subset takes its parent's labels later.
    return data.subset(rows).construct().set_label(target[rows])


def deterministic(threads: int, seed: int) -> dict[str, Any]:
    """LightGBM's parameters for the same bytes on any number of threads."""
    return {
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "seed": seed,
        "verbosity": -1,
    }
