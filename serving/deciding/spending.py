"""What a running month used up already, as the decision log tells it.

Counted is, from the moment of the plan on:

- each live contact, of every arm and of exploration; a customer who asks again and is told the same option
  is one contact;
- each contact of a plan or a list that is known to have been made: an outcome says `shown`. A plan that
  nobody carried out uses nothing up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from features.home import Home
from serving.log.decisions import log_session

__all__ = ["Spending", "Used"]

_LIVE = (
    "SELECT rowid, customer_id, action FROM decisions"
    " WHERE campaign = 'live' AND rowid > ? AND decided_at >= ? ORDER BY rowid"
)
_SHOWN = (
    "SELECT o.customer_id, d.action FROM outcomes o JOIN decisions d ON d.decision_id = o.decision_id"
    " WHERE o.at >= ? AND o.kind = 'shown' AND d.kind <> 'live'"
)
_OFTEN = timedelta(hours=1)


@dataclass(frozen=True)
class Used:
    """Contacts since a moment.

    contacts
        (options,), how many by each.
    asked
        Customers who were decided for live.
    """

    contacts: NDArray[np.int64]
    asked: int


class Spending:
    """Counts on from where it stood, so that a long log is read once.

    Live decisions are read anew at every call; outcomes of plans and lists come by file, and are read once
    an hour.

    Parameters
    ----------
    options
        Names, in the order of the counts; contacts by others are of an older catalogue and not counted.
    """

    def __init__(self, home: Home, options: Sequence[str]) -> None:
        self._log = log_session(home.decisions_db)
        self._place = {name: place for place, name in enumerate(options)}
        self._read = 0
        self._start("")

    def since(self, moment: str, now: datetime | None = None) -> Used:
        """What was used up from a moment on, ISO 8601 in UTC; `now` is None where time stands still."""
        if moment != self._moment:
            self._start(moment)
        if self._log.ready():
            with self._log.transaction(only_read=True) as log:
                live = log.execute(_LIVE, (self._read, moment)).fetchall()
                shown = log.execute(_SHOWN, (moment,)).fetchall() if self._due(now) else []
            self._read = live[-1][0] if live else self._read
            self._asked.update(customer_id for _, customer_id, _ in live)
            self._count((customer_id, action) for _, customer_id, action in live)
            self._count((customer_id, action) for customer_id, action in shown)
        return Used(self._contacts.copy(), len(self._asked))

    def _start(self, moment: str) -> None:
        self._moment = moment
        self._read = 0
        self._looked: datetime | None = None
        self._fresh = False
        self._asked: set[str] = set()
        self._made: set[tuple[str, str]] = set()
        self._contacts: NDArray[np.int64] = np.zeros(len(self._place), dtype=np.int64)

    def _due(self, now: datetime | None) -> bool:
        """Whether outcomes are to be read again; from now on they are not, for an hour."""
        late = now is not None and (self._looked is None or now - self._looked >= _OFTEN)
        if self._fresh and not late:
            return False
        self._fresh, self._looked = True, now
        return True

    def _count(self, contacts: Iterable[tuple[str, str]]) -> None:
        for contact in contacts:
            if contact[1] in self._place and contact not in self._made:
                self._made.add(contact)
                self._contacts[self._place[contact[1]]] += 1
