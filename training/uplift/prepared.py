"""A randomised log as arrays, and the contract of the model that learns from it."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import InputError, RefusedError, first_five
from features.vocabulary import AS_OF, CUSTOMER_ID
from training.artifact import Matrix, Model
from training.bins import binned, deterministic, learned_columns
from training.contract import Feature
from training.datasets import TrainingSet
from training.specs import ModelSpec
from training.split import bucket
from training.uplift.learners import Log
from training.uplift.linear import terms_of
from training.uplift.responses import CHANNEL, OUTCOME, PREFERRED, PROBABILITY, PRODUCT, TREATED

__all__ = ["in_order", "prepared"]


def prepared(
    spec: ModelSpec, examples: TrainingSet, currency: str, threads: int, seed: int
) -> tuple[Log, Model]:
    """The log as arrays, sorted so that any order of rows gives the same model, and the contract."""
    frame = in_order(examples.frame)
    examples = replace(examples, frame=frame)
    treated, outcome, propensity = (
        frame[name].to_numpy(dtype=np.float64) for name in (TREATED, OUTCOME, PROBABILITY)
    )
    customers = frame[CUSTOMER_ID].to_numpy(dtype=object)
    _check(spec, customers, treated, outcome, propensity)
    features, matrix = learned_columns(examples, np.arange(len(frame)))
    # Learners differ in their smallest leaf, so no feature is dropped for one.
    params = {**spec.params, **deterministic(threads, seed), "feature_pre_filter": False}
    data = binned(matrix, features, params)
    fold = bucket(frame[CUSTOMER_ID], "uplift")
    # Who is left alone is left so by every channel.
    left = _moved_by(features, [f.name for f in features if f.name not in (CHANNEL, PREFERRED)])
    moving = (PRODUCT, CHANNEL, PREFERRED, *spec.effect) if spec.effect else ()
    few = (_moved_by(features, moving) | {"feature_fraction": 1.0}) if moving else {}
    terms = terms_of(features, moving, matrix[treated == 1])
    lineage = {
        "fingerprint": examples.fingerprint,
        "snapshots": [moment.isoformat() for moment in sorted(frame[AS_OF].unique())],
        "test_snapshots": [frame[AS_OF].max().isoformat()],
        "rows": len(frame),
        "customers": int(frame[CUSTOMER_ID].nunique()),
        "seed": seed,
        "params": dict(spec.params),
        "lightgbm": lightgbm.__version__,
        "contacts": dict(examples.contacts),
    }
    horizon = (spec.horizon_days, spec.gap_days)
    contract = Model(spec.name, spec.definition, *horizon, currency, features, (), lineage)
    told = (params, {**params, **left}, {**params, **few})
    return Log(matrix, data, treated, outcome, propensity, fold, customers, *told, terms), contract


def _moved_by(features: Sequence[Feature], names: Collection[str]) -> dict[str, Any]:
    """LightGBM's word for features that may split; a gain of the others counts nothing."""
    return {"feature_contri": [float(f.name in names) for f in features]}


def _check(
    spec: ModelSpec, ids: NDArray[Any], treated: Matrix, outcome: Matrix, propensity: Matrix
) -> None:
    for what, good in (
        ("treated is neither 0 nor 1", np.isin(treated, (0, 1))),
        ("outcome is neither 0 nor 1", np.isin(outcome, (0, 1))),
        ("probability is not strictly between 0 and 1", (propensity > 0) & (propensity < 1)),
    ):
        if not good.all():
            raise InputError(f"{spec.name}: {what}: {first_five(ids[~good])}; cure: mend the log")
    needed = spec.gates.min_positives
    for arm, rows in (("contacted", treated == 1), ("not contacted", treated == 0)):
        positives = int(outcome[rows].sum())
        if min(positives, int(rows.sum()) - positives) < needed:
            raise RefusedError(
                f"{spec.name}: {positives} outcomes among {int(rows.sum())} customers {arm}, at least "
                f"{needed} with and without are needed; cure: log more randomised contacts; until then "
                "stated priors must do"
            )


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows by time, customer and offer, so that any order of rows is learned alike."""
    keys = [c for c in (AS_OF, CUSTOMER_ID, PRODUCT, CHANNEL) if c in frame]
    return frame.sort_values(keys, ignore_index=True)
