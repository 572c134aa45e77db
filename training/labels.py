"""The definitions of churn side by side, on one bank: how many leave by each, and how far they agree."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import load_catalogue
from features.errors import RefusedError
from features.generations import Generation, current_generation
from features.home import Home
from features.labels import CHURN_DEFINITIONS, Outcome, churn_outcomes, lacking, line_labels
from features.settings import Settings
from features.vocabulary import Catalogue
from training.datasets import outcomes_at
from training.specs import ModelSpec

__all__ = ["Comparison", "Counted", "Windows", "compare"]

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """The windows of one snapshot: the outcome in [opens, closes), to be used from `matures` on."""

    as_of: datetime
    opens: datetime
    closes: datetime
    matures: datetime


@dataclass(frozen=True)
class Counted:
    """Rows with a label, and how many of them left."""

    rows: int
    positives: int

    @property
    def rate(self) -> float | None:
        """The share that left; None without rows."""
        return self.positives / self.rows if self.rows else None


@dataclass
class _Tally:
    """What is added up over the snapshots, d definitions."""

    by_snapshot: dict[str, list[Counted]]
    excluded: dict[str, Counter[str]]
    months: dict[str, Counter[int]]
    lines: dict[str, Counted] = field(default_factory=dict)
    # Rows that both definitions label, positives of both, positives of the first with a label of the other.
    both: Counts = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    shared: Counts = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    first: Counts = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))


@dataclass(frozen=True)
class Comparison:
    """All definitions on the mature snapshots of one generation.

    snapshots
        In rising order.
    by_snapshot
        Definition -> one Counted a snapshot.
    excluded
        Definition -> reason -> rows without a label.
    months
        Definition -> month of the window -> leavers; empty where the definition is not monthly.
    lacking
        Definition -> what the bank's history lacks for it, in words.
    overlap
        Definition A -> definition B -> share of A's positives that are B's, None without any.
    phi
        A -> B -> phi coefficient of the two labels (Pearson's, of two yes-or-no columns) over the
        rows that both label, -1 to 1; None where one of them does not vary.
    lines
        Product -> Counted of product-line churn, over all snapshots.
    """

    generation: str
    horizon_days: int
    gap_days: int
    snapshots: tuple[Windows, ...]
    by_snapshot: Mapping[str, Sequence[Counted]]
    excluded: Mapping[str, Mapping[str, int]]
    months: Mapping[str, Mapping[int, int]]
    lacking: Mapping[str, tuple[str, ...]]
    overlap: Mapping[str, Mapping[str, float | None]]
    phi: Mapping[str, Mapping[str, float | None]]
    lines: Mapping[str, Counted]

    def total(self, definition: str) -> Counted:
        """Rows and positives of one definition over all snapshots."""
        return _added(self.by_snapshot[definition])


def compare(home: Home, spec: ModelSpec, settings: Settings, tell: Callable[[str], None]) -> Comparison:
    """Label every mature snapshot of the current generation by every definition.

    Parameters
    ----------
    spec
        Horizon, gap and reporting delay; its definition does not matter.

    Raises
    ------
    NotReadyError
        If there is no history, or no features were built.
    RefusedError
        If no snapshot is mature, saying how much history is missing.
    """
    generation, catalogue = current_generation(home), load_catalogue(home.catalogue)
    moments = _mature(generation, spec)
    outcomes = outcomes_at(home, spec, generation, moments, settings)
    tally = _tally(outcomes, catalogue, tell)
    overlap, phi = _agreement(tally)
    return Comparison(
        generation.name,
        spec.horizon_days,
        spec.gap_days,
        tuple(Windows(o.as_of, o.opens, o.closes, o.matures(spec.delay_days)) for o in outcomes),
        tally.by_snapshot,
        tally.excluded,
        tally.months,
        {name: lacking(d, outcomes[0]) for name, d in CHURN_DEFINITIONS.items()},
        overlap,
        phi,
        tally.lines,
    )


def _mature(generation: Generation, spec: ModelSpec) -> tuple[datetime, ...]:
    reach = timedelta(days=spec.gap_days + spec.horizon_days + spec.delay_days)
    mature = tuple(s for s in generation.snapshots if s + reach <= generation.as_of)
    if not mature:
        raise RefusedError(
            f"labels: no snapshot is mature: the first is {generation.snapshots[0]:%Y-%m-%d}, as_of is "
            f"{generation.as_of:%Y-%m-%d}, and {reach.days} days must lie between; "
            "cure: `tenure features build --months N` with more months, or import more history"
        )
    return mature


def _tally(outcomes: Sequence[Outcome], catalogue: Catalogue, tell: Callable[[str], None]) -> _Tally:
    names = tuple(CHURN_DEFINITIONS)
    zeros = np.zeros((len(names), len(names)), dtype=np.int64)
    tally = _Tally(
        {name: [] for name in names},
        {name: Counter() for name in names},
        {name: Counter() for name in names},
        both=zeros.copy(),
        shared=zeros.copy(),
        first=zeros.copy(),
    )
    for outcome in outcomes:
        tell(f"labels: {len(names)} definitions after {outcome.as_of:%Y-%m-%d}")
        _add(tally, outcome, {name: churn_outcomes(outcome, name, catalogue) for name in names})
    return tally


def _add(tally: _Tally, outcome: Outcome, found: Mapping[str, pd.DataFrame]) -> None:
    for name, frame in found.items():
        tally.by_snapshot[name].append(_counted(frame["churn"]))
        tally.excluded[name].update(frame.loc[frame["excluded"] != "", "excluded"])
        tally.months[name].update(frame["month"].dropna().astype(int))
    # Every definition labels or excludes the same customers in the same order.
    labels = np.column_stack([frame["churn"].to_numpy() for frame in found.values()])
    labelled, left = np.isfinite(labels).astype(np.int64), (labels == 1.0).astype(np.int64)
    tally.both += labelled.T @ labelled
    tally.shared += left.T @ left
    tally.first += left.T @ labelled
    for product, rows in line_labels(outcome).groupby("product"):
        lines = tally.lines.get(str(product), Counted(0, 0))
        tally.lines[str(product)] = _added((lines, _counted(rows["churn"])))


def _agreement(
    tally: _Tally,
) -> tuple[dict[str, dict[str, float | None]], dict[str, dict[str, float | None]]]:
    """Overlap and phi, definition by definition."""
    names = tuple(tally.by_snapshot)
    overlap: dict[str, dict[str, float | None]] = {name: {} for name in names}
    phi: dict[str, dict[str, float | None]] = {name: {} for name in names}
    for i, one in enumerate(names):
        positives = int(tally.shared[i, i])
        for j, other in enumerate(names):
            overlap[one][other] = int(tally.shared[i, j]) / positives if positives else None
            phi[one][other] = _phi(
                int(tally.both[i, j]),
                int(tally.shared[i, j]),
                int(tally.first[i, j]),
                int(tally.first[j, i]),
            )
    return overlap, phi


def _phi(rows: int, both: int, one: int, other: int) -> float | None:
    """Phi of two labels from counts: rows, positives of both, of the one, of the other.

    >>> _phi(8, 2, 4, 2), _phi(8, 4, 4, 4), _phi(8, 0, 0, 4)
    (0.5773502691896258, 1.0, None)
    """
    spread = one * (rows - one) * other * (rows - other)
    return float((rows * both - one * other) / spread**0.5) if spread else None


def _counted(labels: "pd.Series[float]") -> Counted:
    return Counted(int(labels.notna().sum()), int(labels.sum()))


def _added(counted: Sequence[Counted]) -> Counted:
    return Counted(sum(c.rows for c in counted), sum(c.positives for c in counted))
