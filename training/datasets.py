"""Training sets: (customer, as_of, label) first, then the features as known at as_of.

The left side is built here and joined through Feast; rows in = rows out.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from features.catalogue import load_catalogue
from features.eligibility import eligible
from features.errors import InputError, RefusedError
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
from features.snapshots import Generation, current_generation
from features.store import join_features
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
    until_mature = timedelta(days=spec.gap_days + spec.horizon_days + spec.delay_days)
    mature = [s for s in generation.snapshots if s + until_mature <= generation.as_of]
    train = [s for s in mature if s + until_mature <= mature[-1]][-spec.snapshots :]
    if not train:
        raise RefusedError(
            f"{spec.name}: no snapshot is old enough to train on and to test later: the first is "
            f"{generation.snapshots[0]:%Y-%m-%d}, as_of is {generation.as_of:%Y-%m-%d}, and "
            f"{2 * until_mature.days} days must lie between; "
            "cure: build more months, or import more history"
        )
    return (*train, mature[-1])


def training_set(
    home: Home, spec: ModelSpec, settings: Settings, tell: Callable[[str], None]
) -> TrainingSet:
    """Build one model's examples from the current generation.

    Raises
    ------
    InputError
        If the definition of churn is unknown.
    RefusedError
        If the snapshots are too few, or the definition cannot honestly be learned from this bank.
    """
    if spec.name == "churn" and spec.definition not in CHURN_DEFINITIONS:
        known = ", ".join(CHURN_DEFINITIONS)
        raise InputError(f"churn: '{spec.definition}' is not a definition; cure: one of {known}")
    generation, catalogue = current_generation(home), load_catalogue(home.catalogue)
    moments = mature_snapshots(generation, spec)
    connection = connect(home, settings.threads, settings.memory)
    outcomes = [
        Outcome(connection, moment, spec.gap_days, spec.horizon_days, generation.as_of)
        for moment in moments
    ]
    left = _left(outcomes, spec, catalogue, tell)
    if spec.name == "churn" and not _learnable(left, spec):
        raise RefusedError(_unlearnable(left, outcomes, spec, catalogue, tell))
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


def _left(
    outcomes: Sequence[Outcome], spec: ModelSpec, catalogue: Catalogue, tell: Callable[[str], None]
) -> pd.DataFrame:
    parts = []
    for outcome in outcomes:
        tell(f"{spec.name}: {spec.definition} after {outcome.as_of:%Y-%m-%d}")
        parts.append(_labels(outcome, spec, catalogue))
    return pd.concat(parts, ignore_index=True)


def _learnable(left: pd.DataFrame, spec: ModelSpec) -> bool:
    """A definition under which almost nobody leaves would be learned from noise."""
    gone = left.groupby(AS_OF)["churn"].sum()
    need = spec.gates.min_positives
    return bool(gone.iloc[:-1].sum() >= need and gone.iloc[-1] >= need)


def _unlearnable(
    left: pd.DataFrame,
    outcomes: Sequence[Outcome],
    spec: ModelSpec,
    catalogue: Catalogue,
    tell: Callable[[str], None],
) -> str:
    """Say in words how few leave, and which other definitions this bank's data can support."""
    others = [replace(spec, definition=d) for d in CHURN_DEFINITIONS if d != spec.definition]
    good = [o.definition for o in others if _learnable(_left(outcomes, o, catalogue, tell), o)]
    cure = f"`tenure train churn --definition {good[0]}`" if good else "import more history"
    last = left[left[AS_OF] == left[AS_OF].max()]["churn"].sum()
    return (
        f"churn by {spec.definition} cannot be learned from this bank: too few leave, "
        f"{left.churn.sum():.0f} of {len(left):,} rows within {spec.horizon_days} days, "
        f"{last:.0f} of them in the test snapshot, "
        f"where at least {spec.gates.min_positives} are needed; "
        f"derivable here: {', '.join(good) or 'none'}; cure: {cure}"
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
