"""Honest splits in time: the test lies after everything that was learned from was known."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import RefusedError
from features.vocabulary import AS_OF, CUSTOMER_ID
from training.specs import ModelSpec

__all__ = ["Split", "bucket", "out_of_time", "out_of_time_and_customer"]

_CALIBRATE = 0.2
_UNSEEN = 0.2
_DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class Split:
    """Row positions in the training set's frame, each array ordered by as_of, then customer_id.

    train
        What the trees see.
    calibrate
        Customers that the trees never see, at the same snapshots; calibration is fitted on them.
    test
        The last snapshot.
    """

    train: NDArray[np.intp]
    calibrate: NDArray[np.intp]
    test: NDArray[np.intp]


def bucket(customer_ids: "pd.Series[str]", salt: str) -> NDArray[np.float64]:
    """A stable uniform number in [0, 1) for each customer, shape (n,), from a salted SHA-256.

    The same customer falls into the same place in every snapshot, process and year.
    """
    codes, ids = pd.factorize(customer_ids)
    draws = [hashlib.sha256(f"{salt}:{i}".encode()).digest()[:8] for i in ids]
    uniform = np.array([int.from_bytes(d, "big") / 2**64 for d in draws], dtype=np.float64)
    drawn: NDArray[np.float64] = uniform[codes]
    return drawn


def out_of_time(frame: pd.DataFrame, spec: ModelSpec) -> Split:
    """Test on the last snapshot; learn from those whose outcomes were known by then.

    A snapshot is purged unless its outcome window, with the reporting delay, ends on or before
    the test snapshot's as_of. Of the rest, a fifth of the customers is held out to calibrate.

    Raises
    ------
    RefusedError
        If no snapshot survives the purge, saying how much history is needed.
    """
    last = frame[AS_OF].max()
    learned = (frame[AS_OF] <= last - _reach(spec)).to_numpy()
    if not learned.any():
        raise RefusedError(_too_short(frame, spec))
    held_out = bucket(frame[CUSTOMER_ID], "calibrate") < _CALIBRATE
    test = (frame[AS_OF] == last).to_numpy()
    return _ordered(frame, learned & ~held_out, learned & held_out, test)


def out_of_time_and_customer(frame: pd.DataFrame, spec: ModelSpec) -> Split:
    """As `out_of_time`, but a fifth of the customers is kept for the test alone.

    The stricter question: how good is the model on customers that it has never seen?

    Raises
    ------
    RefusedError
        If no snapshot survives the purge.
    """
    split = out_of_time(frame, spec)
    unseen = bucket(frame[CUSTOMER_ID], "unseen") < _UNSEEN
    return Split(
        split.train[~unseen[split.train]],
        split.calibrate[~unseen[split.calibrate]],
        split.test[unseen[split.test]],
    )


def _reach(spec: ModelSpec) -> pd.Timedelta:
    return pd.Timedelta(days=spec.gap_days + spec.horizon_days + spec.delay_days)


def _ordered(frame: pd.DataFrame, *masks: NDArray[np.bool_]) -> Split:
    # Sorted rows make the same model from any order in which a store hands the rows back.
    order = np.lexsort((frame[CUSTOMER_ID].to_numpy(), frame[AS_OF].to_numpy()))
    train, calibrate, test = (order[mask[order]] for mask in masks)
    return Split(train, calibrate, test)


def _too_short(frame: pd.DataFrame, spec: ModelSpec) -> str:
    reach = _reach(spec).days
    span = 0 if frame.empty else (frame[AS_OF].max() - frame[AS_OF].min()).days
    months, more = math.ceil(2 * reach / _DAYS_A_MONTH), math.ceil((reach - span) / _DAYS_A_MONTH)
    return (
        f"model '{spec.name}': the outcome takes {reach} days, once to learn from and once to test on, "
        f"so at least {months} months of history must follow the first snapshot; "
        f"the snapshots span {span} days; cure: import {more} more months of history"
    )
