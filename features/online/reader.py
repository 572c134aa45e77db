"""Read features of one or many customers from the online storage, with their age."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import ge
from typing import Any

from features.home import Home
from features.online.storage import Online, Part, Source, from_us, to_us
from features.rows import Rows

__all__ = ["OnlineReader", "OnlineRows"]

_US_A_DAY = 86_400_000_000


@dataclass(frozen=True)
class OnlineRows:
    """Features in the order of the ids asked for.

    columns
        Field name -> one value a customer; None where it is null, stale or missing.
    found
        Whether the customer is known at all.
    as_of
        When each customer's newest row was taken, None if unknown.
    stale, missing
        For each customer the views whose row is older than its ttl, and those without a row.
        A None in a view that is named by neither is a null.
    """

    columns: Mapping[str, list[Any]]
    found: list[bool]
    as_of: list[datetime | None]
    stale: list[tuple[str, ...]]
    missing: list[tuple[str, ...]]


class OnlineReader:
    """Reads the generation that is current at each read, so a new one needs no restart.

    Parameters
    ----------
    url
        Empty for the home's own file, or that of a Redis, such as 'redis://host:6379/0'.

    Attributes
    ----------
    local
        Whether the features are on this machine.

    Raises
    ------
    NotReadyError
        If nothing was materialised yet.
    CorruptError
        If the storage cannot be read.
    """

    def __init__(self, home: Home, url: str = "") -> None:
        self._source, self.local = _source(home, url), not url
        self._online = self._source.current()

    @property
    def generation(self) -> str:
        """Name of the generation that was read last."""
        return self._online.name

    @property
    def as_of(self) -> datetime:
        """When the features of that generation were taken."""
        return self._online.as_of

    @property
    def fields(self) -> dict[str, str]:
        """Name -> dtype (int64, float64, string) of every field of that generation."""
        return dict(field for view in self._online.views for field in view.fields)

    def read(self, customer_ids: Sequence[str], now: datetime | None = None) -> OnlineRows:
        """Read every field for some customers; an id may repeat.

        Parameters
        ----------
        now
            The moment against which rows may be stale; None takes the generation's as_of.

        Raises
        ------
        NotReadyError, CorruptError
            If the storage is gone, or cannot be read.
        """
        if few := self._source.rows(customer_ids):
            return self._few(*few, now)
        online, parts = self._source.fetch(customer_ids)
        self._online = online
        moment = to_us(online.as_of if now is None else now)
        stale: list[tuple[str, ...]] = [()] * len(customer_ids)
        missing: list[tuple[str, ...]] = [()] * len(customer_ids)
        newest: list[int | None] = [None] * len(customer_ids)
        columns: dict[str, list[Any]] = {}
        for view, part in zip(online.views, parts, strict=True):
            oldest = moment - view.ttl_days * _US_A_DAY if view.ttl_days else None
            for row in _doubtful(part.events, oldest):
                if part.events[row] is None:
                    missing[row] += (view.name,)
                else:
                    stale[row] += (view.name,)
                    _forget(part, row)
            if part.events != newest:  # the views of one batch are of one moment
                newest = [_later(a, b) for a, b in zip(newest, part.events, strict=True)]
            columns.update(zip(view.names, part.columns, strict=True))
        moments = [None if event is None else from_us(event) for event in newest]
        return OnlineRows(columns, [event is not None for event in newest], moments, stale, missing)

    def _few(self, online: Online, rows: Rows, now: datetime | None) -> OnlineRows:
        """The same of customers whose rows are decoded already."""
        self._online = online
        moment = to_us(online.as_of if now is None else now)
        oldest = [moment - v.ttl_days * _US_A_DAY if v.ttl_days else 0 for v in online.views]
        events = rows.events.tolist()
        stale: list[tuple[str, ...]] = [()] * rows.count
        missing = stale.copy()
        for row, taken in enumerate(events):
            # Mostly all views are there, and none is too old.
            if min(taken) and all(map(ge, taken, oldest)):
                continue
            places = [at for at, event in enumerate(taken) if event and event < oldest[at]]
            for at in places:
                rows.forget(row, at)
            stale[row] = tuple(online.views[at].name for at in places)
            missing[row] = tuple(v.name for v, event in zip(online.views, taken, strict=True) if not event)
        newest = [max(taken) for taken in events]
        moments = [from_us(event) if event else None for event in newest]
        return OnlineRows(rows, [event != 0 for event in newest], moments, stale, missing)


def _doubtful(events: list[int | None], oldest: int | None) -> list[int]:
    """Places of rows that are not there, or were taken before `oldest`."""
    return [
        row for row, event in enumerate(events) if event is None or (oldest is not None and event < oldest)
    ]


def _later(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)


def _forget(part: Part, row: int) -> None:
    for column in part.columns:
        column[row] = None


def _source(home: Home, url: str) -> Source:
    if url:
        from features.online.redis_source import RedisSource

        return RedisSource(url)
    from features.online.sqlite_source import SqliteSource

    return SqliteSource(home.online_db)
