"""A CSV file of outcomes: read with every breach of its contract named by row, and appended to the log."""

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from features.database.address import Where
from features.errors import InputError, RefusedError, first_five
from features.history.withhold import Erased
from features.settings import Settings
from serving.log.outcomes import QUARANTINED, Outcome, Received, check_outcomes, existing, receive

__all__ = ["OutcomeSummary", "import_outcomes", "read_outcome_file"]

_NEEDED = ("outcome_id", "decision_id", "customer_id", "at", "kind", "known_at")
_OPTIONAL = ("product", "amount")


@dataclass(frozen=True)
class OutcomeSummary:
    """What a file held: `new` outcomes of its `rows`; `kinds`, `early` and `late` of what was recorded.

    `erased` are those of erased customers, which are left out before anything else.
    """

    rows: int
    new: int
    quarantined: int
    early: int
    late: int
    kinds: dict[str, int]
    erased: int = 0


def import_outcomes(
    source: Path,
    where: Where,
    tell: Callable[[str], None],
    *,
    max_quarantined: float = Settings.max_quarantined,
    erased: Erased | None = None,
) -> OutcomeSummary:
    """Append the outcomes of a CSV file to the log; importing a file again changes nothing.

    Parameters
    ----------
    source
        Columns outcome_id, decision_id, customer_id, at, kind, known_at, and optionally product and
        amount (see `Outcome`).
    max_quarantined
        Share of the file's rows whose decision may be unknown or another customer's.
    erased
        Says which customers were erased; None where nobody was.

    Raises
    ------
    InputError
        If the file breaks its contract; nothing is written.
    RefusedError
        If too many outcomes have no decision, or an id is already recorded otherwise; nothing is written.
    NotReadyError
        If there are no decisions yet.
    """
    every = [Outcome(**row) for row in read_outcome_file(source)]
    gone = erased({o.customer_id for o in every}) if erased else frozenset[str]()
    outcomes = [o for o in every if o.customer_id not in gone]
    check_outcomes(outcomes, source.name)
    tell(f"{source.name}: {len(outcomes):,} outcomes")
    with existing(where) as log:
        received = receive(log, outcomes)
        _refuse(source, received, max_quarantined)
    recorded = [(o, r) for o, r in zip(outcomes, received, strict=True) if r.status not in QUARANTINED]
    summary = OutcomeSummary(
        rows=len(outcomes),
        new=sum(r.status == "new" for r in received),
        quarantined=len(outcomes) - len(recorded),
        early=sum(r.flag == "early" for _, r in recorded),
        late=sum(r.flag == "late" for _, r in recorded),
        kinds=dict(Counter(o.kind for o, _ in recorded)),
        erased=len(every) - len(outcomes),
    )
    for count, what in (
        (summary.quarantined, "without their decision, in quarantine"),
        (summary.early, "from before their decision, not counted"),
        (summary.erased, "of erased customers, left out"),
        (summary.late, "from after their decision's window, not counted"),
    ):
        if count:
            tell(f"{count:,} {what}")
    return summary


def read_outcome_file(source: Path) -> list[dict[str, Any]]:
    """The rows of a file, with times and amounts as values; what they mean is not looked at.

    Raises
    ------
    InputError
        If the file is no CSV in UTF-8, a column is missing, or a time or an amount is not one.
    """
    if not source.is_file():
        raise InputError(f"{source}: no such file; cure: name a CSV file with columns {', '.join(_NEEDED)}")
    try:
        with source.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle, strict=True)
            missing = [c for c in _NEEDED if c not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{source.name}: column '{missing[0]}' is missing; cure: add it")
            rows: list[dict[str, Any]] = [
                {c: row.get(c) or "" for c in (*_NEEDED, *_OPTIONAL)} for row in reader
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{source.name}: not readable as CSV in UTF-8; cure: export it again") from error
    for column, read, rule in (
        ("at", _time, "not a time with a zone, such as 2026-01-31T00:00:00Z"),
        ("known_at", _time, "not a time with a zone, such as 2026-01-31T00:00:00Z"),
        ("amount", _amount, "not a number"),
    ):
        _replace(source, rows, column, read, rule)
    return rows


def _refuse(source: Path, received: Sequence[Received], max_quarantined: float) -> None:
    """Raise, and so roll everything back, where a file cannot be taken."""
    named = {s: [r.outcome_id for r in received if r.status == s] for s in ("changed", *QUARANTINED)}
    if named["changed"]:
        raise RefusedError(
            f"{source.name}: outcomes are already recorded otherwise: {first_five(named['changed'])}; "
            "cure: give a new fact a new outcome_id"
        )
    lost = sum(len(named[s]) for s in QUARANTINED)
    if lost > max_quarantined * len(received):
        unknown, other = (first_five(named[s]) for s in QUARANTINED)
        said = (unknown and f"of unknown decisions: {unknown}", other and f"not the decision's: {other}")
        raise RefusedError(
            f"{source.name}: {lost} of {len(received)} outcomes are {'; '.join(filter(None, said))}; "
            f"at most {max_quarantined:.1%} may be; cure: use the decision_id and customer_id of a "
            "recorded list or plan, or raise TENURE_MAXQUARANTINED"
        )


def _replace(
    source: Path, rows: list[dict[str, Any]], column: str, read: Callable[[str], Any], rule: str
) -> None:
    wrong = []
    for row in rows:
        try:
            row[column] = read(row[column])
        except ValueError:
            wrong.append(row["outcome_id"])
    if wrong:
        raise InputError(
            f"{source.name}: column '{column}': {rule}: {first_five(wrong)}; cure: mend the rows"
        )


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError
    return time


def _amount(text: str) -> float | None:
    return float(text) if text else None
