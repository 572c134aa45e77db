"""How Feast lays rows out in Redis, and ours among them: keys, hash fields, protobuf values.

Feast keeps one hash a customer under a key that ends in the project's name. A generation is a
project of its own, `tenure_<number>`, so that one key, the pointer, flips all views at once.
"""

import features.unchecked  # noqa: F401 - before Feast

# isort: split
from collections.abc import Mapping
from typing import Any

import redis
from feast import Entity, FeatureView, Field, FileSource, RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import _mmh3
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Float64, Int64, String
from feast.value_type import ValueType
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

from features.errors import NotReadyError
from features.online.packed import Codec, View
from features.vocabulary import CUSTOMER_ID

__all__ = [
    "POINTER",
    "ROOT",
    "Layout",
    "config_of",
    "connect",
    "entity",
    "feast_view",
    "key_of",
    "unreachable",
]

ROOT = "tenure:tenure"
"""What our own keys begin with: `tenure:` and the name of the project in feature_store.yaml."""

POINTER = f"{ROOT}:generation"
_KEY_VERSION = 3
_TYPES = {"int64": Int64, "float64": Float64, "string": String}


def connect(url: str, seconds: float) -> Any:
    """A client that gives up after some seconds without an answer; its types do not tell async from not."""
    return redis.Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds)


def unreachable(error: redis.RedisError) -> NotReadyError:
    """What to raise where Redis does not answer; the address, which may hold a password, is not named."""
    return NotReadyError(
        f"TENURE_ONLINE: Redis does not answer ({type(error).__name__}); "
        "cure: start it, or correct the setting"
    )


def _project_of(number: int) -> str:
    """Feast's project that holds a generation."""
    return f"tenure_{number}"


def entity(customer_id: str) -> EntityKey:
    """Feast's key of a customer."""
    return EntityKey(join_keys=[CUSTOMER_ID], entity_values=[Value(string_val=customer_id)])


def key_of(number: int, customer_id: str) -> bytes:
    """The Redis key of a customer in a generation."""
    key: bytes = serialize_entity_key(entity(customer_id), entity_key_serialization_version=_KEY_VERSION)
    return key + _project_of(number).encode()


class Layout:
    """Where the fields of one view lie in a customer's hash."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.codec = Codec(view)
        self.fields = [_mmh3(f"{view.name}:{name}") for name, _ in view.fields]
        self.event = f"_ts:{view.name}".encode()
        self.created = f"_created:{view.name}".encode()

    def event_of(self, row: Mapping[bytes, bytes]) -> int | None:
        """When the view's row was taken, in microseconds; None where there is none."""
        stamp = row.get(self.event)
        if stamp is None:
            return None
        moment = Timestamp.FromString(stamp)
        return int(moment.seconds) * 1_000_000 + int(moment.nanos) // 1_000

    def values(self, row: Mapping[bytes, bytes]) -> list[Any]:
        """The values of the view's row, None where null."""
        return [_value(row.get(field)) for field in self.fields]

    def packed(self, row: Mapping[bytes, bytes]) -> bytes | None:
        """The view's row as the embedded storage would hold it."""
        event = self.event_of(row)
        if event is None:
            return None
        return self.codec.pack(event, int(row.get(self.created, event)), self.values(row))


def _value(proto: bytes | None) -> Any:
    if not proto:
        return None
    value = Value.FromString(proto)
    kind = value.WhichOneof("val")
    return getattr(value, kind) if kind else None


def config_of(number: int) -> RepoConfig:
    """What Feast's store wants to know; the guard is ours, so Feast need not look first."""
    return RepoConfig(
        project=_project_of(number),
        provider="local",
        registry="unused",
        online_store={"type": "redis", "skip_dedup": True},
        entity_key_serialization_version=_KEY_VERSION,
    )


def feast_view(view: View) -> FeatureView:
    """A view as Feast's store wants to see it."""
    customer = Entity(name="customer", join_keys=[CUSTOMER_ID], value_type=ValueType.STRING)
    schema = [Field(name=name, dtype=_TYPES[dtype]) for name, dtype in view.fields]
    source = FileSource(name="unused", path="unused", timestamp_field="as_of")
    return FeatureView(name=view.name, entities=[customer], schema=schema, source=source)
