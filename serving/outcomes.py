"""What followed on decisions: outcomes read from a file, and what a list earned against its control."""

import csv
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.errors import InputError, NotReadyError, RefusedError, first_five
from serving.comparison import Interval, newcombe_difference, sample_ratio_p_value
from serving.decisions import CONTROL, TARGET, Decision, open_log, read_decisions

__all__ = ["KINDS", "Earned", "OutcomeSummary", "import_outcomes", "report"]

KINDS = ("shown", "accepted", "refused", "opted_out", "complained", "bought")
_COLUMNS = ("outcome_id", "decision_id", "customer_id", "at", "kind", "known_at")


@dataclass(frozen=True)
class OutcomeSummary:
    """How many outcomes a file held, and how many of them were new; `kinds` counts the file's rows."""

    rows: int
    new: int
    kinds: Mapping[str, int]


@dataclass(frozen=True)
class Earned:
    """One list against its control group; money in major units of `currency`.

    difference, difference_low, difference_high
        Risk difference of taking the product up, with Newcombe's 95% interval.
    incremental_takers
        `difference` times the target group: takers that would not have come by themselves.
    profit, profit_low, profit_high
        Incremental takers x margin - contact cost of the target group, at the interval's ends.
    sample_ratio_p
        P-value that the arms' sizes follow the planned chances; below 0.001 do not trust the report.
    """

    list_id: str
    product: str
    as_of: str
    currency: str
    target: int
    target_takers: int
    target_rate: float
    control: int
    control_takers: int
    control_rate: float
    difference: float
    difference_low: float
    difference_high: float
    incremental_takers: float
    margin: float
    contact_cost: float
    profit: float
    profit_low: float
    profit_high: float
    sample_ratio_p: float
    outcomes_until: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def import_outcomes(source: Path, log_path: Path, tell: Callable[[str], None]) -> OutcomeSummary:
    """Append the outcomes of a CSV file to the log; importing a file again changes nothing.

    Raises
    ------
    InputError
        If the file breaks its contract; nothing is written.
    RefusedError
        If an outcome names an unknown decision, another customer than the decision's, or an id
        that is already recorded otherwise; nothing is written.
    NotReadyError
        If there are no decisions yet.
    """
    rows = _read(source)
    if not log_path.is_file():
        raise NotReadyError(f"{log_path}: no decisions yet; cure: run `tenure lists pull`")
    tell(f"{source.name}: {len(rows):,} outcomes")
    with open_log(log_path) as log:
        _refuse_strangers(log, source, rows)
        before = _count(log)
        log.executemany("INSERT OR IGNORE INTO outcomes VALUES (?, ?, ?, ?, ?, ?)", rows)
        _refuse_changes(log, source, rows)
        new = _count(log) - before
    return OutcomeSummary(len(rows), new, dict(Counter(row[4] for row in rows)))


def report(log_path: Path, list_id: str) -> Earned:
    """Compare who was approached with who was held back, by intention to treat.

    A taker is a customer with at least one outcome `bought` on the list's decision.

    Raises
    ------
    NotReadyError
        If the list is unknown or has no outcomes yet.
    RefusedError
        If one of the two groups is empty.
    """
    decisions = read_decisions(log_path, list_id)
    with open_log(log_path) as log:
        found = log.execute(
            "SELECT o.decision_id, o.kind, o.known_at FROM outcomes o JOIN decisions d USING (decision_id)"
            " WHERE d.list_id = ?",
            (list_id,),
        ).fetchall()
    if not found:
        raise NotReadyError(f"list '{list_id}' has no outcomes yet; cure: run `tenure outcomes import`")
    takers = {decision_id for decision_id, kind, _ in found if kind == "bought"}
    return _compare(list_id, decisions, takers, max(known_at for _, _, known_at in found))


