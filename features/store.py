"""The feature store: build snapshots, apply the views, join training sets, materialise.

One of the three modules that import feast.
"""

import calendar
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import ibis
import pandas as pd
import yaml
from feast import FeatureStore, RepoConfig

from features.catalogue import load_catalogue
from features.compute import feature_table, spine_of
from features.errors import CorruptError, InputError, NotReadyError, RefusedError
from features.families import all_families
from features.history.cut import cut_history
from features.history.read import connect
from features.home import Home, read_json, write_whole, write_whole_folder, write_whole_json
from features.settings import Settings
from features.views import CREATED, FeastObject, declare_views
from features.vocabulary import AS_OF, CUSTOMER_ID

__all__ = [
    "Generation",
    "build",
    "current_generation",
    "feast_objects",
    "join_features",
    "materialize",
    "open_store",
    "read_snapshot",
]

_BUILD = "run `tenure features build --as-of DATE`"
MIN_OBSERVED_DAYS = 180
MAX_SILENT_DAYS = 7


@dataclass(frozen=True)
class Generation:
    """One build of the features; `snapshots` in rising order, the last one is `as_of`."""

    name: str
    as_of: datetime
    snapshots: tuple[datetime, ...]


def build(
    home: Home, as_of: datetime, months: int, settings: Settings, tell: Callable[[str], None]
) -> Generation:
    """Compute every feature at as_of and at the `months` monthly snapshots before it.

    The new generation takes the place of the old one whole; a kill leaves the old one.

    Raises
    ------
    InputError
        If as_of is not a UTC midnight, or months is negative.
    RefusedError
        If history ends long before as_of, or begins less than 180 days before it.
    """
    if as_of.tzinfo is None or as_of.astimezone(UTC).time() != datetime.min.time() or months < 0:
        raise InputError(f"as_of must be a UTC midnight and months at least 0: got {as_of}, {months}")
    families = all_families(load_catalogue(home.catalogue))
    connection = connect(home, settings.threads, settings.memory)
    first, last = _span(connection)
    if as_of - last > timedelta(days=MAX_SILENT_DAYS):
        raise RefusedError(
            f"history ends {last:%Y-%m-%d}, more than {MAX_SILENT_DAYS} days before "
            f"as_of {as_of:%Y-%m-%d}; cure: import newer history, or build at an earlier as_of"
        )
    moments = [m for m in _months_back(as_of, months) if m - first >= timedelta(days=MIN_OBSERVED_DAYS)]
    if as_of not in moments:
        raise RefusedError(
            f"history begins {first:%Y-%m-%d}: features need {MIN_OBSERVED_DAYS} days before as_of; "
            f"cure: choose an as_of after {first + timedelta(days=MIN_OBSERVED_DAYS):%Y-%m-%d}"
        )
    generation = Generation(_next_name(home, as_of), as_of, tuple(moments))
    with write_whole_folder(home.offline) as folder:
        for number, moment in enumerate(moments, 1):
            tell(f"features at {moment:%Y-%m-%d} ({number} of {len(moments)})")
            _write_snapshot(connection, moment, families, folder / f"{moment:%Y-%m-%d}.parquet")
        write_whole_json(folder / "generation.json", _as_json(generation))
    open_store(home).apply(feast_objects(home))
    return generation


def _write_snapshot(connection: Any, moment: datetime, families: Any, path: Path) -> None:
    cut = cut_history(connection, moment)
    table = feature_table(cut, spine_of(cut), families)
    # Features of a snapshot look at nothing known later than as_of, so they could exist by then.
    table = table.mutate(**{CREATED: table[AS_OF]}).order_by(CUSTOMER_ID)
    connection.to_parquet(table, str(path), compression="zstd")


def _span(connection: ibis.BaseBackend) -> tuple[datetime, datetime]:
    known = connection.table("transactions")
    first, last = known.aggregate(first=known.at.min(), last=known.known_at.max()).to_pandas().iloc[0]
    return first.to_pydatetime(), last.to_pydatetime()


def _months_back(as_of: datetime, months: int) -> list[datetime]:
    """as_of and the same day of earlier months (the last day where a month is shorter), rising.

    >>> [f"{m:%m-%d}" for m in _months_back(datetime(2024, 3, 31, tzinfo=UTC), 2)]
    ['01-31', '02-29', '03-31']
    """
    moments = []
    for back in range(months, -1, -1):
        year, month = divmod(as_of.year * 12 + as_of.month - 1 - back, 12)
        day = min(as_of.day, calendar.monthrange(year, month + 1)[1])
        moments.append(as_of.replace(year=year, month=month + 1, day=day))
    return moments


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


def feast_objects(home: Home) -> Sequence[FeastObject]:
    """Everything that Feast is to know of this bank."""
    return declare_views(all_families(load_catalogue(home.catalogue)), home.offline)


def open_store(home: Home, online_db: Path | None = None) -> FeatureStore:
    """Feast's store for one bank; `online_db` overrides where its online rows lie."""
    text = files("features.repo").joinpath("feature_store.yaml").read_text()
    config = yaml.safe_load(Template(text).substitute(TENURE_HOME=home.path))
    config["online_store"]["path"] = str(online_db or home.online_db)
    # repo_path is given because Feast otherwise resolves against the working directory.
    return FeatureStore(config=RepoConfig(repo_path=home.path, **config))


def join_features(home: Home, left: pd.DataFrame, service: str) -> pd.DataFrame:
    """Join a model's features to (customer_id, as_of, ...), as they were known at as_of.

    Parameters
    ----------
    left
        customer_id, as_of (UTC) and any label columns; one row a pair.
    service
        Name of a Feast feature service.

    Returns
    -------
    DataFrame
        `left` with the features, in the order of `left`; as many rows.

    Raises
    ------
    CorruptError
        If the join gained or lost rows.
    """
    store = open_store(home)
    ibis.get_backend().raw_sql("SET TimeZone='UTC'")
    keys = left[[CUSTOMER_ID, AS_OF]].rename(columns={AS_OF: "event_timestamp"})
    job = store.get_historical_features(
        keys, store.get_feature_service(service), filter_by_created_timestamp=True
    )
    found = job.to_df().rename(columns={"event_timestamp": AS_OF})
    found[AS_OF] = found[AS_OF].astype(left[AS_OF].dtype)
    joined = left.merge(found, on=[CUSTOMER_ID, AS_OF], how="left", validate="one_to_one", indicator=True)
    lost = joined.loc[joined["_merge"] != "both", CUSTOMER_ID]
    if len(found) != len(left) or len(lost):
        raise CorruptError(f"the feature join of {len(left)} rows gave {len(found)}, {len(lost)} unmatched")
    return joined.drop(columns="_merge")


def materialize(home: Home, tell: Callable[[str], None]) -> Generation:
    """Write the current generation into Feast's online store, whole: all views or none flip.

    Returns
    -------
    Generation
        The one that is now online.
    """
    generation = current_generation(home)
    tell(f"materialising {generation.name} into the online store")
    with write_whole(home.online_db) as part:
        part.unlink(missing_ok=True)
        store = open_store(home, online_db=part)
        store.apply(feast_objects(home))
        store.materialize(generation.as_of - timedelta(seconds=1), generation.as_of)
        with closing(sqlite3.connect(part)) as connection, connection:
            connection.execute("CREATE TABLE tenure_generation (name TEXT, as_of TEXT)")
            connection.execute(
                "INSERT INTO tenure_generation VALUES (?, ?)",
                (generation.name, generation.as_of.isoformat()),
            )
    return generation
