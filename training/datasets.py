"""Training sets: (customer, as_of, label) first, then the features as known at as_of.

The left side is built here and joined through Feast; rows in = rows out.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from features.catalogue import load_catalogue
from features.eligibility import eligible
from features.errors import RefusedError
from features.families import all_families, model_fields
from features.families.base import Field
from features.history.read import connect
from features.home import Home
from features.labels import (
    CHURN_DEFINITIONS,
    Outcome,
    churn_labels,
    uptake_labels,
    value_labels,
)
from features.settings import Settings
from features.store import Generation, current_generation, join_features
from features.vocabulary import AS_OF, CUSTOMER_ID, Catalogue
from training.specs import ModelSpec

__all__ = ["TrainingSet", "mature_snapshots", "training_set"]


@dataclass(frozen=True)
class TrainingSet:
    """One model's examples.

    frame
        customer_id, as_of, the model fields, the labels (float64; NaN where not eligible).
    fingerprint
        SHA-256 over every cell: equal data, equal fingerprint.
    """

    frame: pd.DataFrame
    fields: tuple[Field, ...]
    labels: tuple[str, ...]
    fingerprint: str


def mature_snapshots(generation: Generation, spec: ModelSpec) -> tuple[datetime, ...]:
    """The snapshots to learn from: the last mature one for the test, and before it those whose
    outcome windows had closed by then, the latest `spec.snapshots` of them, in rising order.

    Raises
    ------
    RefusedError
        Saying how much history is missing.
    """
    window = timedelta(days=spec.gap_days + spec.horizon_days)
    mature = [s for s in generation.snapshots if s + window + _delay(spec) <= generation.as_of]
    train = [s for s in mature if s + window <= mature[-1]][-spec.snapshots :]
    if not train:
        need = 2 * (spec.gap_days + spec.horizon_days) + spec.delay_days
        raise RefusedError(
            f"{spec.name}: no snapshot is old enough to train on and to test later: the first is "
            f"{generation.snapshots[0]:%Y-%m-%d}, as_of is {generation.as_of:%Y-%m-%d}, and {need} days "
            "must lie between; cure: build more months, or import more history"
        )
    return (*train, mature[-1])


def _delay(spec: ModelSpec) -> timedelta:
    return timedelta(days=spec.delay_days)


def training_set(
    home: Home, spec: ModelSpec, settings: Settings, tell: Callable[[str], None]
) -> TrainingSet:
    """Build one model's examples from the current generation.

    Raises
    ------
    RefusedError
        If the snapshots are too few, or the definition cannot honestly be learned from this bank.
    """
    generation, catalogue = current_generation(home), load_catalogue(home.catalogue)
    moments = mature_snapshots(generation, spec)
    connection = connect(home, settings.threads, settings.memory)
    parts = []
    for moment in moments:
        tell(f"{spec.name}: outcomes after {moment:%Y-%m-%d}")
        outcome = Outcome(connection, moment, spec.gap_days, spec.horizon_days, generation.as_of)
        parts.append(_labels(outcome, spec, catalogue))
    left = pd.concat(parts, ignore_index=True)
    if spec.name == "churn":
        _refuse_unlearnable(left, spec)
    tell(f"{spec.name}: joining features to {len(left):,} rows through Feast")
    frame = _typed(join_features(home, left, spec.service), catalogue)
    labels = tuple(c for c in left.columns if c not in (CUSTOMER_ID, AS_OF))
    if spec.name == "propensity":
        frame = _mask_ineligible(frame, catalogue)
    return TrainingSet(frame, model_fields(catalogue), labels, _fingerprint(frame))


def _labels(outcome: Outcome, spec: ModelSpec, catalogue: Catalogue) -> pd.DataFrame:
    if spec.name == "churn":
        return churn_labels(outcome, spec.definition, catalogue)
    if spec.name == "value":
        return value_labels(outcome, catalogue)
    return uptake_labels(outcome, [p.name for p in catalogue.offered])


def _refuse_unlearnable(left: pd.DataFrame, spec: ModelSpec) -> None:
    """A definition under which almost nobody leaves would be learned from noise."""
    gone = left.groupby(AS_OF)["churn"].sum()
    if gone.iloc[:-1].sum() >= spec.gates.min_positives and gone.iloc[-1] >= spec.gates.min_positives:
        return
    others = ", ".join(d for d in CHURN_DEFINITIONS if d != spec.definition)
    raise RefusedError(
        f"churn by {spec.definition} cannot be learned from this bank: {int(gone.sum())} of {len(left):,} "
        f"rows leave within {spec.horizon_days} days, {int(gone.iloc[-1])} of them in the test snapshot, and "
        f"at least {spec.gates.min_positives} are needed in the training snapshots and in the test; "
        f"derivable: {others}; cure: `tenure train churn --definition {others.split(', ')[0]}`"
    )


def _typed(frame: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """Numbers as float64 with NaN for null, whatever types the join returned."""
    numeric = [
        f.name
        for family in all_families(catalogue)
        for f in family.fields
        if f.dtype != "string" and f.name in frame
    ]
    return frame.astype(dict.fromkeys(numeric, "float64"))


def _mask_ineligible(frame: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    columns = {name: frame[name].to_numpy() for name in frame.columns}
    for product in catalogue.offered:
        frame[product.name] = np.where(eligible(columns, product), frame[product.name], np.nan)
    return frame


def _fingerprint(frame: pd.DataFrame) -> str:
    cells = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return hashlib.sha256(",".join(frame.columns).encode() + cells.tobytes()).hexdigest()
