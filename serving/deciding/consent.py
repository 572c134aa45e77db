"""Who has withdrawn consent since the features were built: by later history, events, and outcomes."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from features.home import Home
from features.online.events import Events
from features.vocabulary import CUSTOMER_ID
from serving.log.decisions import log_session

__all__ = ["Withdrawn", "withdrawn"]

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

    def from_columns(self, columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """The columns as they would be if features were built now, as far as consent goes."""
        ids = columns[CUSTOMER_ID]
        found = dict(columns)
        for name, gone in (("consent_marketing", self.marketing), ("consent_profiling", self.profiling)):
            if gone:
                found[name] = [
                    0 if who in gone else said for who, said in zip(ids, columns[name], strict=True)
                ]
        return found


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
    return Withdrawn(marketing | _opted_out(home) | _answered(home, as_of), profiling)


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
            return frozenset(who for (who,) in log.execute(_ANSWERED, (as_of,)).fetchall())
