"""What looks odd about an import although no row breaks a rule: drops, dead columns, new words."""

from calendar import monthrange
from datetime import datetime

import duckdb

from features.history.contract import FREE_WORDS, Column, Table
from features.history.profile import month_name, month_of
from features.history.quality import Concern, TableQuality

__all__ = ["concerns_about"]

_FALL = 0.5
"""Rows a day in a month, as a share of the month before, at which it counts as a drop."""

_FEW_DAYS = 10
"""Days of a month that must be covered before it is compared: pay day alone is no month."""

_FEW_ROWS = 20
"""Rows below which chance explains a drop or a column without variety."""

_CHANCE = 1e-6
"""Chance of so many equal values, drawn from stored history, below which it is no chance."""


def concerns_about(
    connection: duckdb.DuckDBPyConnection, table: Table, quality: TableQuality, *, append: bool
) -> list[Concern]:
    """Look at the rows of one table that were found clean, and at what they are appended to.

    A drop of the bookings and a column that went empty stop an append: both look like a broken
    export. A drop of other rows does not, as campaigns come and go.
    """
    name, file = table.name, quality.file
    found = []
    if append and not connection.execute(f"FROM added_{name} LIMIT 1").fetchall():
        return []
    if table.time == "at":
        falls = _falls(connection, table, append=append)
        if falls:
            shown = ", ".join(falls[:12]) + (f" ({len(falls)} in all)" if len(falls) > 12 else "")
            found.append(Concern(file, "", "fewer_rows", shown, stops=append and table.required))
    if append:
        found += _dead_columns(connection, table, file)
        found += [concern for word in FREE_WORDS for concern in _new_words(connection, table, word, file)]
    return found


def _falls(connection: duckdb.DuckDBPyConnection, table: Table, *, append: bool) -> list[str]:
    """Months with at most half the rows a day of the month before, such as '2024-05 (-63%)'.

    Appending, only months that end stored history or come after it are judged.
    """
    month, time = month_of(table), f'"{table.time}"'
    found = connection.execute(
        f"SELECT {month}, count(*), min({time}), max({time}) FROM all_{table.name} GROUP BY 1 ORDER BY 1"
    ).fetchall()
    rows = {number: count for number, count, _, _ in found}
    if not rows:
        return []
    first, last = found[0], found[-1]
    since = first[0] + 1
    if append:
        [(end,)] = connection.execute(f"SELECT max({month}) FROM old_{table.name}").fetchall()
        if end is not None:
            longer = connection.execute(f"FROM added_{table.name} WHERE {month} = {end} LIMIT 1").fetchall()
            since = end if longer else end + 1
    falls = []
    for number in range(max(since, first[0] + 1), last[0] + 1):
        days = _days(number, first[2], last[3])
        before = _days(number - 1, first[2], last[3])
        expected = rows.get(number - 1, 0) / before * days
        if min(days, before) >= _FEW_DAYS and expected >= _FEW_ROWS:
            left = rows.get(number, 0) / expected
            if left <= _FALL:
                falls.append(f"{month_name(number)} (-{1 - left:.0%})")
    return falls


def _days(number: int, first: datetime, last: datetime) -> int:
    """How many days of a month lie between the first and the last row of all."""
    year, month = number // 12, number % 12 + 1
    start = first.day if (first.year, first.month) == (year, month) else 1
    end = last.day if (last.year, last.month) == (year, month) else monthrange(year, month)[1]
    return end - start + 1


def _dead_columns(connection: duckdb.DuckDBPyConnection, table: Table, file: str) -> list[Concern]:
    """Columns with one value, or none, in every new row, though stored history makes that no chance.

    A column that only one kind of row carries is judged among those.
    """
    found = []
    for kind in sorted({column.only for column in table.columns}):
        judged = [column for column in table.columns if column.only == kind and _tells(column)]
        where = f"WHERE kind = '{kind}'" if kind else ""
        parts = [
            f'count("{column.name}"), min("{column.name}") = max("{column.name}")' for column in judged
        ]
        [(rows, *values)] = connection.execute(
            f"SELECT count(*), {', '.join(parts)} FROM added_{table.name} {where}"
        ).fetchall()
        if rows < _FEW_ROWS:
            continue
        for nth, column in enumerate(judged):
            filled, same = values[2 * nth : 2 * nth + 2]
            if filled == 0 or (filled == rows and same):
                found += _surprise(connection, table, column, rows, where, file)
    return found


def _tells(column: Column) -> bool:
    """Whether one value in every row would say something; batches do share their times."""
    return column.name == "at" or column.type not in ("timestamp", "date") or column.nullable


def _surprise(
    connection: duckdb.DuckDBPyConnection, table: Table, column: Column, rows: int, where: str, file: str
) -> list[Concern]:
    """Whether stored history holds the value of the new rows too seldom for all of them to have it."""
    value = f'(SELECT any_value("{column.name}") FROM added_{table.name} {where})'
    [(stored, equal, empty)] = connection.execute(
        f'SELECT count(*), count_if("{column.name}" IS NOT DISTINCT FROM {value}), {value} IS NULL '
        f"FROM old_{table.name} {where}"
    ).fetchall()
    if not stored or (equal / stored) ** rows >= _CHANCE:
        return []
    rule = "all_empty" if empty else "constant"
    if rule == "constant" and column.type in ("timestamp", "date") and column.name != "at":
        return []
    return [Concern(file, column.name, rule, f"{rows:,} rows", stops=rule == "all_empty")]


def _new_words(connection: duckdb.DuckDBPyConnection, table: Table, word: str, file: str) -> list[Concern]:
    if word not in {column.name for column in table.columns}:
        return []
    [(words, rows)] = connection.execute(
        f'SELECT count(DISTINCT "{word}"), count("{word}") FROM added_{table.name} '
        f'ANTI JOIN old_{table.name} USING ("{word}") WHERE "{word}" IS NOT NULL'
    ).fetchall()
    return [Concern(file, word, "new_words", f"{words:,} words in {rows:,} rows")] if words else []
