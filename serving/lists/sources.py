"""What lists and plans are made of: champions, policy, one generation's features and scores."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import CorruptError, NotReadyError
from features.home import Home
from features.moments import iso
from features.selling.expressions import SCORES
from features.snapshots import Generation, snapshot_path
from features.vocabulary import CREATED, CUSTOMER_ID, Catalogue
from serving.batch import scores_file
from serving.champions import load_scorer
from serving.columns import Floats, from_frame
from serving.deciding.consent import Withdrawn, withdrawn
from serving.deciding.decide import Weighed, weigh
from serving.deciding.effects import effects_of
from serving.deciding.prices import PlanPrices, read_prices
from serving.deciding.worth import Effects
from serving.policy import Policy, columns_needed, policy_of
from serving.scoring import Scorer

__all__ = ["Part", "Sources", "gather", "last_prices", "parts", "profile_of"]

_CHUNK = 50_000


@dataclass(frozen=True)
class Sources:
    """One generation and what decides on it; `snapshot` and `scores` hold the same customers."""

    scorer: Scorer
    policy: Policy
    generation: Generation
    snapshot: Path
    scores: Path
    withdrawn: Withdrawn = field(default_factory=Withdrawn)

    @property
    def catalogue(self) -> Catalogue:
        """What the bank sells."""
        return self.scorer.catalogue

    @property
    def as_of(self) -> str:
        """ISO 8601 in UTC."""
        return iso(self.generation.as_of)

    def named(self, kind: str, *asked: str) -> str:
        """An id for what is made of these sources: the same sources and questions give the same id."""
        gone = (*sorted(self.withdrawn.marketing), "", *sorted(self.withdrawn.profiling))
        parts = (
            *(*asked, self.generation.name, self.catalogue.version, self.policy.version),
            *sorted(self.scorer.versions.values()),
            *gone,
        )
        digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
        return f"{kind}-{self.generation.as_of:%Y%m%d}-{digest[:8]}"


@dataclass(frozen=True)
class Part:
    """Some customers, in the order of their ids, with all that decisions about them rest on."""

    frame: pd.DataFrame
    ids: list[str]
    columns: dict[str, list[Any]]
    scores: dict[str, Floats]
    effects: Effects
    weighed: Weighed


def gather(home: Home) -> Sources:
    """Find what decisions on the current generation are made of.

    Raises
    ------
    NotReadyError
        If there are no champions, or customers are not scored yet.
    CorruptError
        If scores or models are not what was written.
    """
    scorer = load_scorer(home)
    generation, scores = scores_file(home, scorer)
    snapshot = snapshot_path(home, generation, generation.as_of)
    policy = policy_of(home, scorer.catalogue)
    return Sources(
        scorer, policy, generation, snapshot, scores, withdrawn(home, snapshot, iso(generation.as_of))
    )


def parts(sources: Sources) -> Iterator[Part]:
    """Every customer once, in blocks that fit in memory; the same blocks at every call.

    Raises
    ------
    CorruptError
        If a file is damaged, or the two do not hold the same customers.
    """
    for rows, numbers in _batches(sources):
        yield _part(sources, rows, numbers)


def last_prices(home: Home, catalogue: Catalogue) -> PlanPrices | None:
    """The prices of the last plan, None before the first one or where the options are others by now."""
    try:
        prices = read_prices(home)
    except NotReadyError:
        return None
    return prices if prices.options == tuple(option.name for option in catalogue.options) else None


def profile_of(
    snapshot: pd.DataFrame, scores: pd.DataFrame, catalogue: Catalogue, policy: Policy
) -> dict[str, list[Any]]:
    """The columns that rules and segments read, with the scores among them.

    `snapshot` and `scores` have the same customers in the same order.
    """
    named = (term.name for segment in catalogue.segments for term in segment.where.terms)
    names = {CUSTOMER_ID, "manager_id", "region", *named, *columns_needed(catalogue, policy)}
    columns = from_frame(snapshot[[name for name in snapshot.columns if name in names]])
    return columns | {name: scores[name].tolist() for name in SCORES}


def _batches(sources: Sources) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    try:
        features = pq.ParquetFile(sources.snapshot).iter_batches(_CHUNK)
        scored = pq.ParquetFile(sources.scores).iter_batches(_CHUNK)
        for rows, numbers in zip(features, scored, strict=True):
            if not rows[CUSTOMER_ID].equals(numbers[CUSTOMER_ID]):
                raise ValueError("other customers")
            yield rows, numbers
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise CorruptError(
            f"{sources.snapshot}: damaged, or of other customers than {sources.scores.name}; "
            "cure: run `tenure features build`, then `tenure score --all`"
        ) from error


def _part(sources: Sources, rows: pa.RecordBatch, numbers: pa.RecordBatch) -> Part:
    # Nullable integers stay integers: as float64 a cent above 2^53 would be lost.
    frame = pa.Table.from_batches([rows]).to_pandas(types_mapper=_nullable).drop(columns=CREATED)
    scores = pa.Table.from_batches([numbers]).to_pandas()
    found = {str(name): scores[name].to_numpy(dtype=np.float64) for name in scores.select_dtypes("number")}
    profile = profile_of(frame, scores, sources.catalogue, sources.policy)
    columns = sources.withdrawn.from_columns(profile)
    effects = effects_of(sources.scorer, np.column_stack([found[name] for name in sources.scorer.names]))
    weighed = weigh(columns, effects, sources.catalogue, sources.policy)
    return Part(frame, columns[CUSTOMER_ID], columns, found, effects, weighed)


_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.float64(): pd.Float64Dtype(), pa.string(): pd.StringDtype()}


def _nullable(kind: pa.DataType) -> Any:
    return _NULLABLE.get(kind)
