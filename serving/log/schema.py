"""The tables of the decision log: strict, and append-only by trigger."""

import sqlite3
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from features.errors import RefusedError

__all__ = ["OUTCOME_COLUMNS", "prepare"]

_FORMAT = 2
"""Rises with every change of the tables."""

_SQL_TYPES = {
    str: "TEXT NOT NULL",
    int: "INTEGER NOT NULL",
    float: "REAL NOT NULL",
    float | None: "REAL",
}

OUTCOME_COLUMNS = (
    *("outcome_id", "decision_id", "customer_id", "at", "kind", "known_at"),
    *("product", "amount"),
)

_OUTCOMES = (
    """CREATE TABLE outcomes (
        outcome_id TEXT NOT NULL PRIMARY KEY,
        decision_id TEXT NOT NULL REFERENCES decisions (decision_id),
        customer_id TEXT NOT NULL,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        known_at TEXT NOT NULL,
        product TEXT NOT NULL,
        amount REAL
    ) STRICT""",
    "CREATE INDEX outcomes_decision ON outcomes (decision_id)",
    """CREATE TABLE quarantine (
        outcome_id TEXT NOT NULL,
        decision_id TEXT NOT NULL,
        customer_id TEXT NOT NULL,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        known_at TEXT NOT NULL,
        product TEXT NOT NULL,
        amount REAL,
        reason TEXT NOT NULL,
        PRIMARY KEY (outcome_id, decision_id, customer_id, at, kind, reason)
    ) STRICT""",
    # An outcome from before its decision, or from after its window, is kept and does not count.
    """CREATE VIEW timed AS
        SELECT o.*, d.campaign AS campaign, CASE
            WHEN julianday(o.at) < julianday(d.decided_at) THEN 'early'
            WHEN julianday(o.at) >= julianday(d.decided_at, '+' || d.window_days || ' days') THEN 'late'
            ELSE '' END AS flag
        FROM outcomes o JOIN decisions d USING (decision_id)""",
)


def prepare(log: sqlite3.Connection, path: Path, decision: type[Any]) -> None:
    """Make the tables of a new file, within the transaction that is open.

    Parameters
    ----------
    decision
        The dataclass whose fields are the columns of `decisions`.

    Raises
    ------
    RefusedError
        If the file was written in another format.
    """
    (found,) = log.execute("PRAGMA user_version").fetchone()
    if found == _FORMAT:
        return
    if found or log.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise RefusedError(
            f"{path}: a decision log of format {found}, this version of Tenure writes {_FORMAT}; "
            "cure: move the file away, it stays readable with SQLite"
        )
    for statement in (*_decisions(decision), *_OUTCOMES, *_append_only()):
        log.execute(statement)
    log.execute(f"PRAGMA user_version = {_FORMAT}")


def _decisions(decision: type[Any]) -> tuple[str, ...]:
    types = get_type_hints(decision)
    columns = ", ".join(f"{f.name} {_SQL_TYPES[types[f.name]]}" for f in fields(decision))
    return (
        f"CREATE TABLE decisions ({columns}, PRIMARY KEY (decision_id)) STRICT",
        "CREATE INDEX decisions_campaign ON decisions (campaign)",
    )


def _append_only() -> tuple[str, ...]:
    return tuple(
        f"CREATE TRIGGER {table}_{name} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
        for table in ("decisions", "outcomes", "quarantine")
        for name, verb in (("fixed", "UPDATE"), ("kept", "DELETE"))
    )
