"""Who has withdrawn consent since the features were built: by later history, events, and outcomes."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb

from features.errors import NotReadyError
from features.home import Home
from features.moments import iso
from features.online.events import Events
from features.snapshots import current_generation, snapshot_path
from features.vocabulary import CUSTOMER_ID
from serving.columns import Columns, put
from serving.log.decisions import log_session

__all__ = ["Consents", "Withdrawn", "withdrawn"]

_LATER = """
    SELECT customer_id, coalesce(marketing, false), coalesce(profiling, false)
    FROM read_parquet($snapshot) AS seen
    LEFT JOIN (
        SELECT customer_id, arg_max(consent_marketing, valid_from) AS marketing,
               arg_max(consent_profiling, valid_from) AS profiling
        FROM read_parquet($customers) WHERE known_until IS NULL GROUP BY customer_id
    ) AS said USING (customer_id)
    WHERE (seen.consent_marketing = 1 AND NOT coalesce(marketing, false))
       OR (seen.consent_profiling = 1 AND NOT coalesce(profiling, false))
    ORDER BY customer_id
"""


_ANSWERED = "SELECT DISTINCT customer_id FROM outcomes WHERE kind = 'opted_out' AND at >= ?"


@dataclass(frozen=True)
class Withdrawn:
    """Customers who consented when the features were built and do not any more.

    A customer whom history does not know any more has withdrawn both.
    """

    marketing: frozenset[str] = frozenset()
    profiling: frozenset[str] = frozenset()

    @property
    def of(self) -> tuple[tuple[str, frozenset[str]], ...]:
        """By feature who does not consent any more."""
        return ("consent_marketing", self.marketing), ("consent_profiling", self.profiling)

    def from_columns(self, columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """The columns as they would be if features were built now, as far as consent goes."""
        ids = columns[CUSTOMER_ID]
        found = dict(columns)
        for name, gone in self.of:
            if gone:
                found[name] = [
                    0 if who in gone else said for who, said in zip(ids, columns[name], strict=True)
                ]
        return found

    def told(self, columns: Columns, ids: Sequence[str], there: Sequence[bool]) -> frozenset[str]:
        """Take the consents back in columns that were read for `ids`, of those who are there; whose."""
        found = set[str]()
        for feature, gone in self.of:
            rows = [row for row, who in enumerate(ids) if there[row] and who in gone] if gone else []
            for row in rows:
                put(columns, feature, row, 0)
            found |= {ids[row] for row in rows}
        return frozenset(found)


def withdrawn(home: Home, snapshot: Path, as_of: str) -> Withdrawn:
    """Ask history as it is now, and the events and outcomes that it does not hold yet.

    Parameters
    ----------
    snapshot
        The file of features whose consents are to be checked again.
    as_of
        When it was taken, ISO 8601 in UTC; outcomes of before are in history.
    """
    marketing, profiling = _later(home, snapshot)
    return Withdrawn(marketing | _said_since(home, as_of), profiling)


class Consents:
    """Who has withdrawn consent since the features that answer live were taken.

    What history says is asked for once: where it changed, another takes this one's place.
    """

    def __init__(self, home: Home) -> None:
        self._home, self._heard, self._lock = home, frozenset[str](), Lock()
        self._later: Withdrawn | None = None
        try:
            generation = current_generation(home)
        except NotReadyError:  # features that came from elsewhere
            self._as_of = ""
        else:
            self._as_of = iso(generation.as_of)
            self._later = Withdrawn(*_later(home, snapshot_path(home, generation, generation.as_of)))
        self._found = Withdrawn()
        self.look()

    def __call__(self) -> Withdrawn:
        """As last known."""
        return self._found

    def look(self) -> None:
        """Ask events and the log, which others write to as well."""
        if self._later is None:
            return
        gone = self._later.marketing | _said_since(self._home, self._as_of)
        with self._lock:
            self._found = Withdrawn(gone | self._heard, self._later.profiling)

    def hear(self, customer_ids: Iterable[str]) -> None:
        """Take in who opted out just now."""
        with self._lock:
            self._heard |= frozenset(customer_ids)
            self._found = replace(self._found, marketing=self._found.marketing | self._heard)


def _later(home: Home, snapshot: Path) -> tuple[frozenset[str], frozenset[str]]:
    customers = home.history / "customers.parquet"
    if not customers.is_file():
        return frozenset(), frozenset()
    with closing(duckdb.connect()) as backend:
        bound = {"snapshot": str(snapshot), "customers": str(customers)}
        rows: Sequence[tuple[str, bool, bool]] = backend.execute(_LATER, bound).fetchall()
    return frozenset(who for who, yes, _ in rows if not yes), frozenset(
        who for who, _, yes in rows if not yes
    )


def _said_since(home: Home, as_of: str) -> frozenset[str]:
    """Who opted out by an event that waits, or in answer to an offer."""
    return _opted_out(home) | _answered(home, as_of)


def _opted_out(home: Home) -> frozenset[str]:
    if not home.events_db.is_file():
        return frozenset()
    with closing(Events(home)) as events:
        pushed = [event for _, event in events.pending() if event.source == "interactions"]
    return frozenset(event.customer_id for event in pushed if event.row.get("response") == "opted_out")


def _answered(home: Home, as_of: str) -> frozenset[str]:
    with closing(log_session(home.decisions_db)) as session:
        if not session.ready():
            return frozenset()
        with session.transaction(only_read=True) as log:
            # Without its Z a moment is not later, as text, than the same one with microseconds.
            since = (as_of.removesuffix("Z"),)
            return frozenset(who for (who,) in log.execute(_ANSWERED, since).fetchall())
