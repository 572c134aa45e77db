"""The tables of the decision log: strict, and append-only by trigger."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from features.database.address import Where
from features.database.backend import Backend, Log
from features.errors import RefusedError

__all__ = ["OUTCOME_COLUMNS", "prepare_log"]

_FORMAT = 4
"""Rises with every change of the tables."""

_OF_A_KIND = "CREATE INDEX outcomes_kind ON outcomes (kind, at)"
"""For who looks every few seconds who opted out since: those alone are read, not all that there are."""

_STEPS: Mapping[int, str] = {
    2: "ALTER TABLE decisions ADD COLUMN asked_by {text} NOT NULL DEFAULT ''",
    3: _OF_A_KIND,
}
"""By an older format what makes it the next one."""

_OUTCOMES: Mapping[str, Any] = {
    **dict.fromkeys(("outcome_id", "decision_id", "customer_id", "at", "kind", "known_at", "product"), str),
    "amount": float | None,
}

OUTCOME_COLUMNS = tuple(_OUTCOMES)


def prepare_log(backend: Backend, log: Log, where: Where, decision: type[Any]) -> None:
    """Make the tables where there are none, within the transaction that is open.

    A log of an older format gets what it lacks; its rows stay as they are.

    Parameters
    ----------
    decision
        The dataclass whose fields are the columns of `decisions`.

    Raises
    ------
    RefusedError
        If they were written in a format that is neither this one nor one that leads to it.
    """
    found = backend.found_format(log)
    if found == _FORMAT:
        return
    if found is not None and found in _STEPS:
        for step in range(found, _FORMAT):
            log.execute(_STEPS[step].format(text=backend.types[str]))
        backend.say_format(log, _FORMAT)
        return
    if found is not None:
        raise RefusedError(
            f"{where}: a decision log of format {found}, this version of Tenure writes {_FORMAT}; "
            "cure: move the file away, or name another database; any SQL tool still reads it"
        )
    for statement in (*_tables(backend, decision), *_timed(backend)):
        log.execute(statement)
    for table in ("decisions", "outcomes", "quarantine"):
        for statement in backend.append_only(table):
            log.execute(statement)
    backend.say_format(log, _FORMAT)


def _tables(backend: Backend, decision: type[Any]) -> tuple[str, ...]:
    types = get_type_hints(decision)
    decided = _columns(backend, {f.name: types[f.name] for f in fields(decision)})
    outcome = _columns(backend, _OUTCOMES)
    counter = f", {backend.counter}" if backend.counter else ""
    return (
        f"CREATE TABLE decisions ({decided}{counter}, PRIMARY KEY (decision_id)){backend.strict}",
        "CREATE INDEX decisions_campaign ON decisions (campaign)",
        f"CREATE TABLE outcomes ({outcome}, PRIMARY KEY (outcome_id), "
        f"FOREIGN KEY (decision_id) REFERENCES decisions (decision_id)){backend.strict}",
        "CREATE INDEX outcomes_decision ON outcomes (decision_id)",
        _OF_A_KIND,
        f"CREATE TABLE quarantine ({outcome}, {_columns(backend, {'reason': str})}, "
        f"PRIMARY KEY (outcome_id, decision_id, customer_id, at, kind, reason)){backend.strict}",
    )


def _timed(backend: Backend) -> tuple[str, ...]:
    # An outcome from before its decision, or from after its window, is kept and does not count.
    return (
        "CREATE VIEW timed AS SELECT o.*, d.campaign AS campaign, "
        f"CASE WHEN {backend.early} THEN 'early' WHEN {backend.late} THEN 'late' ELSE '' END AS flag "
        "FROM outcomes o JOIN decisions d ON d.decision_id = o.decision_id",
    )


def _columns(backend: Backend, types: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {backend.types[float]}"
        if kind == float | None
        else f"{name} {backend.types[kind]} NOT NULL"
        for name, kind in types.items()
    )
