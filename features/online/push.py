"""Events that change online features at once: a complaint, a large outflow, a session.

An event is a row of the history table `interactions` or `transactions`. It is kept durably until
history holds it, and the features of its customer are computed anew, by the same declarations, on
history and all pending events together. So order of arrival and repeats do not matter, and a batch
that does not know the event yet does not undo it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from features.generations import Generation
from features.home import Home
from features.online.accept import broken_rules, read_event
from features.online.events import Event
from features.online.recompute import Around, Recomputer
from features.online.room import Room, opened
from features.online.storage import Online, Storage, pack_views, writing
from features.settings import Settings

__all__ = ["Pushed", "apply_pending", "catch_up", "delete_customers", "push"]

TOLERANCE = timedelta(minutes=5)
"""How far the clock of a channel may be ahead of ours."""

_NEXT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Pushed:
    """What became of each event: ids accepted, ids known before, id or place -> why rejected, and ids
    known before with another content, which changes nothing."""

    accepted: tuple[str, ...]
    duplicates: tuple[str, ...]
    rejected: Mapping[str, str]
    changed: tuple[str, ...] = ()


def push(
    home: Home,
    events: Sequence[Mapping[str, Any]],
    now: datetime,
    settings: Settings,
    recomputer: Recomputer | None = None,
    journaled: Callable[[Pushed], None] = lambda _: None,
) -> Pushed:
    """Take events, and bring the features of their customers up to date before returning.

    Parameters
    ----------
    events
        Rows of the history contract: an interaction_id makes one an interaction, a transaction_id a
        booking. known_at may be left out: it is `at` then. Timestamps are aware datetimes or ISO
        text with an offset.
    now
        The moment of the push; an event later than five minutes after it is rejected.
    recomputer
        One that is warm, of the same home; a new one if None.
    journaled
        Called with the answer as soon as it is durable, before features are computed: from there on
        no event is lost, whatever happens.

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
    with writing(home), opened(home, settings, recomputer=recomputer) as room:
        return _push(room, room.online, fresh, rejected, latest, journaled)


def catch_up(home: Home, settings: Settings, recomputer: Recomputer) -> int:
    """Apply every event that is stored and did not reach the online rows; returns of how many customers.

    Raises
    ------
    NotReadyError
        If nothing is online yet.
    """
    with writing(home), opened(home, settings, recomputer=recomputer) as room:
        there = room.storage.stamps(room.online, sorted(room.stored.unapplied()))
        if there:
            with room.recomputer.around(sorted(there)) as around:
                _refresh(room, room.online, around, sorted(there), max(there.values()))
    return len(there)


def _name(given: Mapping[str, Any], place: int) -> str:
    for key in ("interaction_id", "transaction_id"):
        if isinstance(given.get(key), str):
            return str(given[key])
    return f"event {place}"


def _push(
    room: Room,
    online: Online,
    fresh: list[Event],
    rejected: dict[str, str],
    latest: datetime,
    journaled: Callable[[Pushed], None],
) -> Pushed:
    there = room.storage.stamps(online, sorted({event.customer_id for event in fresh}))
    rejected |= {e.id: "unknown_customer" for e in fresh if e.customer_id not in there}
    known = [event for event in fresh if event.customer_id in there]
    if not known:
        return Pushed((), (), rejected)
    customers = sorted({event.customer_id for event in known})
    with room.recomputer.around(customers) as around:
        pushed, accepted = _sorted(room, around, known, rejected, latest)
        room.stored.add(accepted)
        journaled(pushed)
        behind = sorted({e.customer_id for e in accepted} | room.stored.unapplied(customers))
        if behind:
            _refresh(room, online, around, behind, max(there[who] for who in behind))
    return pushed


def _sorted(
    room: Room, around: Around, known: list[Event], rejected: dict[str, str], latest: datetime
) -> tuple[Pushed, list[Event]]:
    """What becomes of the events of known customers, and those that are to be stored."""
    held = {number for number, _ in around.known(list(enumerate(known)))}
    stored = {n: row for n, e in enumerate(known) if (row := room.stored.row(e)) is not None}
    old = [event for n, event in enumerate(known) if n in held or n in stored]
    other = around.otherwise([event for n, event in enumerate(known) if n in held])
    other |= {known[n].id for n, row in stored.items() if n not in held and row != known[n].as_stored}
    new = [event for n, event in enumerate(known) if n not in held and n not in stored]
    wrong = broken_rules(around.con, new, room.catalogue, latest)
    # Of two that share an id the first counts.
    accepted = {(e.source, e.id): e for e in reversed(new) if e.id not in wrong}
    pushed = Pushed(
        accepted=tuple(dict.fromkeys(e.id for e in new if e.id not in wrong)),
        duplicates=tuple(dict.fromkeys(e.id for e in old if e.id not in other)),
        rejected=rejected | wrong,
        changed=tuple(dict.fromkeys(e.id for e in old if e.id in other)),
    )
    return pushed, list(accepted.values())[::-1]


def _refresh(
    room: Room, online: Online, around: Around, customers: Sequence[str], newest: datetime
) -> None:
    """Compute customers anew at the first moment after `newest` and all events around them; write them."""
    pending = room.stored.pending(around.circle)
    moment = max([newest, *(_known_by(event) for _, event in pending)]) + _NEXT
    around.add([event for _, event in pending], room.catalogue.currency)
    for batch in around.features_at(room.catalogue, moment, customers):
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
    with opened(home, settings, storage) as room:
        pending = room.stored.pending()
        if not pending:
            return
        with room.recomputer.around(sorted({e.customer_id for _, e in pending})) as around:
            seen = around.known(pending)
            room.stored.settle(
                (number for number, moment in seen if moment < online.as_of), generation.name
            )
            left = sorted({event.customer_id for _, event in room.stored.pending()})
            if left := sorted(storage.stamps(online, left)):
                tell(f"applying the pending events of {len(left):,} customers again")
                _refresh(room, online, around, left, online.as_of)


def delete_customers(home: Home, customer_ids: Sequence[str], settings: Settings) -> int:
    """Remove customers from the online storage and from the pending events; returns how many there were."""
    with writing(home), opened(home, settings) as room:
        room.stored.delete_customers(customer_ids)
        return room.storage.delete_customers(customer_ids)
