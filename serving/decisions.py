"""The decision log: what was decided for whom, by which models, with which chance; append-only."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from features.errors import NotReadyError, RefusedError, first_five

__all__ = [
    "CONTROL",
    "TARGET",
    "Decision",
    "latest_list",
    "open_log",
    "read_decisions",
    "record_decisions",
]

TARGET, CONTROL = "target", "control"


@dataclass(frozen=True)
class Decision:
    """One customer of one list.

    arm_probability
        The chance with which the customer was drawn into `arm`.
    probability, expected_value
        As on the list: of taking the product up, and in major units of `currency`.
    margin, contact_cost
        What the catalogue said on that day, in major units of `currency`.
    models
        Name, version and hash of the models behind the numbers.
    as_of, decided_at
        ISO 8601 in UTC.
    """

    decision_id: str
    list_id: str
    customer_id: str
    rank: int
    arm: str
    arm_probability: float
    product: str
    channel: str
    probability: float
    expected_value: float
    margin: float
    contact_cost: float
    currency: str
    models: str
    catalogue_version: str
    policy_version: str
    feature_generation: str
    as_of: str
    decided_at: str


_NAMES = tuple(f.name for f in fields(Decision))
_INTEGERS, _REALS = (
    ("rank",),
    ("arm_probability", "probability", "expected_value", "margin", "contact_cost"),
)
_IDENTITY = tuple(n for n in _NAMES if n != "decided_at")


def _sql_type(name: str) -> str:
    return "INTEGER" if name in _INTEGERS else "REAL" if name in _REALS else "TEXT"


_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS decisions (
    {", ".join(f"{name} {_sql_type(name)} NOT NULL" for name in _NAMES)},
    PRIMARY KEY (decision_id)
) STRICT;
CREATE INDEX IF NOT EXISTS decisions_list ON decisions (list_id);
CREATE TABLE IF NOT EXISTS outcomes (
    outcome_id TEXT NOT NULL PRIMARY KEY,
    decision_id TEXT NOT NULL REFERENCES decisions (decision_id),
    customer_id TEXT NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    known_at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS outcomes_decision ON outcomes (decision_id);
CREATE TRIGGER IF NOT EXISTS decisions_fixed BEFORE UPDATE ON decisions
    BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
CREATE TRIGGER IF NOT EXISTS decisions_kept BEFORE DELETE ON decisions
    BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
CREATE TRIGGER IF NOT EXISTS outcomes_fixed BEFORE UPDATE ON outcomes
    BEGIN SELECT RAISE(ABORT, 'outcomes are append-only'); END;
CREATE TRIGGER IF NOT EXISTS outcomes_kept BEFORE DELETE ON outcomes
    BEGIN SELECT RAISE(ABORT, 'outcomes are append-only'); END;
"""


@contextmanager
def open_log(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the log as one transaction: committed at the end, rolled back by any error.

    WAL with synchronous=FULL: what was committed survives a kill and a loss of power.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.close()


def record_decisions(path: Path, decisions: Sequence[Decision]) -> int:
    """Append decisions; recording the same ones again changes nothing.

    Returns
    -------
    int
        How many were new.

    Raises
    ------
    RefusedError
        If a decision of the same id says something else; nothing is written then.
    """
    places = ", ".join("?" * len(_NAMES))
    with open_log(path) as log:
        before = _rows(log)
        log.executemany(f"INSERT OR IGNORE INTO decisions VALUES ({places})", map(astuple, decisions))
        differing = _differing(log, decisions)
        if differing:
            raise RefusedError(
                f"{path.name}: decisions are already recorded otherwise: {first_five(differing)}; "
                "cure: pull a new list, recorded decisions are never changed"
            )
        return _rows(log) - before


def read_decisions(path: Path, list_id: str) -> tuple[Decision, ...]:
    """The decisions of one list, by rank.

    Raises
    ------
    NotReadyError
        If no such list was recorded.
    """
    if not path.is_file():
        raise NotReadyError(f"{path}: no decisions yet; cure: run `tenure lists pull`")
    with open_log(path) as log:
        rows = log.execute(
            f"SELECT {', '.join(_NAMES)} FROM decisions WHERE list_id = ? ORDER BY rank", (list_id,)
        ).fetchall()
    if not rows:
        raise NotReadyError(f"{path}: no list '{list_id}'; cure: `tenure lists pull` prints the list's id")
    return tuple(Decision(*row) for row in rows)


def latest_list(path: Path) -> str:
    """The id of the list recorded last.

    Raises
    ------
    NotReadyError
        If no list was recorded.
    """
    if path.is_file():
        with open_log(path) as log:
            found = log.execute("SELECT list_id FROM decisions ORDER BY rowid DESC LIMIT 1").fetchone()
        if found:
            return str(found[0])
    raise NotReadyError(f"{path}: no decisions yet; cure: run `tenure lists pull`")


def _rows(log: sqlite3.Connection) -> int:
    return int(log.execute("SELECT count(*) FROM decisions").fetchone()[0])


def _differing(log: sqlite3.Connection, decisions: Sequence[Decision]) -> list[str]:
    same = " AND ".join(f"{name} = ?" for name in _IDENTITY)
    query = f"SELECT 1 FROM decisions WHERE {same}"
    return [
        d.decision_id
        for d in decisions
        if not log.execute(query, tuple(getattr(d, n) for n in _IDENTITY)).fetchone()
    ]
