"""What the rows of a table look like, as counts: by month, lateness, amount and closed word."""

from typing import Any

import duckdb

from features.history.contract import Table
from features.history.quality import Profile

__all__ = ["LATE", "month_name", "month_of", "months_without_rows", "profile"]

_HOUR = 3_600_000_000
LATE: tuple[tuple[str, int], ...] = (
    ("earlier", 0),
    ("at once", 1),
    ("an hour", _HOUR + 1),
    ("a day", 24 * _HOUR + 1),
    ("a week", 7 * 24 * _HOUR + 1),
    ("a month", 31 * 24 * _HOUR + 1),
)
"""Upper bounds (excluded) of known_at minus the row's time in microseconds; what is left is 'later'."""


def profile(connection: duckdb.DuckDBPyConnection, table: Table) -> Profile:
    """Count the clean rows of a table, in one pass.

    Words are counted for columns with a closed list; amounts for the first column in cents that may
    be negative. What a customer wrote or earned is not shown.
    """
    names = {column.name for column in table.columns}
    words = [column.name for column in table.columns if column.allowed]
    cuts = {"month_": month_of(table), "late_": _late(table)}
    if "amount" in names:
        size = "CAST(floor(4 * log10(abs(CAST(amount AS DOUBLE)))) AS INTEGER)"
        cuts["amount_"] = f"CASE WHEN amount <> 0 THEN {{'in': amount > 0, 'size': {size}}} END"
    made = ", ".join(f"{sql} AS {name}" for name, sql in cuts.items())
    keys = [*cuts, *words]
    quoted = [f'"{name}"' for name in keys]
    found = connection.execute(
        f"SELECT grouping({', '.join(quoted)}), {', '.join(quoted)}, count(*) "
        f"FROM (SELECT *, {made} FROM clean_{table.name}) "
        f"GROUP BY GROUPING SETS ({', '.join(f'({name})' for name in quoted)})"
    ).fetchall()
    counts: dict[str, dict[Any, int]] = {name: {} for name in keys}
    everything = 2 ** len(keys) - 1
    for which, *values, rows in found:
        nth = len(keys) - (everything ^ which).bit_length()
        if values[nth] is not None:
            key = tuple(values[nth].values()) if isinstance(values[nth], dict) else values[nth]
            counts[keys[nth]][key] = rows
    return _profile(counts, words)


def month_of(table: Table) -> str:
    """SQL of a row's month as a whole number: the year times twelve, and the month from 0.

    Calendar functions on time zones are slow; in UTC the plain ones say the same.
    """
    time = f'"{table.time}"'
    if table.column(table.time).type == "timestamp":
        time = f"make_timestamp(epoch_us({time}))"
    return f"CAST(year({time}) * 12 + month({time}) - 1 AS INTEGER)"


def month_name(number: int) -> str:
    """A month's name from its number.

    >>> month_name(2024 * 12)
    '2024-01'
    """
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def months_without_rows(found: Profile) -> tuple[str, ...]:
    """Months between the first and the last row that have no row, as YYYY-MM."""
    there = sorted(int(month[:4]) * 12 + int(month[5:]) - 1 for month in found.months)
    if not there:
        return ()
    known = set(there)
    return tuple(month_name(n) for n in range(there[0], there[-1]) if n not in known)


def _late(table: Table) -> str:
    time = f'"{table.time}"'
    if table.column(table.time).type == "date":
        time = f"CAST({time} AS TIMESTAMP)"
    gap = f"(epoch_us(known_at) - epoch_us({time}))"
    cases = " ".join(f"WHEN {gap} < {bound} THEN {nth}" for nth, (_, bound) in enumerate(LATE))
    return f"CASE {cases} ELSE {len(LATE)} END"


def _profile(counts: dict[str, dict[Any, int]], words: list[str]) -> Profile:
    labels = [*(label for label, _ in LATE), "later"]
    late = counts["late_"]
    amounts: dict[str, dict[int, int]] = {"in": {}, "out": {}}
    for (incoming, size), rows in sorted(counts.get("amount_", {}).items()):
        amounts["in" if incoming else "out"][size] = rows
    return Profile(
        months={month_name(number): rows for number, rows in sorted(counts["month_"].items())},
        late={label: late[nth] for nth, label in enumerate(labels) if nth in late},
        amounts=amounts if "amount_" in counts else {},
        words={name: _by_rows(counts[name]) for name in words if counts[name]},
    )


def _by_rows(counts: dict[Any, int]) -> dict[str, int]:
    """Words, the most frequent first."""
    return {
        str(word): rows for word, rows in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    }