def _compare(list_id: str, decisions: tuple[Decision, ...], takers: set[str], until: str) -> Earned:
    target = [d for d in decisions if d.arm == TARGET]
    control = [d for d in decisions if d.arm == CONTROL]
    if not target or not control:
        raise RefusedError(
            f"list '{list_id}' has {len(target)} target and {len(control)} control customers, nothing can "
            "be compared; cure: pull a larger list"
        )
    taken = [sum(d.decision_id in takers for d in arm) for arm in (target, control)]
    difference = newcombe_difference(taken[0], len(target), taken[1], len(control))
    margin, cost = target[0].margin, sum(d.contact_cost for d in target)
    profit = Interval(*(x * len(target) * margin - cost for x in difference))
    return Earned(
        list_id=list_id,
        product=target[0].product,
        as_of=target[0].as_of,
        currency=target[0].currency,
        target=len(target),
        target_takers=taken[0],
        target_rate=taken[0] / len(target),
        control=len(control),
        control_takers=taken[1],
        control_rate=taken[1] / len(control),
        difference=difference.point,
        difference_low=difference.low,
        difference_high=difference.high,
        incremental_takers=difference.point * len(target),
        margin=margin,
        contact_cost=cost,
        profit=profit.point,
        profit_low=profit.low,
        profit_high=profit.high,
        sample_ratio_p=sample_ratio_p_value(len(target), len(control), target[0].arm_probability),
        outcomes_until=until,
    )


def _read(source: Path) -> list[tuple[str, ...]]:
    if not source.is_file():
        raise InputError(
            f"{source}: no such file; cure: name a CSV file with columns {', '.join(_COLUMNS)}"
        )
    try:
        with source.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle, strict=True)
            missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{source.name}: column '{missing[0]}' is missing; cure: add it")
            raw = [{c: row[c] or "" for c in _COLUMNS} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{source.name}: not readable as CSV in UTF-8; cure: export it again") from error
    _refuse_rows(source, "outcome_id", "empty", [n for n, r in enumerate(raw, 2) if not r["outcome_id"]])
    repeated = [i for i, n in Counter(r["outcome_id"] for r in raw).items() if n > 1]
    _refuse_rows(source, "outcome_id", "twice in the file", repeated)
    strange = [r["outcome_id"] for r in raw if r["kind"] not in KINDS]
    _refuse_rows(source, "kind", f"not one of {', '.join(KINDS)}", strange)
    times = {c: [_utc(r[c]) for r in raw] for c in ("at", "known_at")}
    for column, values in times.items():
        bad = [r["outcome_id"] for r, t in zip(raw, values, strict=True) if t is None]
        _refuse_rows(source, column, "not a time with a zone, such as 2026-01-31T00:00:00Z", bad)
    return [
        (r["outcome_id"], r["decision_id"], r["customer_id"], str(at), r["kind"], str(known))
        for r, at, known in zip(raw, times["at"], times["known_at"], strict=True)
    ]


def _refuse_rows(source: Path, column: str, rule: str, ids: Iterable[object]) -> None:
    if listed := list(ids):
        raise InputError(
            f"{source.name}: column '{column}': {rule}: {first_five(listed)}; cure: mend the rows"
        )


def _utc(text: str) -> str | None:
    """ISO 8601 in UTC with microseconds, or None where it is not a time or has no zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if time.tzinfo is None else time.astimezone(UTC).isoformat(timespec="microseconds")


def _refuse_strangers(log: sqlite3.Connection, source: Path, rows: list[tuple[str, ...]]) -> None:
    owner = dict(log.execute("SELECT decision_id, customer_id FROM decisions").fetchall())
    unknown = [r[0] for r in rows if r[1] not in owner]
    if unknown:
        raise RefusedError(
            f"{source.name}: outcomes of unknown decisions: {first_five(unknown)}; "
            "cure: use the decision_id of a recorded list: <list_id>:<customer_id>"
        )
    swapped = [r[0] for r in rows if owner[r[1]] != r[2]]
    if swapped:
        raise RefusedError(
            f"{source.name}: customer_id is not the decision's: {first_five(swapped)}; cure: mend the rows"
        )


def _refuse_changes(log: sqlite3.Connection, source: Path, rows: list[tuple[str, ...]]) -> None:
    same = " AND ".join(f"{c} = ?" for c in _COLUMNS)
    changed = [r[0] for r in rows if not log.execute(f"SELECT 1 FROM outcomes WHERE {same}", r).fetchone()]
    if changed:
        raise RefusedError(
            f"{source.name}: outcomes are already recorded otherwise: {first_five(changed)}; "
            "cure: give a new fact a new outcome_id"
        )


def _count(log: sqlite3.Connection) -> int:
    return int(log.execute("SELECT count(*) FROM outcomes").fetchone()[0])
