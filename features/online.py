"""Read features of one or many customers from the online store, with their age.

One of the three modules that import feast.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from features.errors import NotReadyError
from features.home import Home
from features.store import open_store
from features.views import DECISION_SERVICE
from features.vocabulary import CUSTOMER_ID

__all__ = ["OnlineReader", "OnlineRows"]


@dataclass(frozen=True)
class OnlineRows:
    """Features in the order of the ids asked for.

    columns
        Field name -> one value a customer, None where it is null.
    found
        Whether the customer is known at all; Feast's own status is not to be trusted for that.
    as_of
        When each customer's features were taken, None if unknown.
    """

    columns: dict[str, list[Any]]
    found: list[bool]
    as_of: list[datetime | None]


class OnlineReader:
    """Holds the store and the service object, so that a read resolves nothing anew.

    Raises
    ------
    NotReadyError
        If nothing was materialised yet.
    """

    def __init__(self, home: Home) -> None:
        cure = "run `tenure features materialize`"
        if not home.online_db.is_file():
            raise NotReadyError(f"{home.online_db}: no online features yet; cure: {cure}")
        with closing(sqlite3.connect(f"file:{home.online_db}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT name, as_of FROM tenure_generation").fetchone()
        self.generation: str = row[0]
        self.as_of = datetime.fromisoformat(row[1])
        self._store = open_store(home)
        self._service = self._store.get_feature_service(DECISION_SERVICE)

    def read(self, customer_ids: Sequence[str]) -> OnlineRows:
        """Read every field for some customers; an id may repeat.

        Parameters
        ----------
        customer_ids
            At least one.
        """
        rows = [{CUSTOMER_ID: customer_id} for customer_id in customer_ids]
        answer = self._store.get_online_features(self._service, rows).to_dict(include_event_timestamps=True)
        seconds = self._newest(answer, len(rows))
        moments = [datetime.fromtimestamp(s, UTC) if s > 0 else None for s in seconds]
        columns = {n: v for n, v in answer.items() if not n.endswith("__ts") and n != CUSTOMER_ID}
        return OnlineRows(columns, [m is not None for m in moments], moments)

    @staticmethod
    def _newest(answer: dict[str, list[Any]], rows: int) -> list[int]:
        stamps = [values for name, values in answer.items() if name.endswith("__ts")]
        return [max(int(column[i]) for column in stamps) for i in range(rows)]
