"""Read features of one or many customers from the online storage, with their age."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from features.home import Home
from features.online.storage import Online, Part, Source, from_us, to_us
from features.row import Row

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
        if len(customer_ids) == 1 and (alone := self._source.row(customer_ids[0])):
            return self._alone(*alone, now)
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

    def _alone(self, online: Online, row: Row, now: datetime | None) -> OnlineRows:
        """The same of one customer."""
        self._online = online
        moment = to_us(online.as_of if now is None else now)
        stale, missing = [], []
        for place, (view, event) in enumerate(zip(online.views, row.events, strict=True)):
            if not event:
                missing.append(view.name)
            elif view.ttl_days and event < moment - view.ttl_days * _US_A_DAY:
                stale.append(view.name)
                row.forget(place)
        newest = max(row.events)
        as_of = from_us(newest) if newest else None
        return OnlineRows(row, [newest != 0], [as_of], [tuple(stale)], [tuple(missing)])


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
