"""Snapshots of every feature: one parquet file a moment, one generation at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pandas as pd

from features.catalogue import load_catalogue
from features.engines import Job, engine_named
from features.errors import InputError, NotReadyError, RefusedError
from features.families import all_families
from features.history.read import connect
from features.home import Home, read_json, write_whole_folder, write_whole_json
from features.months import months_before
from features.settings import Settings
from features.vocabulary import CREATED

__all__ = ["Generation", "build_snapshots", "current_generation", "read_snapshot"]

_BUILD = "run `tenure features build --as-of DATE`"
MIN_OBSERVED_DAYS = 180
MAX_SILENT_DAYS = 7


@dataclass(frozen=True)
class Generation:
    """One build of the features; `snapshots` in rising order, the last one is `as_of`."""

    name: str
    as_of: datetime
    snapshots: tuple[datetime, ...]


def build_snapshots(
    home: Home,
    as_of: datetime,
    months: int,
    settings: Settings,
    tell: Callable[[str], None],
    every: int = 1,
    engine: str = "duckdb",
) -> Generation:
    """Compute every feature at as_of and at earlier snapshots, `every` months apart, `months` back.

    The new generation takes the place of the old one whole; a kill leaves the old one.

    Raises
    ------
    InputError
        If as_of is not a UTC midnight, or months is negative.
    RefusedError
        If history ends long before as_of, or begins less than 180 days before it.
    """
    if (
        as_of.tzinfo is None
        or as_of.astimezone(UTC).time() != datetime.min.time()
        or months < 0
        or every < 1
    ):
        raise InputError(
            "as_of must be a UTC midnight, months at least 0, every at least 1: "
            f"got {as_of}, {months}, {every}"
        )
    connection = connect(home, settings.threads, settings.memory)
    first, last = _span(connection)
    if as_of - last > timedelta(days=MAX_SILENT_DAYS):
        raise RefusedError(
            f"history ends {last:%Y-%m-%d}, more than {MAX_SILENT_DAYS} days before "
            f"as_of {as_of:%Y-%m-%d}; cure: import newer history, or build at an earlier as_of"
        )
    moments = [
        m for m in _months_back(as_of, months, every) if m - first >= timedelta(days=MIN_OBSERVED_DAYS)
    ]
    if as_of not in moments:
        raise RefusedError(
            f"history begins {first:%Y-%m-%d}: features need {MIN_OBSERVED_DAYS} days before as_of; "
            f"cure: choose an as_of after {first + timedelta(days=MIN_OBSERVED_DAYS):%Y-%m-%d}"
        )
    generation = Generation(_next_name(home, as_of), as_of, tuple(moments))
    with write_whole_folder(home.offline) as folder:
        families = all_families(load_catalogue(home.catalogue))
        job = Job(home, families, tuple(moments), folder, settings.threads, settings.memory, tell)
        engine_named(engine)(job)
        write_whole_json(folder / "generation.json", _as_json(generation))
    return generation


def _span(connection: ibis.BaseBackend) -> tuple[datetime, datetime]:
    known = connection.table("transactions")
    first, last = known.aggregate(first=known.at.min(), last=known.known_at.max()).to_pandas().iloc[0]
    return first.to_pydatetime(), last.to_pydatetime()


def _months_back(as_of: datetime, months: int, every: int = 1) -> list[datetime]:
    """as_of and the same day of earlier months (the last day where a month is shorter), rising.

    >>> [f"{m:%m-%d}" for m in _months_back(datetime(2024, 3, 31, tzinfo=UTC), 2)]
    ['01-31', '02-29', '03-31']
    """
    return [months_before(as_of, back) for back in reversed(range(0, months + 1, every))]


def _next_name(home: Home, as_of: datetime) -> str:
    """`<as_of>.<n>`: n counts the builds of the same as_of."""
    try:
        before = current_generation(home).name
    except NotReadyError:
        before = ""
    day, _, number = before.rpartition(".")
    return f"{as_of:%Y-%m-%d}.{int(number) + 1 if day == f'{as_of:%Y-%m-%d}' else 1}"


def _as_json(generation: Generation) -> dict[str, Any]:
    return {
        "name": generation.name,
        "as_of": generation.as_of.isoformat(),
        "snapshots": [s.isoformat() for s in generation.snapshots],
    }


def current_generation(home: Home) -> Generation:
    """The generation that was built last; NotReadyError if none was."""
    row = read_json(home.offline / "generation.json", cure=_BUILD)
    snapshots = tuple(datetime.fromisoformat(s) for s in row["snapshots"])
    return Generation(row["name"], datetime.fromisoformat(row["as_of"]), snapshots)


def read_snapshot(home: Home, as_of: datetime) -> pd.DataFrame:
    """Every field of every live customer at one snapshot, sorted by customer_id.

    Raises
    ------
    NotReadyError
        If that snapshot was not built.
    """
    path = home.offline / f"{as_of:%Y-%m-%d}.parquet"
    if not path.is_file():
        raise NotReadyError(f"{path}: no snapshot at {as_of:%Y-%m-%d}; cure: {_BUILD}")
    # Nullable integers stay integers: as float64 a cent above 2^53 would be lost.
    return pd.read_parquet(path, dtype_backend="numpy_nullable").drop(columns=CREATED)
