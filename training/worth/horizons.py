"""Value beyond the model's own horizon: each part times what it brought in the longer time before.

Hardly a bank has outcomes of two and three years both to learn from and to test on. So the model
learns twelve months, and a longer horizon takes of each part the bank's persistence: what the same
customers brought over that horizon for each unit of their first twelve months, leaving, growth and
discounting included. It is read from the latest window that had closed when the test began, with the
knowledge of then; where history is too short for one, the horizon is left out rather than guessed.

P10 and P90 are not carried on: how far one customer's years go together, one window does not tell.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import numpy as np

from features.labels import MONTH_DAYS, VALUE_PARTS, Outcome, value_labels
from features.vocabulary import Catalogue
from training.artifact import Matrix, Model
from training.specs import ModelSpec

__all__ = ["HORIZONS", "Horizon", "begins", "horizons_of", "learn_horizons", "project", "window"]

HORIZONS = (24, 36)
"""Months of the horizons beyond the model's own."""


@dataclass(frozen=True)
class Horizon:
    """One longer horizon of a value model.

    factors
        Part -> what it brings over the horizon for each unit of the model's own; empty if `missing`.
    customers, as_of
        Whose window the factors are read from, and when it began; 0 and empty if `missing`.
    missing
        What history lacks for it, in words; empty where there is an answer.
    """

    months: int
    factors: Mapping[str, float]
    customers: int = 0
    as_of: str = ""
    missing: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the artifact keeps it."""
        return asdict(self)


def learn_horizons(
    connection: Any, spec: ModelSpec, catalogue: Catalogue, closed: datetime
) -> tuple[Horizon, ...]:
    """Learn every longer horizon from a window that had closed by `closed`, with the knowledge of then.

    Parameters
    ----------
    connection
        From `features.history.read.connect`.
    closed
        The training cut: as_of of the test.
    """
    first = begins(connection)
    return tuple(_learned(connection, spec, catalogue, closed, first, months) for months in HORIZONS)


def horizons_of(model: Model) -> tuple[Horizon, ...]:
    """The longer horizons of a value model, in rising order; of any other model none."""
    return tuple(Horizon(**horizon) for horizon in model.training.get("horizons", ()))


def project(parts: Mapping[str, Matrix], horizon: Horizon) -> dict[str, Matrix]:
    """The parts of the model's own horizon carried to a longer one, and `expected`, their sum.

    Parameters
    ----------
    parts
        Part -> amounts of shape (n,), in the reporting currency.
    """
    carried = {part: amounts * horizon.factors[part] for part, amounts in parts.items()}
    # One part after the other, so that a row alone adds up as it does among many.
    return {"expected": reduce(np.add, carried.values()), **carried}


def begins(connection: Any) -> datetime:
    """The first booking of a history."""
    first: datetime = connection.table("transactions")["at"].min().to_pyarrow().as_py()
    return first.astimezone(UTC)


def window(spec: ModelSpec, months: int) -> timedelta:
    """From as_of until what a horizon brought is known: gap, horizon and reporting delay."""
    return timedelta(days=spec.gap_days + months * MONTH_DAYS + spec.delay_days)


def _learned(
    connection: Any, spec: ModelSpec, catalogue: Catalogue, closed: datetime, first: datetime, months: int
) -> Horizon:
    as_of = closed - window(spec, months)
    if as_of < first:
        lacking = math.ceil((first - as_of) / timedelta(days=MONTH_DAYS))
        return Horizon(months, {}, missing=f"{lacking} more months of history")
    own, whole = (
        value_labels(Outcome(connection, as_of, spec.gap_days, days, closed), catalogue)
        for days in (spec.horizon_days, months * MONTH_DAYS)
    )
    if len(own) < spec.gates.min_positives:
        few = f"{len(own)} customers as of {as_of:%Y-%m-%d}, {spec.gates.min_positives} needed"
        return Horizon(months, {}, missing=few)
    factors = {part: _ratio(float(whole[part].sum()), float(own[part].sum())) for part in VALUE_PARTS}
    return Horizon(months, factors, len(own), as_of.isoformat())


def _ratio(whole: float, own: float) -> float:
    # A part that nobody had is expected of nobody, and any factor makes that the same nothing.
    return whole / own if own else 1.0
