"""Feast's view of the embedded online storage: `type: features.online.feast_store.TenureOnlineStore`.

What Feast writes goes, row by row, through the same guard and into the same packed rows as the bulk
path, and what it reads are the same values.
"""

import features.unchecked  # noqa: F401 - before Feast

# isort: split
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel
from feast.types import Float64, Int64, String
from pydantic import StrictBool, StrictStr

from features.errors import InputError, RefusedError
from features.home import Home
from features.online.packed import Codec, View, stamp_of
from features.online.sqlite import SqliteStorage
from features.online.sqlite_source import SqliteSource
from features.online.storage import from_us, to_us, writing

__all__ = ["TenureOnlineStore", "TenureOnlineStoreConfig", "stored_view", "to_proto"]

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]

_DTYPES = {Int64: "int64", Float64: "float64", String: "string"}
_PROTOS = {"int64": "int64_val", "float64": "double_val", "string": "string_val"}


class TenureOnlineStoreConfig(FeastConfigBaseModel):
    """The `online_store` section of feature_store.yaml.

    path
        The file; absolute.
    allow_delete
        Whether `feast apply` and `feast teardown` may remove what is online of a view.
    """

    type: Literal["features.online.feast_store.TenureOnlineStore"] = (
        "features.online.feast_store.TenureOnlineStore"
    )
    path: StrictStr
    allow_delete: StrictBool = False


class TenureOnlineStore(OnlineStore):
    """Reads and writes the current generation; where nothing is online yet, Feast's rows make one."""

    _source: SqliteSource | None = None

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Row],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows of one view under the guard, all of them or none.

        A row that was taken after it was created is dated in the future, and quarantined.
        """
        if not data:
            return
        codec = Codec(stored_view(table))
        rows = [(_customer(key), _packed(codec, values, event, made)) for key, values, event, made in data]
        newest = max(from_us(stamp_of(row)[0]) for _, row in rows)
        known = [_utc(created) for _, _, _, created in data if created is not None]
        path = Path(config.online_store.path)
        with writing(Home(path.parent)), closing(SqliteStorage(path)) as storage:
            online = storage.with_view(codec.view, newest)
            storage.put(online, {codec.view.name: rows}, max(known, default=None), carried=True)
        if progress:
            progress(len(data))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """Rows of one view as they are declared now; (None, None) where there is none."""
        view = stored_view(table)
        if self._source is None:
            self._source = SqliteSource(Path(config.online_store.path))
        online, parts = self._source.fetch([_customer(key) for key in entity_keys])
        stored = {v.name: (v, part) for v, part in zip(online.views, parts, strict=True)}
        if view.name not in stored or stored[view.name][0].fields != view.fields:
            return [(None, None)] * len(entity_keys)
        part = stored[view.name][1]
        wanted = requested_features or [name for name, _ in view.fields]
        columns = {
            name: (_PROTOS[dtype], column)
            for (name, dtype), column in zip(view.fields, part.columns, strict=True)
            if name in wanted
        }
        return [
            (None, None)
            if event is None
            else (from_us(event), {n: to_proto(kind, c[i]) for n, (kind, c) in columns.items()})
            for i, event in enumerate(part.events)
        ]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        **_others: Any,
    ) -> None:
        """Called by `feast apply`: makes nothing, and removes a view's rows only where that is allowed.

        Raises
        ------
        RefusedError
            If rows of a view would be lost that may be missing by mistake.
        """
        self._remove(config, tables_to_delete)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], *_others: Any) -> None:
        """Called by `feast teardown`; as `update`."""
        self._remove(config, tables)

    def _remove(self, config: RepoConfig, tables: Sequence[FeatureView]) -> None:
        path = Path(config.online_store.path)
        if not tables or not path.is_file():
            return
        with closing(SqliteStorage(path)) as storage:
            online = storage.current()
            stored = {view.name for view in online.views} if online else set()
            names = [table.name for table in tables if table.name in stored]
            if names and not config.online_store.allow_delete:
                raise RefusedError(
                    f"{path}: rows of {', '.join(names)} are online and would be lost; cure: declare the "
                    "view again, or set `allow_delete: true` in feature_store.yaml for this one run"
                )
            for name in names:
                storage.drop_view(name)


def stored_view(table: FeatureView) -> View:
    """How a feature view is stored; InputError if a field is of a type that is not."""
    wrong = [field.name for field in table.features if field.dtype not in _DTYPES]
    if wrong:
        raise InputError(f"view '{table.name}': field '{wrong[0]}' is neither Int64, Float64 nor String")
    days = table.ttl.days if table.ttl else 0
    return View(table.name, tuple((f.name, _DTYPES[f.dtype]) for f in table.features), days)


def to_proto(kind: str, value: Any) -> Value:
    """A value as Feast's protobuf; a null is an empty one."""
    return Value() if value is None else Value(**{kind: value})


def _customer(key: EntityKey) -> str:
    name: str = key.entity_values[0].string_val
    return name


def _packed(codec: Codec, values: dict[str, Value], event: datetime, created: datetime | None) -> bytes:
    row = [
        getattr(values[name], _PROTOS[dtype]) if name in values and values[name].WhichOneof("val") else None
        for name, dtype in codec.view.fields
    ]
    taken = to_us(_utc(event))
    return codec.pack(taken, taken if created is None else to_us(_utc(created)), row)


def _utc(moment: datetime) -> datetime:
    """Feast hands over naive timestamps that are meant in UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
