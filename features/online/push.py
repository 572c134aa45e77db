"""Events that change online features at once: a complaint, a large outflow, a session.

An event is a row of the history table `interactions` or `transactions`. It is kept durably until
history holds it, and the features of its customer are computed anew, by the same declarations, on
history and all pending events together. So order of arrival and repeats do not matter, and a batch
that does not know the event yet does not undo it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ibis.backends.duckdb import Backend

from features.catalogue import load_catalogue
from features.errors import NotReadyError
from features.generations import Generation
from features.home import Home
from features.online.accept import broken_rules, read_event
from features.online.events import Event, Events
from features.online.recompute import add_events, features_at, history_around, known_events
from features.online.storage import Online, Storage, open_storage, pack_views, writing
from features.settings import Settings
from features.vocabulary import Catalogue

__all__ = ["Pushed", "apply_pending", "delete_customers", "push"]

TOLERANCE = timedelta(minutes=5)
"""How far the clock of a channel may be ahead of ours."""

_NEXT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Pushed:
    """What became of each event: ids accepted, ids known before, and id or place -> why rejected."""

    accepted: tuple[str, ...]
    duplicates: tuple[str, ...]
    rejected: Mapping[str, str]


def push(home: Home, events: Sequence[Mapping[str, Any]], now: datetime, settings: Settings) -> Pushed:
    """Take events, and bring the features of their customers up to date before returning.

    Parameters
    ----------
    events
        Rows of the history contract: an interaction_id makes one an interaction, a transaction_id a
        booking. known_at may be left out: it is `at` then. Timestamps are aware datetimes or ISO
        text with an offset.
    now
        The moment of the push; an event later than five minutes after it is rejected.

    Returns
    -------
    Pushed
        A rejected event is not stored; its neighbours are.

    Raises
    ------
    NotReadyError
        If nothing is online yet.
    """
    latest = now + TOLERANCE
    rejected: dict[str, str] = {}
    fresh: list[Event] = []
    for place, given in enumerate(events):
        event = read_event(given, latest)
        if isinstance(event, str):
            rejected[_name(given, place)] = event
        else:
            fresh.append(event)
    with writing(home), _opened(home, settings) as room:
        online = room.storage.current()
        if online is None:
            raise NotReadyError(f"{home.path}: nothing is online; cure: run `tenure features materialize`")
        return _push(room, online, fresh, rejected, latest)


@dataclass(frozen=True)
class _Room:
    """One home with its open storages."""

    home: Home
    settings: Settings
    storage: Storage
    stored: Events

    @property
    def catalogue(self) -> Catalogue:
        return load_catalogue(self.home.catalogue)


@contextmanager
def _opened(home: Home, settings: Settings, storage: Storage | None = None) -> Iterator[_Room]:
    """Open what is not open yet, and close it afterwards."""
    with ExitStack() as stack:
        if storage is None:
            storage = stack.enter_context(closing(open_storage(home, settings.online)))
        yield _Room(home, settings, storage, stack.enter_context(closing(Events(home))))


def _name(given: Mapping[str, Any], place: int) -> str:
    for key in ("interaction_id", "transaction_id"):
        if isinstance(given.get(key), str):
            return str(given[key])
    return f"event {place}"


def _push(
    room: _Room, online: Online, fresh: list[Event], rejected: dict[str, str], latest: datetime
) -> Pushed:
    there = room.storage.stamps(online, sorted({event.customer_id for event in fresh}))
    rejected |= {e.id: "unknown_customer" for e in fresh if e.customer_id not in there}
    known = [event for event in fresh if event.customer_id in there]
    if not known:
        return Pushed((), (), rejected)
    customers = sorted({event.customer_id for event in known})
    backend, circle = history_around(room.home, customers, room.settings)
    held = {number for number, _ in known_events(backend, list(enumerate(known)))}
    duplicates = dict.fromkeys(e.id for n, e in enumerate(known) if n in held or room.stored.has(e))
    new = [event for event in known if event.id not in duplicates]
    wrong = broken_rules(backend, new, room.catalogue, latest)
    # Of two that share an id the first counts.
    accepted = {(e.source, e.id): e for e in reversed(new) if e.id not in wrong}
    room.stored.add(list(accepted.values())[::-1])
    changed = sorted({e.customer_id for e in accepted.values()} | room.stored.unapplied(customers))
    if changed:
        newest = max(there[who] for who in changed)
        _refresh(room, online, backend, changed, circle, newest)
    ids = tuple(dict.fromkeys(e.id for e in new if e.id not in wrong))
    return Pushed(ids, tuple(duplicates), rejected | wrong)


def _refresh(
    room: _Room,
    online: Online,
    backend: Backend,
    customers: Sequence[str],
    circle: Sequence[str],
    newest: datetime,
) -> None:
    """Compute customers anew at the first moment after `newest` and all events around them; write them."""
    pending = room.stored.pending(circle)
    moment = max([newest, *(_known_by(event) for _, event in pending)]) + _NEXT
    add_events(backend, [event for _, event in pending], room.catalogue.currency)
    for batch in features_at(room.home, backend, moment, customers):
        ids, rows = pack_views(online.views, batch)
        names = (view.name for view in online.views)
        packed = (list(zip(ids, some, strict=True)) for some in rows)
        room.storage.put(online, dict(zip(names, packed, strict=True)), latest=moment)
    mine = set(customers)
    room.stored.mark_applied(number for number, event in pending if event.customer_id in mine)


def _known_by(event: Event) -> datetime:
    """The moment from which on a row is visible."""
    return max(datetime.fromisoformat(event.row[name]) for name in ("at", "known_at"))


def apply_pending(
    home: Home,
    storage: Storage,
    online: Online,
    generation: Generation,
    settings: Settings,
    tell: Callable[[str], None],
) -> None:
    """Bring a new generation that nobody reads yet up to date with every pending event.

    Events that history holds, and that the snapshot could see, are forgotten as soon as a
    generation is certain to be built from that history.
    """
    with _opened(home, settings, storage) as room:
        pending = room.stored.pending()
        if not pending:
            return
        backend, circle = history_around(home, sorted({e.customer_id for _, e in pending}), settings)
        seen = known_events(backend, pending)
        room.stored.settle((number for number, moment in seen if moment < online.as_of), generation.name)
        left = sorted({event.customer_id for _, event in room.stored.pending()})
        if left := sorted(storage.stamps(online, left)):
            tell(f"applying the pending events of {len(left):,} customers again")
            _refresh(room, online, backend, left, circle, online.as_of)


def delete_customers(home: Home, customer_ids: Sequence[str], settings: Settings) -> int:
    """Remove customers from the online storage and from the pending events; returns how many there were."""
    with writing(home), _opened(home, settings) as room:
        room.stored.delete_customers(customer_ids)
        return room.storage.delete_customers(customer_ids)
