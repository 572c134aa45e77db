"""Who made which version the champion, when and why: append-only, each line chained to the one before.

The ledger decides which version is the champion; MLflow's aliases only mirror it, because an
alias can be moved in a browser, past the gates, and vanishes with its version.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from features.errors import CorruptError, InputError
from features.home import write_whole

__all__ = ["Entry", "append", "champions", "read"]

_START = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One move of the champion; `at` is an ISO 8601 time in UTC."""

    at: str
    who: str
    action: Literal["promote", "rollback"]
    model: str
    version: int
    run_id: str
    sha256: str
    reasons: tuple[str, ...]


def read(path: Path) -> tuple[Entry, ...]:
    """Every entry, oldest first; empty if nothing was ever promoted.

    Raises
    ------
    CorruptError
        If a line was changed, removed or put in between.
    """
    if not path.is_file():
        return ()
    entries, last = [], _START
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            raw = json.loads(line)
            whole = raw.pop("chain") == _chain(last, raw)
            entry = Entry(**{**raw, "reasons": tuple(raw["reasons"])})
        except (ValueError, KeyError, TypeError, AttributeError):
            whole = False
        if not whole:
            raise CorruptError(f"{path}: line {number} is not as written; cure: restore the file")
        entries.append(entry)
        last = _chain(last, raw)
    return tuple(entries)


def append(
    path: Path,
    *,
    at: datetime,
    who: str,
    action: Literal["promote", "rollback"],
    model: str,
    version: int,
    run_id: str,
    sha256: str,
    reasons: tuple[str, ...],
) -> Entry:
    """Add one entry; the file is written whole, so a kill leaves the last good one.

    Raises
    ------
    InputError
        If `at` carries no time zone or nobody is named.
    """
    if at.tzinfo is None or not who:
        raise InputError("a promotion needs a time with a zone and a name; cure: say who and when")
    before = read(path)
    entry = Entry(at.isoformat(), who, action, model, version, run_id, sha256, reasons)
    lines, last = [], _START
    for one in (*before, entry):
        raw = json.loads(json.dumps(asdict(one)))
        last = _chain(last, raw)
        lines.append(json.dumps({**raw, "chain": last}, sort_keys=True))
    with write_whole(path) as part:
        part.write_text("\n".join(lines) + "\n")
    return entry


def champions(entries: tuple[Entry, ...], model: str) -> tuple[Entry, ...]:
    """The champions of a model as a stack; the last is in force, a rollback returns to the one below."""
    stack: list[Entry] = []
    for entry in entries:
        if entry.model != model:
            continue
        if entry.action == "promote":
            stack.append(entry)
        else:
            stack.pop()
    return tuple(stack)


def _chain(last: str, raw: dict[str, object]) -> str:
    return hashlib.sha256((last + json.dumps(raw, sort_keys=True)).encode()).hexdigest()
