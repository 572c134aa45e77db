"""The feature store: apply the views, join training sets, materialise.

One of the three modules that import feast.
"""

import features.unchecked  # noqa: F401 - before Feast

# isort: split
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

import ibis
import numpy as np
import pandas as pd
import yaml
from feast import FeatureStore, RepoConfig
from feast.infra.registry.registry_store import RegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.repo_config import RegistryConfig

from features.catalogue import load_catalogue
from features.engines import DEFAULT_ENGINE
from features.errors import CorruptError, first_five
from features.families import all_families
from features.generations import (
    CURE,
    CURRENT,
    REGISTRY,
    Generation,
    current_generation,
    generation_folder,
    verified_registry,
)
from features.home import Home, read_json
from features.settings import Settings
from features.snapshots import Build, build_snapshots
from features.views import FeastObject, declare_views, source_path
from features.vocabulary import AS_OF, CUSTOMER_ID

__all__ = [
    "GenerationRegistryStore",
    "build",
    "feast_objects",
    "join_features",
    "open_store",
    "register_views",
]

_NTH = "nth_row"
"""Carried through the join: Feast does not keep the order of rows."""


def build(
    home: Home,
    as_of: datetime,
    months: int,
    settings: Settings,
    tell: Callable[[str], None],
    every: int = 1,
    engine: str = DEFAULT_ENGINE,
    *,
    accept: bool = False,
    allow_removal: bool = False,
) -> Build:
    """Build the snapshots (see `build_snapshots`), and tell Feast of the views."""

    return build_snapshots(
        *(home, as_of, months, settings, tell, every, engine),
        accept=accept,
        allow_removal=allow_removal,
        register=partial(register_views, home),
    )


def register_views(home: Home, part: Path, final: Path) -> None:
    """Write Feast's registry of a generation.

    It lies in the generation's folder, so that the flip to the generation covers both.

    Parameters
    ----------
    part
        The folder that is being written.
    final
        The folder that it will be: the registry points there.
    """
    objects = declare_views(all_families(load_catalogue(home.catalogue)), final)
    with TemporaryDirectory() as scratch:
        # Feast makes online tables when it applies: not in the store that serves.
        _store(home, {"path": str(part / REGISTRY)}, Path(scratch) / "online.db").apply(objects)


def feast_objects(home: Home) -> Sequence[FeastObject]:
    """Everything that Feast is to know of this bank: views of the current generation."""
    folder = generation_folder(home, current_generation(home).name)
    return declare_views(all_families(load_catalogue(home.catalogue)), folder)


class GenerationRegistryStore(RegistryStore):
    """Feast's registry as a generation holds it: verified when it is read, never written again.

    `path` is `<home>/offline`, which stands for the current generation, or a generation's folder
    below it. What Feast notes while it runs, such as how far it has materialised, lasts as long as
    this object; declarations change by `tenure features build` alone.

    Raises
    ------
    NotReadyError
        If no generation was built yet.
    CorruptError
        If the registry is not the one that was built.
    """

    def __init__(self, registry_config: RegistryConfig, repo_path: Path) -> None:  # noqa: ARG002
        self._folder = Path(registry_config.path)
        self._noted: RegistryProto | None = None

    def get_registry_proto(self) -> RegistryProto:
        """The registry, as it was built or as Feast has changed it since."""
        if self._noted is None:
            current = self._folder / CURRENT
            name = read_json(current, cure=CURE)["name"] if current.is_file() else ""
            folder = self._folder / name
            proto = RegistryProto()
            proto.ParseFromString(verified_registry(folder))
            # Feast knows absolute paths alone, and a home may have been moved or restored since.
            for source in (*proto.data_sources, *(v.spec.batch_source for v in proto.feature_views)):
                source.file_options.uri = source_path(folder)
            return proto
        return self._noted

    def update_registry_proto(self, registry_proto: RegistryProto) -> None:
        """Keep what Feast has noted, for this object alone."""
        self._noted = registry_proto

    def teardown(self) -> None:
        """Forget what Feast has noted; generations stay."""
        self._noted = None


def open_store(
    home: Home, online_db: Path | None = None, generation: Generation | None = None
) -> FeatureStore:
    """Feast's store for one bank.

    Parameters
    ----------
    online_db
        Overrides where its online rows lie.
    generation
        Whose snapshots it reads; the current one if None.

    Raises
    ------
    NotReadyError
        If nothing was built yet.
    CorruptError
        If the registry is not the one that was built.
    """
    folder = generation_folder(home, (generation or current_generation(home)).name)
    verified_registry(folder)  # Feast itself would look only when it is first asked
    kind = f"{__name__}.{GenerationRegistryStore.__name__}"
    registry = {"registry_store_type": kind, "path": str(folder)}
    return _store(home, registry, online_db)


def _store(home: Home, registry: dict[str, str], online_db: Path | None) -> FeatureStore:
    text = files("features.repo").joinpath("feature_store.yaml").read_text()
    config = yaml.safe_load(Template(text).substitute(TENURE_HOME=home.path))
    config["online_store"]["path"] = str(online_db or home.online_db)
    config["registry"] = registry
    # repo_path is given because Feast otherwise resolves against the working directory.
    return FeatureStore(config=RepoConfig(repo_path=home.path, **config))


def join_features(
    home: Home, left: pd.DataFrame, service: str, generation: Generation | None = None
) -> pd.DataFrame:
    """Join a model's features to (customer_id, as_of, ...), as they were known at as_of.

    Parameters
    ----------
    left
        customer_id, as_of (UTC) and any label columns; one row a pair.
    service
        Name of a Feast feature service.
    generation
        Whose snapshots to join; the current one if None.

    Returns
    -------
    DataFrame
        `left` with the features, in the order of `left`; as many rows.

    Raises
    ------
    CorruptError
        If the join gained or lost rows.
    """
    store = open_store(home, generation=generation)
    ibis.get_backend().raw_sql("SET TimeZone='UTC'")
    keys = left[[CUSTOMER_ID, AS_OF]].rename(columns={AS_OF: "event_timestamp"})
    keys[_NTH] = np.arange(len(left))
    job = store.get_historical_features(
        keys, store.get_feature_service(service), filter_by_created_timestamp=True
    )
    found = job.to_arrow()
    nth = found[_NTH].to_numpy()
    if not np.array_equal(np.sort(nth), np.arange(len(left))):
        lost = left[CUSTOMER_ID].drop(index=left.index[np.unique(nth)])
        raise CorruptError(
            f"the feature join of {len(left)} rows gave {len(found)}; unmatched: {first_five(lost)}"
        )
    frame: pd.DataFrame = found.drop_columns(keys.columns.tolist()).take(np.argsort(nth)).to_pandas()
    for place, name in enumerate(left.columns):  # in place: a concatenation would copy every feature
        frame.insert(place, name, left[name].array)
    return frame
