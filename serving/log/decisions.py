"""The decision log: what was decided for whom, by which models, with which chance; append-only."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import islice
from operator import attrgetter
from pathlib import Path

from features.errors import NotReadyError, RefusedError, first_five
from serving.log.schema import prepare

__all__ = [
    "CONTROL",
    "TARGET",
    "WINDOW_DAYS",
    "Decision",
    "latest_campaign",
    "open_log",
    "read_decisions",
    "record_decisions",
]

TARGET, CONTROL = "target", "control"
WINDOW_DAYS = 90
"""For how long outcomes count, as the model of responses learns them; of all arms the same."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision about one customer, also to do nothing; money in major units of `currency`.

    campaign, kind
        The list or plan that it belongs to, or "live"; and which of the three it is.
    rank
        Place on the list; 0 where there is none.
    arm, arm_probability
        The arm that the customer was drawn into, and the chance of that: of a list "target" or
        "control"; of a plan and live what the policy's arm does, such as "champion".
    option
        What was chosen, `<offer>.<channel>`; of a list's control group what would have been.
    action, probability
        What was done, an option or "" for nothing; and the chance, in (0, 1], with which it was done.
    chance, uplift
        P(what the offer is for | contacted), and by how much the contact changes it.
    expected_value
        Incremental, after costs.
    stake
        What hangs on it: the margin of a new holding, or what the customer is worth.
    value
        What the customer is worth, which is lost if the customer leaves; None where not known. It is
        needed wherever arms are compared whose customers get different offers, and so of "" too.
    window_days
        How long after `decided_at` outcomes count.
    basis
        Where the effect comes from: "prior" (stated in the catalogue) or "model" (learned).
    terms
        The personal price that was granted, and the rule behind it in words; "" for none.
    models
        Name, version and hash of the models behind the numbers.
    prices
        The plan whose prices counted, "" for none.
    removed
        JSON: rule -> names of the options that it removed.
    features
        JSON of features that differed from the generation's, as those of a live answer after events;
        all others are the generation's own, which never changes (`serving.log.evidence.features_of`).
    as_of, decided_at
        ISO 8601 in UTC. The present of a simulated bank is the end of its history: there `decided_at`
        is the end of history too, since outcomes are timed from it.
    """

    decision_id: str
    campaign: str
    kind: str
    customer_id: str
    rank: int = 0
    arm: str
    arm_probability: float
    option: str
    action: str
    probability: float
    offer: str
    product: str
    channel: str
    chance: float | None = None
    uplift: float | None = None
    expected_value: float
    stake: float
    value: float | None = None
    contact_cost: float
    incentive: float = 0.0
    window_days: int = WINDOW_DAYS
    basis: str
    terms: str = ""
    currency: str
    models: str
    catalogue_version: str
    policy_version: str
    feature_generation: str
    prices: str = ""
    removed: str = "{}"
    features: str = "{}"
    as_of: str
    decided_at: str


_NAMES = tuple(f.name for f in fields(Decision))
_IDENTITY = tuple(n for n in _NAMES if n != "decided_at")
_ROW = attrgetter(*_NAMES)
_BATCH = 10_000


@contextmanager
def open_log(path: Path, *, only_read: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the log as one transaction: committed at the end, rolled back by any error.

    WAL with synchronous=FULL: what was committed survives a kill and a loss of power.

    Parameters
    ----------
    only_read
        Leave others free to write meanwhile.

    Raises
    ------
    RefusedError
        If the file was written in another format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("BEGIN" if only_read else "BEGIN IMMEDIATE")
        prepare(connection, path, Decision)
        yield connection
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.close()


def record_decisions(path: Path, decisions: Iterable[Decision]) -> int:
    """Append decisions, of any number; recording the same ones again changes nothing.

    When it returns, all of them are on disk; if it raises, none of them are.

    Returns
    -------
    int
        How many were new.

    Raises
    ------
    RefusedError
        If a decision of the same id says something else; nothing is written then.
    """
    insert = f"INSERT OR IGNORE INTO decisions VALUES ({', '.join('?' * len(_NAMES))})"
    source, new = iter(decisions), 0
    with open_log(path) as log:
        while batch := list(islice(source, _BATCH)):
            added = log.executemany(insert, map(_ROW, batch)).rowcount
            new += added
            # Only where a row was ignored can there be one that says something else.
            differing = _differing(log, batch) if added < len(batch) else []
            if differing:
                raise RefusedError(
                    f"{path.name}: decisions are already recorded otherwise: {first_five(differing)}; "
                    "cure: pull a new list, recorded decisions are never changed"
                )
    return new


def read_decisions(path: Path, campaign: str) -> tuple[Decision, ...]:
    """The decisions of one list or plan, by rank and id.

    Raises
    ------
    NotReadyError
        If no such campaign was recorded.
    """
    if not path.is_file():
        raise NotReadyError(f"{path}: no decisions yet; cure: run `tenure lists pull`")
    with open_log(path, only_read=True) as log:
        rows = log.execute(
            f"SELECT {', '.join(_NAMES)} FROM decisions WHERE campaign = ? ORDER BY rank, decision_id",
            (campaign,),
        ).fetchall()
    if not rows:
        raise NotReadyError(
            f"{path}: no campaign '{campaign}'; cure: `tenure lists pull` prints a list's id"
        )
    return tuple(Decision(**dict(zip(_NAMES, row, strict=True))) for row in rows)


def latest_campaign(path: Path) -> str:
    """The list or plan recorded last.

    Raises
    ------
    NotReadyError
        If none was recorded.
    """
    if path.is_file():
        with open_log(path, only_read=True) as log:
            found = log.execute(
                "SELECT campaign FROM decisions WHERE kind <> 'live' ORDER BY rowid DESC LIMIT 1"
            ).fetchone()
        if found:
            return str(found[0])
    raise NotReadyError(f"{path}: no decisions yet; cure: run `tenure lists pull`")


def _differing(log: sqlite3.Connection, decisions: Sequence[Decision]) -> list[str]:
    same = " AND ".join(f"{name} IS ?" for name in _IDENTITY)
    query, identity = f"SELECT 1 FROM decisions WHERE {same}", attrgetter(*_IDENTITY)
    return [d.decision_id for d in decisions if not log.execute(query, identity(d)).fetchone()]
