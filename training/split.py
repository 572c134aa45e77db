"""Honest splits in time: the test lies after everything that was learned from was known."""

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.errors import RefusedError
from features.vocabulary import AS_OF, CUSTOMER_ID
from training.specs import ModelSpec

__all__ = [
    "Split",
    "bucket",
    "latest_rows",
    "moment_at",
    "out_of_time",
    "out_of_time_and_customer",
    "reach",
]

_CALIBRATE = 0.2
_UNSEEN = 0.2
_TEST = 0.2
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
    learned = (frame[AS_OF] <= last - reach(spec)).to_numpy()
    if not learned.any():
        raise RefusedError(_too_short(frame, spec))
    held_out = bucket(frame[CUSTOMER_ID], "calibrate") < _CALIBRATE
    test = (frame[AS_OF] == last).to_numpy()
    return _ordered(frame, learned & ~held_out, learned & held_out, test)


def latest_rows(frame: pd.DataFrame, spec: ModelSpec) -> Split:
    """Test on the latest fifth of the rows, as `out_of_time` does on the last snapshot.

    For tables whose times are not shared snapshots. All rows of one moment stay together, and a
    row is learned from only if its outcome window closed before the first test row.

    Raises
    ------
    RefusedError
        If there is one moment only, or none whose outcome was known before the test began.
    """
    times = frame[AS_OF]
    begin = moment_at(times, 1 - _TEST)
    if begin is None:
        raise RefusedError(
            "one moment only: nothing is later than what would be learned from; "
            "cure: a table with rows of at least two times"
        )
    learned = ((times < begin) & (times + reach(spec) <= begin)).to_numpy()
    if not learned.any():
        raise RefusedError(
            f"an outcome takes {reach(spec).days} days, and no row lies so long before the test, which "
            f"begins on {begin:%Y-%m-%d}; cure: a table that reaches further back"
        )
    held_out = bucket(frame[CUSTOMER_ID], "calibrate") < _CALIBRATE
    return _ordered(frame, learned & ~held_out, learned & held_out, (times >= begin).to_numpy())


def moment_at(times: "pd.Series[Any]", share: float) -> pd.Timestamp | None:
    """The moment at which about `share` of the rows lie behind; at least the second moment there is.

    None if there are not two moments.
    """
    moments, counts = np.unique(times.dt.tz_convert(None).to_numpy(), return_counts=True)
    if len(moments) < 2:
        return None
    behind = np.cumsum(counts) - counts
    place = int(np.abs(behind[1:] / len(times) - share).argmin()) + 1
    return pd.Timestamp(moments[place]).tz_localize("UTC")


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


def reach(spec: ModelSpec) -> pd.Timedelta:
    """From as_of until a label is known: gap, outcome window and reporting delay."""
    return pd.Timedelta(days=spec.gap_days + spec.horizon_days + spec.delay_days)


def _ordered(frame: pd.DataFrame, *masks: NDArray[np.bool_]) -> Split:
    # Sorted rows make the same model from any order in which a store hands the rows back. Arrow
    # sorts a million ids in the order of Python's strings, in a tenth of NumPy's time.
    keys = pa.table({name: pa.array(frame[name]) for name in (AS_OF, CUSTOMER_ID)})
    order = pc.sort_indices(keys, [(AS_OF, "ascending"), (CUSTOMER_ID, "ascending")]).to_numpy()
    order = order.astype(np.intp)
    train, calibrate, test = (order[mask[order]] for mask in masks)
    return Split(train, calibrate, test)


def _too_short(frame: pd.DataFrame, spec: ModelSpec) -> str:
    days = reach(spec).days
    span = 0 if frame.empty else (frame[AS_OF].max() - frame[AS_OF].min()).days
    months, more = math.ceil(2 * days / _DAYS_A_MONTH), math.ceil((days - span) / _DAYS_A_MONTH)
    return (
        f"model '{spec.name}': the outcome takes {days} days, once to learn from and once to test on, "
        f"so at least {months} months of history must follow the first snapshot; "
        f"the snapshots span {span} days; cure: import {more} more months of history"
    )
