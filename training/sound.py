"""A training set is refused before anything is learned from it, if it cannot be what it says."""

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pandas as pd

from features.errors import InputError, first_five
from features.vocabulary import AS_OF, CUSTOMER_ID
from training.datasets import TrainingSet
from training.specs import ModelSpec

__all__ = ["check_sound"]


def check_sound(
    spec: ModelSpec, training_set: TrainingSet, known: datetime | None, tell: Callable[[str], None]
) -> None:
    """Refuse a training set that breaks its contract, and tell of columns that say nothing.

    A product's label is missing for who cannot have it; a row without any label answers nothing and is
    refused. A column that is empty or has one value is told, stays in the model's contract, and no tree
    can split on it.

    Parameters
    ----------
    known
        Until when outcomes are known; no snapshot may be later. None where nothing says so.

    Raises
    ------
    InputError
        If a customer has two rows of one snapshot, a snapshot lies in the future, a value is
        infinite, a row has no label, a label of a probability is neither 0 nor 1, or no column changes.
    """
    frame = training_set.frame
    ids = frame[CUSTOMER_ID]
    twice = frame.duplicated([CUSTOMER_ID, AS_OF]).to_numpy()
    if twice.any():
        _refuse(spec, "two rows of one snapshot", ids[twice], "build the features again")
    if known is not None and (late := (frame[AS_OF] > pd.Timestamp(known)).to_numpy()).any():
        what = f"snapshots later than {known:%Y-%m-%d}, until when outcomes are known"
        _refuse(spec, what, ids[late], "build features up to that day")
    numbers = [f.name for f in training_set.fields if f.dtype != "string"]
    for name in (*numbers, *training_set.labels):
        infinite = np.isinf(frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
        if infinite.any():
            _refuse(spec, f"infinite values in '{name}'", ids[infinite], "mend the source")
    _check_labels(spec, training_set)
    idle = [f.name for f in training_set.fields if _idle(frame[f.name])]
    if len(idle) == len(training_set.fields):
        what = f"model '{spec.name}': no feature ever changes: {first_five(idle)}"
        raise InputError(f"{what}; cure: build the features again, or import more history")
    if idle:
        tell(f"{spec.name}: nothing to learn from what never changes: {first_five(idle)}")


def _check_labels(spec: ModelSpec, training_set: TrainingSet) -> None:
    frame, labels = training_set.frame, list(training_set.labels)
    ids = frame[CUSTOMER_ID]
    bare = frame[labels].isna().all(axis=1).to_numpy()
    if spec.name != "propensity" and bare.any():
        _refuse(spec, "the label is missing", ids[bare], "leave out who has no outcome yet")
    if spec.name != "value":
        for name in labels:
            label = frame[name].to_numpy(dtype=np.float64)
            if (other := np.isfinite(label) & (label != 0) & (label != 1)).any():
                _refuse(spec, f"label '{name}' is neither 0 nor 1", ids[other], "mend the label")


def _refuse(spec: ModelSpec, what: str, ids: "pd.Series[str]", cure: str) -> None:
    raise InputError(f"model '{spec.name}': {what}, customers {first_five(ids.unique())}; cure: {cure}")


def _idle(values: "pd.Series[float]") -> bool:
    known = values.dropna()
    return known.empty or (len(known) == len(values) and bool((known == known.iloc[0]).all()))
