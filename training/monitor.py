"""Has the world moved since a champion learned? Drift of features and scores, and label maturity."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.home import Home
from features.snapshots import current_generation, read_snapshot
from training.artifact import Model
from training.specs import spec_for
from training.versions.champions import Champions

__all__ = ["DRIFTED", "Drift", "Health", "health", "psi"]

DRIFTED = 0.25
"""Population stability above which a distribution counts as another one (Siddiqi 2006: 0.1 to watch)."""

_BINS = 10
_FLOOR = 1e-4
"""Least share of a bin: an empty bin would make the index infinite."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """One feature or score and its population stability index."""

    name: str
    psi: float


@dataclass(frozen=True)
class Health:
    """One champion against the customers of today.

    reference, as_of
        The snapshot that the model was tested on, and the current one.
    features, scores
        Population stability of the model's inputs and answers, the largest first.
    matures
        When the outcomes of today's scores will be known.
    """

    model: str
    version: int
    reference: datetime
    as_of: datetime
    features: tuple[Drift, ...]
    scores: tuple[Drift, ...]
    matures: datetime

    @property
    def drifted(self) -> tuple[Drift, ...]:
        """The features and scores that have become something else."""
        return tuple(d for d in (*self.scores, *self.features) if d.psi >= DRIFTED)


def psi(expected: Floats, actual: Floats) -> float:
    """Population stability index: sum of (a - e) ln(a / e) over tenths of the expected values.

    Parameters
    ----------
    expected, actual
        Shape (n,) and (m,), NaN where missing; missing values are a bin of their own.

    Returns
    -------
    float
        0 for equal distributions; never negative.

    >>> psi(np.arange(100.0), np.arange(100.0))
    0.0
    """
    known = expected[np.isfinite(expected)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(known) else known
    e, a = _shares(expected, edges), _shares(actual, edges)
    return float(np.sum((a - e) * np.log(a / e)))


def _shares(values: Floats, edges: Floats) -> Floats:
    bins = np.where(np.isfinite(values), np.searchsorted(edges, values, side="left"), len(edges) + 1)
    counts = np.bincount(bins, minlength=len(edges) + 2)
    return np.maximum(counts / max(1, len(values)), _FLOOR)


def health(home: Home, name: str) -> Health:
    """Compare the customers that a champion was tested on with those of the current generation.

    Only customers who consent to profiling are read.

    Raises
    ------
    NotReadyError
        If there is no champion, or its test snapshot is no longer built.
    """
    champions, generation = Champions(home), current_generation(home)
    version = champions.champion(name)
    model = champions.load(version)
    reference = datetime.fromisoformat(model.training["test_snapshots"][-1])
    then, now = _matrix(home, model, reference), _matrix(home, model, generation.as_of)
    features = [Drift(f.name, psi(then[:, i], now[:, i])) for i, f in enumerate(model.features)]
    before, today = model.predict(then), model.predict(now)
    scores = [Drift(f"score:{head}", psi(before[head], today[head])) for head in before]
    wait = timedelta(days=model.gap_days + model.horizon_days + spec_for(name).delay_days)
    return Health(
        model=name,
        version=int(version.version),
        reference=reference,
        as_of=generation.as_of,
        features=_largest_first(features),
        scores=_largest_first(scores),
        matures=generation.as_of + wait,
    )


def _matrix(home: Home, model: Model, moment: datetime) -> Floats:
    snapshot: pd.DataFrame = read_snapshot(home, moment)
    return model.matrix(snapshot[snapshot["consent_profiling"] == 1])


def _largest_first(drifts: list[Drift]) -> tuple[Drift, ...]:
    return tuple(sorted(drifts, key=lambda d: (-d.psi, d.name)))
