"""Training sets: (customer, as_of, label) first, then the features as known at as_of.

The left side is built here and joined through Feast; rows in = rows out.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

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
    MONTH_DAYS,
    Outcome,
    churn_definition,
    churn_outcomes,
    lacking,
    margin_labels,
    uptake_labels,
    value_labels,
)
from features.settings import Settings
from features.snapshots import Generation, current_generation
from features.vocabulary import AS_OF, CUSTOMER_ID, Catalogue
from training.specs import ModelSpec
from training.survival import hazard_shares
from training.worth.horizons import Horizon, learn_horizons
from training.worth.longer import Later, later_values

__all__ = ["TrainingSet", "fingerprint", "mature_snapshots", "outcomes_at", "training_set", "typed"]

_MONTH = "month"
"""In which month of the window a customer left; no label of its own."""


@dataclass(frozen=True)
class TrainingSet:
    """One model's examples.

    frame
        customer_id, as_of, the model fields, the labels (float64; NaN where not eligible).
    fingerprint
        SHA-256 over every cell: equal data, equal fingerprint.
    survival
        Of churn, where the definition knows the month: the baseline of `training.survival` over the
        snapshots before the test; else empty.
    horizons, later
        Of value: the longer horizons, learned before the test, and what they really brought since.
    contacts
        Of what contacts change: what the log says beside its rows (`training.uplift.contacts`).
    """

    frame: pd.DataFrame
    fields: tuple[Field, ...]
    labels: tuple[str, ...]
    fingerprint: str
    survival: tuple[float, ...] = ()
    horizons: tuple[Horizon, ...] = ()
    later: tuple[Later, ...] = ()
    contacts: Mapping[str, Any] = field(default_factory=dict)


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


def outcomes_at(
    home: Home, spec: ModelSpec, generation: Generation, moments: Sequence[datetime], settings: Settings
) -> list[Outcome]:
    """The outcome windows of some snapshots, known as far as the generation knows, on one connection."""
    connection = connect(home, settings.threads, settings.memory)
    return [Outcome(connection, m, spec.gap_days, spec.horizon_days, generation.as_of) for m in moments]


def training_set(
    home: Home, spec: ModelSpec, settings: Settings, tell: Callable[[str], None]
) -> TrainingSet:
    """Build one model's examples from the current generation.

    Raises
    ------
    InputError
        If the definition of churn, or the product whose line it is about, is unknown.
    RefusedError
        If the snapshots are too few, or the definition cannot honestly be learned from this bank.
    """
    if spec.name == "churn":
        churn_definition(spec.definition)
    from features.store import join_features  # Feast takes seconds, which a finished table need not wait

    generation, catalogue = current_generation(home), load_catalogue(home.catalogue)
    moments = mature_snapshots(generation, spec)
    outcomes = outcomes_at(home, spec, generation, moments, settings)
    left = _left(outcomes, spec, catalogue, tell)
    if spec.name == "churn" and (_lacking(spec, outcomes) or not _learnable(left, spec)):
        raise RefusedError(_unlearnable(left, outcomes, spec, catalogue, tell))
    survival = _survival(left, spec)
    left = left.drop(columns=_MONTH, errors="ignore")
    tell(f"{spec.name}: joining features to {len(left):,} rows through Feast")
    frame = typed(join_features(home, left, spec.service), catalogue)
    labels = tuple(c for c in left.columns if c not in (CUSTOMER_ID, AS_OF))
    if spec.name == "propensity":
        frame = _mask_ineligible(frame, catalogue)
    horizons, later = _longer(outcomes, spec, catalogue)
    return TrainingSet(
        *(frame, model_fields(catalogue), labels, fingerprint(frame)),
        survival=survival,
        horizons=horizons,
        later=later,
    )


def _longer(
    outcomes: Sequence[Outcome], spec: ModelSpec, catalogue: Catalogue
) -> tuple[tuple[Horizon, ...], tuple[Later, ...]]:
    if spec.name != "value":
        return (), ()
    *learned, test = outcomes
    horizons = learn_horizons(test.connection, spec, catalogue, test.as_of)
    moments = [outcome.as_of for outcome in learned]
    return horizons, later_values(test.connection, spec, catalogue, moments, test.known)


def _labels(outcome: Outcome, spec: ModelSpec, catalogue: Catalogue) -> pd.DataFrame:
    if spec.name == "churn":
        frame = churn_outcomes(outcome, spec.definition, catalogue)
        return frame.loc[frame["excluded"] == "", [CUSTOMER_ID, AS_OF, "churn", _MONTH]]
    if spec.name == "value":
        return value_labels(outcome, catalogue)
    if spec.name == "margin":
        return margin_labels(outcome, catalogue.offered)
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


def _lacking(spec: ModelSpec, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    return lacking(churn_definition(spec.definition), outcomes[0])


def _survival(left: pd.DataFrame, spec: ModelSpec) -> tuple[float, ...]:
    if spec.name != "churn" or not churn_definition(spec.definition).monthly:
        return ()
    learned = left[left[AS_OF] < left[AS_OF].max()]
    return hazard_shares(learned[_MONTH].to_numpy(), math.ceil(spec.horizon_days / MONTH_DAYS))


def _unlearnable(
    left: pd.DataFrame,
    outcomes: Sequence[Outcome],
    spec: ModelSpec,
    catalogue: Catalogue,
    tell: Callable[[str], None],
) -> str:
    """Say in words what is missing, how few leave, and which other definitions the data can support."""
    others = [replace(spec, definition=d) for d in CHURN_DEFINITIONS if d != spec.definition]
    able = [o for o in others if not _lacking(o, outcomes)]
    good = [o.definition for o in able if _learnable(_left(outcomes, o, catalogue, tell), o)]
    missing = "".join(f"{reason}; " for reason in _lacking(spec, outcomes))
    cure = f"`tenure train churn --definition {good[0]}`" if good else "import more history"
    few = "" if _learnable(left, spec) else "too few leave: "
    last = left[left[AS_OF] == left[AS_OF].max()]["churn"].sum()
    return (
        f"churn by {spec.definition} cannot be learned from this bank: {missing}"
        f"{few}{left.churn.sum():.0f} of {len(left):,} rows leave within {spec.horizon_days} days, "
        f"{last:.0f} of them in the test snapshot, "
        f"where at least {spec.gates.min_positives} are needed; "
        f"derivable here: {', '.join(good) or 'none'}; cure: {cure}"
    )


def typed(frame: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
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


def fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256 over the names of the columns and every cell, in their order."""
    cells = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return hashlib.sha256(",".join(frame.columns).encode() + cells.tobytes()).hexdigest()
