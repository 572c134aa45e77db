"""The feature store: apply the views, join training sets, materialise.

One of the three modules that import feast.
"""

import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stdout
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

import ibis
import pandas as pd
import yaml
from feast import FeatureStore, RepoConfig

from features.catalogue import load_catalogue
from features.errors import CorruptError
from features.families import all_families
from features.home import Home, write_whole
from features.settings import Settings
from features.snapshots import Generation, build_snapshots, current_generation
from features.views import FeastObject, declare_views
from features.vocabulary import AS_OF, CUSTOMER_ID

__all__ = ["build", "feast_objects", "join_features", "materialize", "open_store"]


def build(
    home: Home,
    as_of: datetime,
    months: int,
    settings: Settings,
    tell: Callable[[str], None],
    every: int = 1,
) -> Generation:
    """Build the snapshots (see `build_snapshots`), and tell Feast of the views."""
    generation = build_snapshots(home, as_of, months, settings, tell, every)
    with TemporaryDirectory() as scratch:
        # Feast creates and drops online tables when it applies: not in the database that serves.
        open_store(home, online_db=Path(scratch) / "online.db").apply(feast_objects(home))
    return generation


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
        with redirect_stdout(sys.stderr):  # Feast prints its progress; stdout is for results
            store.materialize(generation.as_of - timedelta(seconds=1), generation.as_of)
        with closing(sqlite3.connect(part)) as connection, connection:
            connection.execute("CREATE TABLE tenure_generation (name TEXT, as_of TEXT)")
            connection.execute(
                "INSERT INTO tenure_generation VALUES (?, ?)",
                (generation.name, generation.as_of.isoformat()),
            )
    return generation
