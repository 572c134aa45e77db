"""A CSV file of outcomes, read with every breach of its contract named by row."""

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from features.errors import InputError, first_five

__all__ = ["read_outcome_file"]

_NEEDED = ("outcome_id", "decision_id", "customer_id", "at", "kind", "known_at")
_OPTIONAL = ("product", "amount")


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
