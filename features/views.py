"""From declarations to Feast: the entity, one view a family, one service a model, and their join.

One of the three modules that import feast.
"""

import features.unchecked  # noqa: F401 - before Feast

# isort: split
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pandas as pd
from feast import Entity, FeatureService, FeatureView, FileSource
from feast import Field as FeastField
from feast.data_format import ParquetFormat
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.types import Float64, Int64, String
from feast.value_type import ValueType

from features.families.base import Family
from features.history.engine import in_utc, literal, name_list
from features.vocabulary import AS_OF, CREATED, CUSTOMER_ID

__all__ = [
    "DECISION_SERVICE",
    "MODELS",
    "FeastObject",
    "SnapshotOfflineStore",
    "SnapshotOfflineStoreConfig",
    "declare_views",
    "source_path",
]

MODELS = ("churn", "value", "propensity")
DECISION_SERVICE = "decision_v1"
"""The service with every field: what scoring and policies read for one customer."""

_TYPES = {"int64": Int64, "float64": Float64, "string": String}

_MOMENT = "event_timestamp"

FeastObject = Any  # Entity, FeatureView or FeatureService: feast ships no types


def source_path(folder: Path) -> str:
    """Where Feast finds the snapshots of a generation."""
    return str(folder / "*.parquet")


def declare_views(families: Sequence[Family], folder: Path) -> list[FeastObject]:
    """The objects that Feast applies.

    Parameters
    ----------
    families
        The declarations.
    folder
        The generation's folder of snapshots; absolute, because Feast bakes it into its registry.

    Returns
    -------
    list
        One entity, a view for each family, a service for each model and one with all fields.
    """
    customer = Entity(name="customer", join_keys=[CUSTOMER_ID], value_type=ValueType.STRING)
    source = FileSource(
        name="snapshots",
        path=source_path(folder),
        file_format=ParquetFormat(),
        timestamp_field=AS_OF,
        created_timestamp_column=CREATED,
    )
    views = {family.name: _view(family, customer, source) for family in families}
    model_parts = [
        views[family.name][[f.name for f in family.fields if f.use == "model"]] for family in families
    ]
    services = [FeatureService(name=f"{model}_v1", features=model_parts) for model in MODELS]
    everything = FeatureService(name=DECISION_SERVICE, features=list(views.values()))
    return [customer, *views.values(), *services, everything]


def _view(family: Family, customer: Entity, source: FileSource) -> FeatureView:
    fields = [
        FeastField(
            name=f.name,
            dtype=_TYPES[f.dtype],
            description=f"{f.meaning} [{f.unit}]",
            tags={"class": f.data_class, "null": f.null, "use": f.use},
        )
        for f in family.fields
    ]
    # No ttl: age is a feature, and Feast enforces ttl offline only. Freshness is ours to check.
    key = FeastField(name=CUSTOMER_ID, dtype=String)
    return FeatureView(
        name=family.name,
        description=family.meaning,
        entities=[customer],
        schema=[key, *fields],
        source=source,
        ttl=timedelta(0),
        online=True,
    )


class SnapshotOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """As for Feast's DuckDB store."""

    type: str = "features.views.SnapshotOfflineStore"


class SnapshotOfflineStore(DuckDBOfflineStore):
    """Feast's DuckDB store, which joins all views of one source at once instead of one by one.

    Feast joins each view with every earlier row of a customer and ranks what it finds. Our views
    share their rows, and a row is known as soon as it is true, so one as-of join gives the same
    answer; whatever is not so goes Feast's own way.
    """

    @staticmethod
    def get_historical_features(
        config: Any,
        feature_views: list[Any],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """The features of each row of `entity_df`, as they were known at its event_timestamp."""
        path = None if full_feature_names else _shared_path(feature_views)
        if path is None or isinstance(entity_df, str) or _MOMENT not in entity_df:
            return DuckDBOfflineStore.get_historical_features(
                *(config, feature_views, feature_refs, entity_df, registry, project),
                *(full_feature_names, filter_by_created_timestamp),
            )
        return _AsOfJob(entity_df, path, feature_refs)


class _AsOfJob(RetrievalJob):
    """One as-of join of snapshots to the rows of a table, run when it is asked for."""

    on_demand_feature_views: ClassVar[list[Any]] = []
    full_feature_names = False

    def __init__(self, entities: pd.DataFrame, path: str, feature_refs: list[str]) -> None:
        self._entities, self._path = entities, path
        self._fields = [ref.split(":")[1] for ref in feature_refs]
        self._refs = feature_refs

    @property
    def metadata(self) -> RetrievalMetadata:
        """What was asked for."""
        moments = self._entities[_MOMENT]
        return RetrievalMetadata(self._refs, [CUSTOMER_ID], moments.min(), moments.max())

    def _to_arrow_internal(self, timeout: int | None = None) -> Any:  # noqa: ARG002
        fields = name_list(self._fields, "f.")
        with duckdb.connect() as connection:
            in_utc(connection)
            connection.register("entities", self._entities)
            return connection.sql(
                f"SELECT e.*, {fields} FROM entities e "
                f"ASOF LEFT JOIN read_parquet({literal(self._path)}) f "
                f"ON e.{CUSTOMER_ID} = f.{CUSTOMER_ID} AND e.{_MOMENT} >= f.{AS_OF}"
            ).to_arrow_table()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal(timeout).to_pandas()
        return frame


def _shared_path(views: Sequence[Any]) -> str | None:
    """The files behind some views, if all have the same and each row was known when it was true."""
    paths = {view.batch_source.path for view in views}
    plain = all(not (v.ttl or v.projection.join_key_map or v.batch_source.field_mapping) for v in views)
    if len(paths) != 1 or not plain:
        return None
    [path] = paths
    late = f"SELECT count(*) FILTER ({CREATED} > {AS_OF}) FROM read_parquet({literal(path)})"
    with duckdb.connect() as connection:
        return None if connection.sql(late).fetchall() != [(0,)] else str(path)
