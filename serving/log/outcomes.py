"""What followed on decisions: outcomes come back by id, and nothing is lost."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from math import isfinite
from typing import Any, Literal

from features.database.address import Where
from features.database.backend import Log
from features.errors import InputError, first_five
from serving.log.decisions import log_session
from serving.log.schema import OUTCOME_COLUMNS

__all__ = [
    "KINDS",
    "QUARANTINED",
    "Outcome",
    "Received",
    "Status",
    "check_outcomes",
    "existing",
    "receive",
    "record_outcomes",
]

KINDS = ("shown", "accepted", "refused", "complained", "opted_out", "bought", "left")
"""`left`: closed everything."""

Status = Literal["new", "known", "changed", "unknown_decision", "other_customer"]
Flag = Literal["", "early", "late"]

QUARANTINED: tuple[Status, ...] = ("unknown_decision", "other_customer")
"""Kept aside, since they have no decision of their customer's."""

_BATCH = 500  # SQLite binds at least 999 values in a statement
_Row = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One thing that followed on a decision; `at` and `known_at` have a zone.

    product
        What was bought; "" for what the decision was about.
    amount
        What that is worth in major units of the decision's currency; None for the decision's stake.
    """

    outcome_id: str
    decision_id: str
    customer_id: str
    at: datetime
    kind: str
    known_at: datetime
    product: str = ""
    amount: float | None = None


@dataclass(frozen=True)
class Received:
    """What became of one outcome that was handed in.

    status
        Recorded as new; known already, which changes nothing; refused, since the same id is recorded
        otherwise; or put into quarantine, since its decision is unknown or another customer's.
    flag
        "early" before the decision, "late" after its window: recorded, but not counted.
    """

    outcome_id: str
    status: Status
    flag: Flag = ""


def record_outcomes(where: Where, outcomes: Sequence[Outcome]) -> tuple[Received, ...]:
    """Append outcomes; those that are recorded already change nothing.

    When it returns, what it says is new is on disk. Outcomes without their decision are kept in
    quarantine, with the reason; hand them in again once the decision is recorded.

    Returns
    -------
    tuple of Received
        In the order of `outcomes`.

    Raises
    ------
    InputError
        If an outcome breaks the contract; nothing is written.
    NotReadyError
        If there are no decisions yet, or the log cannot be written.
    """
    check_outcomes(outcomes)
    with existing(where) as log:
        return receive(log, outcomes)


def receive(log: Log, outcomes: Sequence[Outcome]) -> tuple[Received, ...]:
    """Append checked outcomes within the transaction that is open; the rest is as in `record_outcomes`."""
    return tuple(_record(log, outcomes))


@contextmanager
def existing(where: Where) -> Iterator[Log]:
    """A log that holds decisions, as one transaction; NotReadyError if there are none yet."""
    with closing(log_session(where)) as session:
        session.need()
        with session.transaction() as log:
            yield log


def check_outcomes(outcomes: Sequence[Outcome], where: str = "outcomes") -> None:
    """Raise InputError if an outcome breaks the contract, which `where` is named for."""
    rules: tuple[tuple[str, str, Callable[[Outcome], bool]], ...] = (
        ("outcome_id", "empty", lambda o: not o.outcome_id),
        ("kind", f"not one of {', '.join(KINDS)}", lambda o: o.kind not in KINDS),
        ("at", "a time without a zone", lambda o: o.at.tzinfo is None),
        ("known_at", "a time without a zone", lambda o: o.known_at.tzinfo is None),
        ("amount", "not a finite number", lambda o: o.amount is not None and not isfinite(o.amount)),
    )
    for column, rule, broken in rules:
        if wrong := [o.outcome_id or f"row {n}" for n, o in enumerate(outcomes, 1) if broken(o)]:
            raise InputError(
                f"{where}: column '{column}': {rule}: {first_five(wrong)}; cure: mend the rows"
            )


def _record(log: Log, outcomes: Sequence[Outcome]) -> Iterator[Received]:
    source = iter(outcomes)
    while batch := list(islice(source, _BATCH)):
        yield from _record_batch(log, [_row(outcome) for outcome in batch])


def _record_batch(log: Log, rows: list[_Row]) -> list[Received]:
    owner = dict(_among(log, "decision_id, customer_id", "decisions", "decision_id", {r[1] for r in rows}))
    ids = {r[0] for r in rows}
    recorded = {r[0]: r for r in _among(log, ", ".join(OUTCOME_COLUMNS), "outcomes", "outcome_id", ids)}
    status: list[Status] = []
    new: list[_Row] = []
    for row in rows:
        status.append(_status(row, recorded, owner))
        if status[-1] == "new":
            recorded[row[0]] = row
            new.append(row)
    log.executemany(f"INSERT INTO outcomes VALUES ({', '.join('?' * len(OUTCOME_COLUMNS))})", new)
    log.executemany(
        f"INSERT INTO quarantine VALUES ({', '.join('?' * (len(OUTCOME_COLUMNS) + 1))}) "
        "ON CONFLICT DO NOTHING",
        [(*row, s) for row, s in zip(rows, status, strict=True) if s in QUARANTINED],
    )
    flags = dict(_among(log, "outcome_id, flag", "timed", "outcome_id", ids))
    return [
        Received(row[0], s, flags[row[0]] if s in ("new", "known") else "")
        for row, s in zip(rows, status, strict=True)
    ]


def _status(row: _Row, recorded: dict[str, _Row], owner: dict[str, str]) -> Status:
    outcome_id, decision_id, customer_id = row[:3]
    if outcome_id in recorded:
        return "known" if recorded[outcome_id] == row else "changed"
    if decision_id not in owner:
        return "unknown_decision"
    return "new" if owner[decision_id] == customer_id else "other_customer"


def _among(log: Log, columns: str, table: str, key: str, ids: set[str]) -> list[tuple[Any, ...]]:
    places = ", ".join("?" * len(ids))
    found = log.execute(f"SELECT {columns} FROM {table} WHERE {key} IN ({places})", tuple(ids))
    return list(found.fetchall())


def _row(o: Outcome) -> _Row:
    at, known = (t.astimezone(UTC).isoformat(timespec="microseconds") for t in (o.at, o.known_at))
    return (o.outcome_id, o.decision_id, o.customer_id, at, o.kind, known, o.product, o.amount)
