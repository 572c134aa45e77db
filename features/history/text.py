"""CSV as a source: a header, every value as text, and the patterns that each contract type must match."""

import csv
from pathlib import Path

import duckdb

from features.history.contract import Column, ColumnType, Table
from features.history.engine import literal, offenders
from features.history.quality import Problem

__all__ = ["CURES", "check_types", "raw_select", "read_header"]

CURES: dict[tuple[str, ColumnType], str] = {
    ("wrong_type", "string"): "write text",
    ("wrong_type", "cents"): "write whole cents as an integer",
    ("wrong_type", "float64"): "write a decimal number",
    ("wrong_type", "bool"): "write true or false",
    ("wrong_type", "timestamp"): "write a UTC timestamp such as 2024-01-31T09:00:00Z",
    ("wrong_type", "date"): "write a date such as 2024-01-31",
    ("naive", "timestamp"): "state the offset, such as 2024-01-31T09:00:00Z; in parquet: time zone UTC",
    ("not_cents", "cents"): "multiply by 100 and write an integer",
}
"""The cure of each fault of type."""

_DAY = r"\d{4}-\d{2}-\d{2}"
_CLOCK = rf"{_DAY}[T ]\d{{2}}:\d{{2}}:\d{{2}}(\.\d{{1,9}})?"
_OFFSET = rf"{_CLOCK}(Z|[+-]\d{{2}}(:?\d{{2}})?)"
_NAIVE = rf"{_CLOCK}|{_DAY}([T ]\d{{2}}:\d{{2}})?"


def read_header(path: Path) -> list[str]:
    """The names in a CSV file's first line; a file without one has none."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return next(csv.reader(handle), [])


def raw_select(path: Path, header: list[str]) -> str:
    """SQL that reads a CSV file with every column as text, an empty field as null."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    return (
        f"SELECT * FROM read_csv({literal(path)}, header = true, auto_detect = false, delim = ',', "
        f"quote = '\"', escape = '\"', columns = {{{columns}}})"
    )


def check_types(
    connection: duckdb.DuckDBPyConnection, raw: str, table: Table, file: str
) -> tuple[Problem, ...]:
    """Find the values that are not of their contract type, in one pass over the file.

    Every broken column is named with its first five rows.
    """
    tests = [(column, rule, test) for column in table.columns for rule, test in _faults(column)]
    counts = connection.execute(
        f"SELECT {', '.join(f'count_if({test})' for _, _, test in tests)} FROM ({raw})"
    ).fetchone()
    problems = []
    for (column, rule, test), count in zip(tests, counts or (), strict=True):
        if count:
            _, ids = offenders(connection, raw, table, test)
            problems.append(Problem(file, column.name, rule, count, ids, CURES[rule, column.type]))
    return tuple(problems)


def _faults(column: Column) -> tuple[tuple[str, str], ...]:
    """Rules that a text value of this column may break, and the SQL that is true where it does."""
    name = f'"{column.name}"'

    def matches(pattern: str) -> str:
        return f"regexp_full_match({name}, {literal(pattern)})"

    fits: dict[ColumnType, str] = {
        "string": "true",
        "cents": matches(r"[+-]?\d{1,18}"),
        "float64": f"TRY_CAST({name} AS DOUBLE) IS NOT NULL",
        "bool": matches("(?i)true|false|0|1"),
        "timestamp": f"{matches(_OFFSET)} AND TRY_CAST({name} AS TIMESTAMPTZ) IS NOT NULL",
        "date": f"{matches(_DAY)} AND TRY_CAST({name} AS DATE) IS NOT NULL",
    }
    special: dict[ColumnType, tuple[str, str]] = {
        "cents": ("not_cents", matches(r"[+-]?\d*[.,]\d+")),
        "timestamp": ("naive", matches(_NAIVE)),
    }
    misfit = f"{name} IS NOT NULL AND NOT ({fits[column.type]})"
    if column.type not in special:
        return (("wrong_type", misfit),)
    rule, test = special[column.type]
    return (rule, f"{misfit} AND {test}"), ("wrong_type", f"{misfit} AND NOT {test}")
