"""What a running month used up already, as the decision log tells it, and who of its plan that was.

Counted is, from the moment of the plan on:

- each live contact, of every arm and of exploration; a customer who asks again and is told the same option
  is one contact;
- each contact of a plan or a list that is known to have been made: an outcome says `shown`. A plan that
  nobody carried out uses nothing up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from features.home import Home
from serving.log.decisions import log_session

__all__ = ["Spending", "Used"]

_PLANNED = " LEFT JOIN decisions p ON p.decision_id IN ({}) "
_LIVE = (
    "SELECT d.rowid, d.customer_id, d.action, p.action FROM decisions d{}"
    "WHERE d.campaign = 'live' AND d.rowid > ? AND d.decided_at >= ? ORDER BY d.rowid"
)
_SHOWN = (
    "SELECT 0, o.customer_id, d.action, p.action"
    " FROM outcomes o JOIN decisions d ON d.decision_id = o.decision_id{}"
    "WHERE o.at >= ? AND o.kind = 'shown' AND d.kind <> 'live'"
)
_KNOWN = "SELECT 1 FROM decisions WHERE campaign = ? LIMIT 1"
_OFTEN = timedelta(hours=1)

Found = tuple[int, str, str, str | None]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Used:
    """Contacts since a moment.

    contacts
        (options,), how many by each.
    came
        How many customers of the plan were decided for live, or contacted as planned.
    planned
        (options,), the contacts that the plan has for them.
    known
        Whether the log holds the plan's decisions.
    """

    contacts: Ints
    came: int
    planned: Ints
    known: bool


class Spending:
    """Counts on from where it stood, so that a long log is read once.

    Live decisions are read anew at every call; outcomes of plans and lists come by file, and are read once
    an hour.

    Parameters
    ----------
    options
        Names, in the order of the counts; contacts by others are of an older catalogue and not counted.
    offers
        How many a plan has for a customer at most.
    """

    def __init__(self, home: Home, options: Sequence[str], offers: int = 1) -> None:
        self._log = log_session(home.decisions_db)
        self._place = {name: place for place, name in enumerate(options)}
        # A plan's decisions are `<plan>:<customer>`, then `<plan>:<customer>:2`.
        slots = ("", *(f" || ':{slot}'" for slot in range(2, offers + 1)))
        planned = _PLANNED.format(", ".join(f"CAST(? AS TEXT) || d.customer_id{slot}" for slot in slots))
        self._live, self._shown, self._slots = _LIVE.format(planned), _SHOWN.format(planned), len(slots)
        self._read, self._known = 0, False
        self._start("", "")

    def since(self, moment: str, now: datetime | None = None, plan: str = "") -> Used:
        """What was used up from a moment on, ISO 8601 in UTC; `now` is None where time stands still."""
        if (moment, plan) != self._since:
            self._start(moment, plan)
        if self._log.ready():
            of = [f"{plan}:"] * self._slots
            with self._log.transaction(only_read=True) as log:
                live = log.execute(self._live, (*of, self._read, moment)).fetchall()
                shown = log.execute(self._shown, (*of, moment)).fetchall() if self._due(now) else []
                self._known = self._known or bool(log.execute(_KNOWN, (plan,)).fetchall())
            self._read = live[-1][0] if live else self._read
            self._count((*live, *shown))
        counts = self._made.counts.copy(), len(self._came), self._planned.counts.copy()
        return Used(*counts, self._known)

    def _start(self, moment: str, plan: str) -> None:
        self._since = (moment, plan)
        self._read = 0
        self._looked: datetime | None = None
        self._fresh = self._known = False
        self._came: set[str] = set()
        self._made, self._planned = _Contacts(self._place), _Contacts(self._place)

    def _due(self, now: datetime | None) -> bool:
        """Whether outcomes are to be read again; from now on they are not, for an hour."""
        late = now is not None and (self._looked is None or now - self._looked >= _OFTEN)
        if self._fresh and not late:
            return False
        self._fresh, self._looked = True, now
        return True

    def _count(self, rows: Iterable[Found]) -> None:
        for _, customer_id, action, planned in rows:
            self._made.add(customer_id, action)
            if planned is not None:
                self._came.add(customer_id)
                self._planned.add(customer_id, planned)


class _Contacts:
    """Contacts by option, each customer's with the same option once."""

    def __init__(self, place: Mapping[str, int]) -> None:
        self._place = place
        self._seen: set[tuple[str, str]] = set()
        self.counts: Ints = np.zeros(len(place), dtype=np.int64)

    def add(self, customer_id: str, option: str) -> None:
        contact = (customer_id, option)
        if option in self._place and contact not in self._seen:
            self._seen.add(contact)
            self.counts[self._place[option]] += 1
