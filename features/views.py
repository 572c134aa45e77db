"""From declarations to Feast: the entity, one view a family, one service a model.

One of the three modules that import feast.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureService, FeatureView, FileSource
from feast import Field as FeastField
from feast.data_format import ParquetFormat
from feast.types import Float64, Int64, String
from feast.value_type import ValueType

from features.families.base import Family
from features.vocabulary import AS_OF, CREATED, CUSTOMER_ID

__all__ = ["DECISION_SERVICE", "MODELS", "FeastObject", "declare_views"]

MODELS = ("churn", "value", "propensity")
DECISION_SERVICE = "decision_v1"
"""The service with every field: what scoring and policies read for one customer."""

_TYPES = {"int64": Int64, "float64": Float64, "string": String}

FeastObject = Any  # Entity, FeatureView or FeatureService: feast ships no types


def declare_views(families: Sequence[Family], offline: Path) -> list[FeastObject]:
    """The objects that Feast applies.

    Parameters
    ----------
    families
        The declarations.
    offline
        Folder of the feature snapshots; absolute, because Feast bakes it into its registry.

    Returns
    -------
    list
        One entity, a view for each family, a service for each model and one with all fields.
    """
    customer = Entity(name="customer", join_keys=[CUSTOMER_ID], value_type=ValueType.STRING)
    source = FileSource(
        name="snapshots",
        path=str(offline / "*.parquet"),
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
