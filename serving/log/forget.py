"""Take customers out of the decision log: their decisions, and what followed on them."""

from collections.abc import Collection
from contextlib import closing

from features.database.address import Where
from serving.log.decisions import log_session

__all__ = ["forget"]

_THEIRS = "decision_id IN (SELECT decision_id FROM decisions WHERE customer_id = ?)"
_TABLES = ("outcomes", "quarantine", "decisions")
"""In the order in which rows refer to each other."""


def forget(where: Where, customer_ids: Collection[str]) -> dict[str, int]:
    """Delete every row of some customers, in one transaction; how many, by table.

    They are deleted, not given another name: values, scores and moments would still tell whose they were.
    Reports count these customers no more, whichever their arm was.

    Raises
    ------
    NotReadyError
        If the log cannot be written, or is read just now: what was deleted is still in its write-ahead log.
    """
    with closing(log_session(where)) as session:
        if not session.ready():
            return {}
        found = {}
        with session.transaction() as log:
            for table in _TABLES:
                for statement in session.backend.writable(table):
                    log.execute(statement)
            for table in _TABLES:
                test = "customer_id = ?" if table == "decisions" else f"customer_id = ? OR {_THEIRS}"
                bound = [(who,) * test.count("?") for who in customer_ids]
                found[table] = log.executemany(f"DELETE FROM {table} WHERE {test}", bound).rowcount
            for table in _TABLES:
                for statement in session.backend.append_only(table):
                    log.execute(statement)
        session.scrub(_TABLES)
    return {table: count for table, count in found.items() if count > 0}
