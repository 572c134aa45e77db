"""Write online rows through Feast's Redis store, with what it lacks: guard, generations, deletion."""

import features.unchecked  # noqa: F401 - before Feast

# isort: split
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import redis
from feast.infra.online_stores.redis import RedisOnlineStore

from features.online.feast_store import to_proto
from features.online.packed import View, stamp_of
from features.online.redis_rows import (
    POINTER,
    ROOT,
    Layout,
    config_of,
    connect,
    entity,
    feast_view,
    key_of,
    unreachable,
)
from features.online.storage import (
    FUTURE,
    OLDER,
    Online,
    Packed,
    framed,
    from_us,
    pack_views,
    supersedes,
    to_us,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RedisStorage"]

_COUNTERS, _NUMBER = f"{ROOT}:counters", f"{ROOT}:number"
_NUMBERS, _PUSHED = f"{ROOT}:generations", f"{ROOT}:pushed"
_SECONDS = 60.0
_PROTOS = {"int64": "int64_val", "float64": "double_val", "string": "string_val"}
_PIECE = 1_000


class RedisStorage:
    """See `Storage`. One writer at a time, which callers on one machine see to by a lock in the home.

    Against the embedded storage: the rows of a push reach the views one after the other, not at
    once; generations do flip in one step.
    """

    def __init__(self, url: str) -> None:
        self._client = connect(url, _SECONDS)
        self._feast = RedisOnlineStore()
        self._feast._client = connect(url, _SECONDS)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
        self._feast._client.close()

    def current(self) -> Online | None:
        """The generation that is read, or None."""
        try:
            pointer = self._client.get(POINTER)
        except redis.RedisError as error:
            raise unreachable(error) from error
        return None if pointer is None else Online.from_json(pointer)

    def begin(self, name: str, as_of: datetime, views: Sequence[View]) -> Online:
        """A new generation, empty and not yet read; what a killed writer left behind goes."""
        self.sweep()
        number = int(self._client.incr(_NUMBER))
        self._client.sadd(_NUMBERS, number)
        return Online(number, name, as_of, tuple(views))

    def load(self, online: Online, batch: "pa.RecordBatch") -> None:
        """Add new customers with all their views; columns customer_id, as_of, created_at, fields."""
        ids, rows = pack_views(online.views, batch)
        for view, packed in zip(online.views, rows, strict=True):
            self._write(online, Layout(view), list(zip(ids, packed, strict=True)))

    def count(self, online: Online) -> int:
        """Customers of a generation."""
        return int(self._client.scard(_members(online.number)))

    def put(
        self,
        online: Online,
        rows: Mapping[str, Sequence[Packed]],
        latest: datetime | None = None,
        *,
        carried: bool = False,
    ) -> int:
        """Write some rows by view under the guard; returns how many were written."""
        written = 0
        for view in online.views:
            layout = Layout(view)
            taken = self._guarded(online, layout, rows.get(view.name, ()), latest)
            self._write(online, layout, list(taken.items()))
            written += len(taken)
            if carried and taken:
                self._client.sadd(_PUSHED, *(json.dumps([who, view.name]) for who in taken))
        return written

    def _guarded(
        self, online: Online, layout: Layout, rows: Sequence[Packed], latest: datetime | None
    ) -> dict[str, bytes]:
        """The rows that are newer than what is there, one a customer; the others are counted."""
        there = self._hashes(online.number, [who for who, _ in rows])
        best = {who: layout.packed(there[who]) for who, _ in rows}
        taken: dict[str, bytes] = {}
        for who, row in rows:
            if latest is not None and stamp_of(row)[0] > to_us(latest):
                self._client.hincrby(_COUNTERS, FUTURE, 1)
            elif supersedes(row, old := best[who]):
                taken[who] = best[who] = row
            elif old is not None and stamp_of(row) < stamp_of(old):
                self._client.hincrby(_COUNTERS, OLDER, 1)
        return taken

    def _write(self, online: Online, layout: Layout, rows: Sequence[Packed]) -> None:
        config, table = config_of(online.number), feast_view(layout.view)
        kinds = [_PROTOS[dtype] for _, dtype in layout.view.fields]
        for start in range(0, len(rows), _PIECE):
            some = rows[start : start + _PIECE]
            columns = layout.codec.columns([row for _, row in some])
            protos = [
                [to_proto(kind, value) for value in column]
                for kind, column in zip(kinds, columns, strict=True)
            ]
            values = [dict(zip(layout.codec.names, row, strict=True)) for row in zip(*protos, strict=True)]
            moments = [from_us(stamp_of(row)[0]) for _, row in some]
            data = [
                (entity(who), row, moment, None)
                for (who, _), row, moment in zip(some, values, moments, strict=True)
            ]
            self._feast.online_write_batch(config, table, data, None)
            with self._client.pipeline(transaction=False) as pipe:
                for who, row in some:
                    pipe.hset(key_of(online.number, who), layout.created, str(stamp_of(row)[1]))
                pipe.sadd(_members(online.number), *(who for who, _ in some))
                pipe.execute()

    def _hashes(self, number: int, customer_ids: Sequence[str]) -> dict[str, Mapping[bytes, bytes]]:
        with self._client.pipeline(transaction=False) as pipe:
            for who in customer_ids:
                pipe.hgetall(key_of(number, who))
            return dict(zip(customer_ids, pipe.execute(), strict=True))

    def flip(self, online: Online) -> None:
        """Make a generation the current one, durably as far as this Redis is."""
        before = self.current()
        if before is not None and before.number != online.number:
            self._carry(before, online)
        self._client.set(POINTER, online.to_json())

    def _carry(self, before: Online, online: Online) -> None:
        layouts = {view.name: Layout(view) for view in online.views if view in before.views}
        for member in self._client.smembers(_PUSHED):
            who, name = json.loads(member)
            layout = layouts.get(name)
            new = layout.packed(self._hashes(online.number, [who])[who]) if layout else None
            old = layout.packed(self._hashes(before.number, [who])[who]) if layout else None
            if layout and new and old and stamp_of(old) > stamp_of(new):
                self._write(online, layout, [(who, old)])
                new = old
            if new is None or stamp_of(new)[0] <= to_us(online.as_of):
                self._client.srem(_PUSHED, member)

    def sweep(self) -> None:
        """Drop every generation that is not the current one."""
        online = self.current()
        for number in map(int, self._client.smembers(_NUMBERS)):
            if online is None or number != online.number:
                for some in self._customers(number):
                    self._client.delete(*(key_of(number, who) for who in some))
                self._client.delete(_members(number))
                self._client.srem(_NUMBERS, number)

    def _customers(self, number: int) -> Iterator[list[str]]:
        found = sorted(member.decode() for member in self._client.smembers(_members(number)))
        for start in range(0, len(found), _PIECE):
            yield found[start : start + _PIECE]

    def stamps(self, online: Online, customer_ids: Sequence[str]) -> dict[str, datetime]:
        """Of some customers those that a generation holds, each with its newest event_ts."""
        layouts, found = [Layout(view) for view in online.views], {}
        for who, row in self._hashes(online.number, customer_ids).items():
            events = [event for layout in layouts if (event := layout.event_of(row)) is not None]
            if events:
                found[who] = from_us(max(events))
        return found

    def delete_customers(self, customer_ids: Sequence[str]) -> int:
        """Remove every trace of some customers, in every generation; returns how many there were."""
        gone = set()
        for number in map(int, self._client.smembers(_NUMBERS)):
            for who in customer_ids:
                if self._client.delete(key_of(number, who)):
                    gone.add(who)
                self._client.srem(_members(number), who)
        for member in self._client.smembers(_PUSHED):
            if json.loads(member)[0] in customer_ids:
                self._client.srem(_PUSHED, member)
        return len(gone)

    def counters(self) -> dict[str, int]:
        """How many rows were refused so far, by reason."""
        return {n.decode(): int(c) for n, c in sorted(self._client.hgetall(_COUNTERS).items())}

    def content_hash(self) -> str:
        """SHA-256 over what the current generation holds, whatever its name or place."""
        digest, online = hashlib.sha256(), self.current()
        if online is None:
            return digest.hexdigest()
        layouts = [Layout(view) for view in online.views]
        for some in self._customers(online.number):
            for who, row in self._hashes(online.number, some).items():
                digest.update(framed(who, [layout.packed(row) for layout in layouts]))
        return digest.hexdigest()


def _members(number: int) -> str:
    return f"{ROOT}:{number}:customers"
