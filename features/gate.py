"""What is checked before a generation takes over: nothing broken upstream, nothing lost unasked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from features.errors import first_five
from features.families.base import Family, Field
from features.generations import Views
from features.history.engine import engine, literal
from features.settings import Settings

__all__ = ["broken", "removed", "views_of"]

_FEW = 20
"""Below so many customers a value that vanishes is chance."""

_SHARE = 0.01
"""Likewise below this share of the customers."""


@dataclass(frozen=True)
class _Column:
    """How one field is filled: rows that say something, and its range where it is a number.

    `telling` counts values that are not null, and where absence is 0, not 0 either.
    """

    values: int
    telling: int
    low: float | None = None
    high: float | None = None

    @property
    def constant(self) -> bool:
        return self.low is not None and self.low == self.high


def views_of(families: Sequence[Family]) -> dict[str, dict[str, str]]:
    """What the families declare, view by view."""
    return {family.name: {f.name: f.dtype for f in family.fields} for family in families}


def removed(before: Views, now: Views) -> list[str]:
    """What was declared before and is now gone or of another type, in words."""
    found = [f"view '{view}' is gone" for view in before if view not in now]
    for view, fields in before.items():
        kept = now.get(view, fields)
        gone = [name for name in fields if name not in kept]
        if gone:
            found.append(f"'{view}' has lost {first_five(gone)}")
        retyped = [f"{n} ({t} to {kept[n]})" for n, t in fields.items() if kept.get(n, t) != t]
        if retyped:
            found.append(f"'{view}' has other types: {first_five(retyped)}")
    return found


def broken(new: Path, before: Path, fields: Sequence[Field], settings: Settings) -> list[str]:
    """What a snapshot shows of a broken feed when it is held against an earlier one, in words.

    Rows that fell by half or more; a field that had values and has none; a number that varied and
    no longer does. Only what at least 20 customers and 1% of them carried can break: in a small
    bank the last complaint may simply have passed out of its window. Numbers that only decisions
    look at, as contacts by channel, may come to rest: the bank itself ends a campaign by mail.

    Returns
    -------
    list
        Empty if nothing is wrong.
    """
    with engine(settings.threads, settings.memory) as (connection, _):
        rows, then = _profile(connection, before, fields)
        left, now = _profile(connection, new, fields)
    enough = max(_FEW, rows * _SHARE)
    found = [f"customers fell from {rows:,} to {left:,}"] if rows >= _FEW and left <= rows / 2 else []
    shared = [name for name in then if name in now]
    empty = [n for n in shared if then[n].telling >= enough and now[n].values == 0]
    learned = {f.name for f in fields if f.use == "model"}
    varied = [n for n in shared if n in learned and then[n].telling >= enough and not then[n].constant]
    constant = [n for n in varied if now[n].values >= _FEW and now[n].constant]
    if empty:
        found.append(f"no value is left in {first_five(empty)}")
    if constant:
        found.append(f"every customer has the same {first_five(constant)}")
    return found


def _profile(
    connection: duckdb.DuckDBPyConnection, path: Path, fields: Sequence[Field]
) -> tuple[int, dict[str, _Column]]:
    """Rows of a snapshot, and its columns by field name; one scan."""
    source = f"read_parquet({literal(path)})"
    stored = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    known = [f for f in fields if f.name in stored]
    measures = ["count(*)"]
    for field in known:
        name, number = f'"{field.name}"', field.dtype != "string"
        telling = f"count(*) FILTER ({name} <> 0)" if number and field.null == "zero" else f"count({name})"
        bounds = [f"min({name})", f"max({name})"] if number else ["NULL", "NULL"]
        measures += [f"count({name})", telling, *bounds]
    [(rows, *cells)] = connection.execute(f"SELECT {', '.join(measures)} FROM {source}").fetchall()
    columns = {f.name: _Column(*cells[4 * n : 4 * n + 4]) for n, f in enumerate(known)}
    return int(rows), columns
