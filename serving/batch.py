"""Score every customer of the current snapshot, and read those scores back."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import CorruptError, NotReadyError
from features.home import Home, read_json, sha256_of, write_whole, write_whole_json
from features.snapshots import Generation, current_generation, read_snapshot
from features.vocabulary import CUSTOMER_ID
from serving.columns import from_frame
from serving.scoring import Scorer, Scores

__all__ = ["BatchSummary", "read_scores", "score_all", "scores_file"]

_CHUNK = 20_000
_CURE = "run `tenure score --all`"


@dataclass(frozen=True)
class BatchSummary:
    """What a batch wrote: `status` counts rows, `sha256` is the parquet file's."""

    file: str
    generation: str
    as_of: str
    rows: int
    status: Mapping[str, int]
    models: Mapping[str, str]
    catalogue: str
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def score_all(home: Home, scorer: Scorer, tell: Callable[[str], None]) -> BatchSummary:
    """Score every customer at the current generation's as_of.

    Writes `scores/<generation>.parquet` (customer_id, status, reasons, pooled: the products whose
    probability rests on all products' takers, see `Scorer.pooled`; one column a score, null where
    there is no number; sorted by customer_id), and its manifest beside it.

    Raises
    ------
    NotReadyError
        If no features were built.
    """
    generation = current_generation(home)
    frame = read_snapshot(home, generation.as_of)
    path = _path(home, generation)
    status: Counter[str] = Counter()
    with write_whole(path) as part:
        writer: pq.ParquetWriter | None = None
        for start in range(0, len(frame), _CHUNK):
            table = _score_chunk(scorer, frame.iloc[start : start + _CHUNK])
            writer = writer or pq.ParquetWriter(part, table.schema, compression="zstd")
            writer.write_table(table)
            status.update(table["status"].to_pylist())
            tell(f"scored {min(start + _CHUNK, len(frame)):,} of {len(frame):,} customers")
        if writer is None:
            raise NotReadyError(f"{home.offline}: the snapshot holds no customer; cure: import history")
        writer.close()
    summary = BatchSummary(
        file=str(path),
        generation=generation.name,
        as_of=generation.as_of.isoformat(),
        rows=len(frame),
        status=dict(status),
        models=scorer.versions,
        catalogue=scorer.catalogue.version,
        sha256=sha256_of(path),
    )
    write_whole_json(path.with_suffix(".json"), summary.to_dict())
    return summary


def scores_file(home: Home, scorer: Scorer) -> tuple[Generation, Path]:
    """The file with the scores of the current generation by the current champions.

    Raises
    ------
    NotReadyError
        If everybody is not scored yet, or was scored by other models or under another catalogue.
    CorruptError
        If the file is not what was written.
    """
    generation = current_generation(home)
    path = _path(home, generation)
    summary = BatchSummary(**read_json(path.with_suffix(".json"), cure=_CURE))
    if summary.models != scorer.versions or summary.catalogue != scorer.catalogue.version:
        raise NotReadyError(f"{path}: made by other models or under another catalogue; cure: {_CURE}")
    if not path.is_file() or sha256_of(path) != summary.sha256:
        raise CorruptError(f"{path}: not the file that was written; cure: {_CURE}")
    return generation, path


def read_scores(home: Home, scorer: Scorer) -> tuple[Generation, pd.DataFrame]:
    """The scores in `scores_file`, sorted by customer_id; the same errors."""
    generation, path = scores_file(home, scorer)
    return generation, pq.read_table(path).to_pandas()


def _score_chunk(scorer: Scorer, frame: pd.DataFrame) -> pa.Table:
    columns = from_frame(frame)
    scores = scorer.score(columns)
    words = {
        CUSTOMER_ID: pa.array(columns[CUSTOMER_ID], pa.string()),
        "status": pa.array(scores.status, pa.string()),
        "reasons": pa.array([list(r) for r in scores.reasons], pa.list_(pa.string())),
        "pooled": pa.array(_pooled(scorer, scores), pa.list_(pa.string())),
    }
    numbers = {name: pa.array(values, from_pandas=True) for name, values in scores.values.items()}
    return pa.table({**words, **numbers})


def _pooled(scorer: Scorer, scores: Scores) -> list[list[str]]:
    """For each row the pooled products that it has a number for."""
    names = scorer.pooled
    answered = [~np.isnan(scores.values[f"propensity_{name}"]) for name in names]
    rows = zip(*answered, strict=True) if names else ((),) * len(scores.status)
    return [[name for name, has in zip(names, row, strict=True) if has] for row in rows]


def _path(home: Home, generation: Generation) -> Path:
    return home.scores / f"{generation.name}.parquet"
