"""What every online storage keeps and does, wherever it lies: in one file, or in Redis."""

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from features.errors import CorruptError
from features.home import Home
from features.online.packed import Codec, View, stamp_of
from features.rows import Rows
from features.vocabulary import AS_OF, CREATED, CUSTOMER_ID

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "FUTURE",
    "OLDER",
    "Online",
    "Packed",
    "Part",
    "Source",
    "Storage",
    "framed",
    "from_us",
    "open_storage",
    "pack_views",
    "supersedes",
    "to_us",
    "writing",
]

OLDER, FUTURE = "ignored_older", "quarantined_future"
"""What the counters count: rows older than what is there, rows dated after the moment of writing."""

Packed = tuple[str, bytes]
"""A customer and one packed row of a view."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of a moment; one without a zone is refused by the arithmetic."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(microseconds: int) -> datetime:
    """The moment, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


@dataclass(frozen=True)
class Online:
    """One generation that is online; `number` is where it is stored, `name` whose features they are."""

    number: int
    name: str
    as_of: datetime
    views: tuple[View, ...]

    def to_json(self) -> str:
        """As text, for the storage to keep."""
        return json.dumps({**asdict(self), "as_of": to_us(self.as_of)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Online":
        """The way back."""
        row = json.loads(text)
        views = tuple(
            View(v["name"], tuple((n, d) for n, d in v["fields"]), v["ttl_days"]) for v in row["views"]
        )
        return cls(row["number"], row["name"], from_us(row["as_of"]), views)


@dataclass(frozen=True)
class Part:
    """What one view knows of the customers asked for, in their order.

    events
        When each row was taken, microseconds since 1970; None where there is no row.
    columns
        One list a field, in the order of the view's fields.
    """

    events: list[int | None]
    columns: list[list[Any]]


class Source(Protocol):
    """Where a reader reads; every call sees one generation whole."""

    def current(self) -> Online:
        """The generation that is online; NotReadyError if there is none."""

    def fetch(self, customer_ids: Sequence[str]) -> tuple[Online, list[Part]]:
        """The rows of every view, in the order of the generation's views."""

    def rows(self, customer_ids: Sequence[str]) -> tuple[Online, Rows] | None:
        """The same, faster, of a few customers; None where this storage has no such way just now."""


class Storage(Protocol):
    """Where online rows are written; one writer at a time, which the callers see to.

    A generation is written beside the one that is read, and becomes the current one in one step.
    A row never gives way to an older one (event_ts, then created_ts, then the larger bytes), and
    a row dated after the moment of writing is not taken; both are counted.
    """

    def current(self) -> Online | None:
        """The generation that is read, or None."""

    def begin(self, name: str, as_of: datetime, views: Sequence[View]) -> Online:
        """A new generation, empty and not yet read; what a killed writer left behind goes."""

    def load(self, online: Online, batch: "pa.RecordBatch") -> None:
        """Add new customers with all their views; columns customer_id, as_of, created_at, fields."""

    def count(self, online: Online) -> int:
        """Customers of a generation."""

    def put(
        self,
        online: Online,
        rows: Mapping[str, Sequence[Packed]],
        latest: datetime | None = None,
        *,
        carried: bool = False,
    ) -> int:
        """Write some rows by view under the guard, whole; returns how many were written.

        Parameters
        ----------
        latest
            Rows taken later than this are quarantined.
        carried
            The rows stand for themselves: where they are newer than what a new generation brings,
            they come along. Rows that are computed from events are computed again instead.
        """

    def flip(self, online: Online) -> None:
        """Make a generation the current one, durably.

        Single rows that were written to the old one and are newer than the new ones come along.
        """

    def sweep(self) -> None:
        """Drop every generation that is not the current one."""

    def stamps(self, online: Online, customer_ids: Sequence[str]) -> dict[str, datetime]:
        """Of some customers those that a generation holds, each with its newest event_ts."""

    def delete_customers(self, customer_ids: Sequence[str]) -> int:
        """Remove every trace of some customers, in every generation; returns how many there were."""

    def counters(self) -> dict[str, int]:
        """How many rows were refused so far, by reason."""

    def content_hash(self) -> str:
        """SHA-256 over what the current generation holds, whatever its name or place."""

    def close(self) -> None:
        """Let go of files and connections."""


def supersedes(new: bytes, old: bytes | None) -> bool:
    """Whether a packed row takes the place of another of the same customer and view.

    A row of another schema cannot be read any more, so anything supersedes it. At equal stamps
    the larger bytes win: the outcome never hangs on the order of arrival.
    """
    return old is None or old[:8] != new[:8] or (stamp_of(new), new) > (stamp_of(old), old)


def pack_views(views: Sequence[View], batch: "pa.RecordBatch") -> tuple[list[str], list[list[bytes]]]:
    """The customers of a batch, and for each view one packed row a customer.

    Raises
    ------
    CorruptError
        If the batch lacks a column, or has it in another type than declared.
    """
    import pyarrow as pa

    kinds = {"int64": pa.int64(), "float64": pa.float64(), "string": pa.string()}
    expected = {name: kinds[dtype] for view in views for name, dtype in view.fields}
    wrong = [
        n for n, kind in expected.items() if n not in batch.schema.names or batch.column(n).type != kind
    ]
    if wrong:
        raise CorruptError(
            f"snapshot: column '{wrong[0]}' is missing or of another type than declared "
            f"({len(wrong)} in all); cure: run `tenure features build`"
        )
    event, created = (
        batch.column(name).cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        for name in (AS_OF, CREATED)
    )
    stamps = event.astype(np.int64), created.astype(np.int64)
    return batch.column(CUSTOMER_ID).to_pylist(), [Codec(v).pack_batch(batch, *stamps) for v in views]


def framed(customer_id: str, rows: Sequence[bytes | None]) -> bytes:
    """One customer's packed rows as bytes that no other rows give: what content hashes run over."""
    parts = (customer_id.encode(), *rows)
    return b"".join(b"-" if part is None else b"%d:%b" % (len(part), part) for part in parts)


@contextmanager
def writing(home: Home) -> Iterator[None]:
    """One writer of single rows at a time: a push waits for the flip of a generation, and the other way."""
    home.path.mkdir(parents=True, exist_ok=True)
    with (home.path / ".online.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def open_storage(home: Home, url: str = "") -> Storage:
    """The storage of a home: its own file, or Redis where `url` names one.

    Parameters
    ----------
    url
        Empty, or such as 'redis://host:6379/0'.
    """
    if url:
        from features.online.redis_store import RedisStorage

        return RedisStorage(url)
    from features.online.sqlite import SqliteStorage

    return SqliteStorage(home.online_db)
