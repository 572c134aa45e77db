"""Whether an event may be taken: the history contract, applied to single rows as they arrive."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from features.history.contract import BY_NAME, Column
from features.history.rules import reference_rules, row_rules
from features.online.events import Event
from features.online.recompute import PUSHED, as_rows
from features.vocabulary import CUSTOMER_ID, Catalogue

__all__ = ["broken_rules", "read_event"]

_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "cents": (int,),
    "float64": (float, int),
    "bool": (bool,),
    "timestamp": (datetime, str),
}


def read_event(given: Mapping[str, Any], latest: datetime) -> Event | str:
    """An event with the contract's columns in their types, or why it cannot be one.

    Returns
    -------
    Event or str
        The reason is a rule and the column that breaks it, such as 'wrong_type:amount'; never a value.
    """
    sources = [name for name in PUSHED if BY_NAME[name].id[0] in given]
    if len(sources) != 1:
        return "neither an interaction nor a booking"
    table = BY_NAME[sources[0]]
    columns = {column.name: column for column in table.columns}
    if unknown := [name for name in given if name not in columns]:
        return f"unknown_column:{unknown[0][:40]}"
    row: dict[str, Any] = dict.fromkeys(columns) | {"known_at": given.get("at")} | dict(given)
    for column in table.columns:
        if row[column.name] is None and not column.nullable:
            return f"empty:{column.name}"
        value = _value(column, row[column.name])
        if value is None and row[column.name] is not None:
            return f"wrong_type:{column.name}"
        row[column.name] = value
    if max(row["at"], row["known_at"]) > latest:
        return "in_future:at"
    moments = {n: v.isoformat() for n, v in row.items() if isinstance(v, datetime)}
    return Event(table.name, row[table.id[0]], row[CUSTOMER_ID], row | moments)


def _value(column: Column, value: Any) -> Any:
    """The value in the column's type, or None where it is not of that type."""
    if type(value) not in _KINDS[column.type]:
        return None
    if column.type == "cents":
        return value if -(2**63) <= value < 2**63 else None
    if column.type == "float64":
        return float(value)
    if column.type == "timestamp":
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            return None
        return moment if moment.tzinfo is not None else None
    return value


def broken_rules(
    connection: duckdb.DuckDBPyConnection, events: Sequence[Event], catalogue: Catalogue, latest: datetime
) -> dict[str, str]:
    """Event id -> the first rule of the contract that it breaks; others are not named.

    `connection` is that of the history around them, before any event was added.
    """
    run = connection.execute
    others = run("SELECT DISTINCT currency FROM all_rates ORDER BY 1").fetchall()
    currencies = (catalogue.currency, *(code for (code,) in others if code != catalogue.currency))
    broken: dict[str, str] = {}
    for name in PUSHED:
        rows = [event.row for event in events if event.source == name]
        if not rows:
            continue
        table = BY_NAME[name]
        rules = (*row_rules(table, catalogue, currencies, latest), *reference_rules(table, catalogue))
        cases = " ".join(f"WHEN {rule.broken} THEN {nth}" for nth, rule in enumerate(rules))
        connection.register("events", as_rows(table, rows))
        found = run(
            f"SELECT {table.id[0]}, CASE {cases} END AS nth FROM events source ORDER BY 2"
        ).fetchall()
        for id_, nth in found:
            if nth is not None:
                broken.setdefault(id_, f"{rules[nth].name}:{rules[nth].column}")
    return broken
