"""What customers really brought over a longer horizon than the model's own, and how well it was foretold.

Measured on the latest snapshot whose horizon has passed by now, on the customers that the trees never
saw. Its first twelve months lie in the time that was learned from and its last ones after the training
cut, so it is a test by customer for the model, and a test in time for how it is carried on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.labels import MONTH_DAYS, Outcome, value_labels
from features.vocabulary import AS_OF, CUSTOMER_ID, Catalogue
from training.artifact import Model
from training.measures import amount_measures
from training.specs import ModelSpec
from training.worth.horizons import HORIZONS, begins, horizons_of, project, window

__all__ = ["Later", "later_values", "longer_measures"]

_TOTAL = "value"
_SHOWN = ("gini", "mae_share", "bias")


@dataclass(frozen=True)
class Later:
    """What the customers of one snapshot brought over a longer horizon, which has passed since.

    frame
        customer_id, as_of; value over the horizon; carried and retained: what the plain methods of
        `training.worth.baselines.plain_amounts` expect of it, NaN where history does not reach back to the
        period before.
    """

    months: int
    frame: pd.DataFrame


def later_values(
    connection: Any, spec: ModelSpec, catalogue: Catalogue, moments: Sequence[datetime], known: datetime
) -> tuple[Later, ...]:
    """For each longer horizon that has passed for one of some snapshots by `known`, the latest such one."""
    first, found = begins(connection), []
    for months in HORIZONS:
        passed = [moment for moment in moments if moment + window(spec, months) <= known]
        if passed:
            outcome = Outcome(connection, max(passed), spec.gap_days, months * MONTH_DAYS, known)
            frame = value_labels(outcome, catalogue)[[CUSTOMER_ID, AS_OF, _TOTAL]]
            plain = _plain(outcome, spec, catalogue, first, frame[CUSTOMER_ID])
            found.append(Later(months, frame.assign(**plain)))
    return tuple(found)


def longer_measures(
    model: Model, frame: pd.DataFrame, held_out: NDArray[np.intp], later: Sequence[Later]
) -> dict[str, dict[str, float]]:
    """How well longer horizons were foretold: `value_<months>` -> measure -> number.

    Parameters
    ----------
    frame
        The training set's; features are taken from its rows.
    held_out
        Positions of the rows that the trees never saw.
    """
    seen = frame.iloc[held_out]
    answered = {h.months: h for h in horizons_of(model) if not h.missing}
    found = {}
    for one in (one for one in later if one.months in answered):
        rows = seen.merge(one.frame, on=[CUSTOMER_ID, AS_OF], suffixes=("_own", ""))
        if rows.empty:
            continue
        answers = model.predict(model.matrix(rows))
        parts = {head.name: answers[head.name] for head in model.heads if head.kind == "amount"}
        predicted = project(parts, answered[one.months])["expected"]
        actual = rows[_TOTAL].to_numpy(dtype=np.float64)
        measures = amount_measures(actual, predicted)
        for prefix, column in (("carried_on", "carried"), ("average_retention", "retained")):
            plain = amount_measures(actual, rows[column].to_numpy(dtype=np.float64))
            measures |= {f"{prefix}_{name}": plain[name] for name in _SHOWN}
        found[f"{_TOTAL}_{one.months}"] = {n: m for n, m in measures.items() if np.isfinite(m)}
    return found


def _plain(
    outcome: Outcome, spec: ModelSpec, catalogue: Catalogue, first: datetime, people: "pd.Series[str]"
) -> Mapping[str, Any]:
    """Last period carried on over every period of the horizon, and the same times retention for each."""
    start = outcome.as_of - window(spec, spec.horizon_days // MONTH_DAYS)
    if start < first:
        return {"carried": np.nan, "retained": np.nan}
    period = Outcome(outcome.connection, start, spec.gap_days, spec.horizon_days, outcome.as_of)
    then = value_labels(period, catalogue).set_index(CUSTOMER_ID)[_TOTAL]
    before = people.map(then).fillna(then.mean()).to_numpy(dtype=np.float64)
    kept = float(then.index.isin(people).mean())
    counts = (1 + catalogue.discount_rate) ** -(np.arange(outcome.horizon_days // spec.horizon_days) * 1.0)
    return {
        "carried": before * counts.sum(),
        "retained": before * float(np.sum(counts * kept ** (np.arange(len(counts)) + 1))),
    }
