"""What followed on decisions: outcomes come back by id, from a file or one by one, and nothing is lost."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from features.errors import InputError, NotReadyError, RefusedError, first_five
from features.settings import Settings
from serving.log.decisions import open_log
from serving.log.outcome_file import read_outcome_file
from serving.log.schema import OUTCOME_COLUMNS

__all__ = [
    "KINDS",
    "Outcome",
    "OutcomeSummary",
    "Received",
    "Status",
    "import_outcomes",
    "record_outcomes",
]

KINDS = ("shown", "accepted", "refused", "complained", "opted_out", "bought", "left")
"""`left`: closed everything."""

Status = Literal["new", "known", "changed", "unknown_decision", "other_customer"]
Flag = Literal["", "early", "late"]

_QUARANTINED: tuple[Status, ...] = ("unknown_decision", "other_customer")
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


@dataclass(frozen=True)
class OutcomeSummary:
    """What a file held: `new` outcomes of its `rows`; `kinds`, `early` and `late` of what was recorded."""

    rows: int
    new: int
    quarantined: int
    early: int
    late: int
    kinds: dict[str, int]


def record_outcomes(log_path: Path, outcomes: Sequence[Outcome]) -> tuple[Received, ...]:
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
        If there are no decisions yet.
    """
    _check("outcomes", outcomes)
    with _existing(log_path) as log:
        return tuple(_record(log, outcomes))


def import_outcomes(
    source: Path,
    log_path: Path,
    tell: Callable[[str], None],
    *,
    max_quarantined: float = Settings.max_quarantined,
) -> OutcomeSummary:
    """Append the outcomes of a CSV file to the log; importing a file again changes nothing.

    Parameters
    ----------
    source
        Columns outcome_id, decision_id, customer_id, at, kind, known_at, and optionally product and
        amount (see `Outcome`).
    max_quarantined
        Share of the file's rows whose decision may be unknown or another customer's.

    Raises
    ------
    InputError
        If the file breaks its contract; nothing is written.
    RefusedError
        If too many outcomes have no decision, or an id is already recorded otherwise; nothing is written.
    NotReadyError
        If there are no decisions yet.
    """
    outcomes = [Outcome(**row) for row in read_outcome_file(source)]
    _check(source.name, outcomes)
    tell(f"{source.name}: {len(outcomes):,} outcomes")
    with _existing(log_path) as log:
        received = list(_record(log, outcomes))
        _refuse(source, received, max_quarantined)
    recorded = [(o, r) for o, r in zip(outcomes, received, strict=True) if r.status not in _QUARANTINED]
    summary = OutcomeSummary(
        rows=len(outcomes),
        new=sum(r.status == "new" for r in received),
        quarantined=len(outcomes) - len(recorded),
        early=sum(r.flag == "early" for _, r in recorded),
        late=sum(r.flag == "late" for _, r in recorded),
        kinds=dict(Counter(o.kind for o, _ in recorded)),
    )
    for count, what in (
        (summary.quarantined, "without their decision, in quarantine"),
        (summary.early, "from before their decision, not counted"),
        (summary.late, "from after their decision's window, not counted"),
    ):
        if count:
            tell(f"{count:,} {what}")
    return summary


def _existing(log_path: Path) -> Any:
    if not log_path.is_file():
        raise NotReadyError(f"{log_path}: no decisions yet; cure: run `tenure lists pull`")
    return open_log(log_path)


def _check(where: str, outcomes: Sequence[Outcome]) -> None:
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


def _refuse(source: Path, received: Sequence[Received], max_quarantined: float) -> None:
    """Raise, and so roll everything back, where a file cannot be taken."""
    named = {s: [r.outcome_id for r in received if r.status == s] for s in ("changed", *_QUARANTINED)}
    if named["changed"]:
        raise RefusedError(
            f"{source.name}: outcomes are already recorded otherwise: {first_five(named['changed'])}; "
            "cure: give a new fact a new outcome_id"
        )
    lost = sum(len(named[s]) for s in _QUARANTINED)
    if lost > max_quarantined * len(received):
        unknown, other = (first_five(named[s]) for s in _QUARANTINED)
        said = (unknown and f"of unknown decisions: {unknown}", other and f"not the decision's: {other}")
        raise RefusedError(
            f"{source.name}: {lost} of {len(received)} outcomes are {'; '.join(filter(None, said))}; "
            f"at most {max_quarantined:.1%} may be; cure: use the decision_id and customer_id of a "
            "recorded list or plan, or raise TENURE_MAX_QUARANTINED"
        )


def _record(log: sqlite3.Connection, outcomes: Sequence[Outcome]) -> Iterator[Received]:
    source = iter(outcomes)
    while batch := list(islice(source, _BATCH)):
        yield from _record_batch(log, [_row(outcome) for outcome in batch])


def _record_batch(log: sqlite3.Connection, rows: list[_Row]) -> list[Received]:
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
        f"INSERT OR IGNORE INTO quarantine VALUES ({', '.join('?' * (len(OUTCOME_COLUMNS) + 1))})",
        [(*row, s) for row, s in zip(rows, status, strict=True) if s in _QUARANTINED],
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


def _among(
    log: sqlite3.Connection, columns: str, table: str, key: str, ids: set[str]
) -> list[tuple[Any, ...]]:
    places = ", ".join("?" * len(ids))
    return log.execute(f"SELECT {columns} FROM {table} WHERE {key} IN ({places})", tuple(ids)).fetchall()


def _row(o: Outcome) -> _Row:
    at, known = (t.astimezone(UTC).isoformat(timespec="microseconds") for t in (o.at, o.known_at))
    return (o.outcome_id, o.decision_id, o.customer_id, at, o.kind, known, o.product, o.amount)
