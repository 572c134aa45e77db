"""CSV as a source: a header, every value as text, and the patterns that each contract type must match."""

import csv
from dataclasses import dataclass
from pathlib import Path

import duckdb

from features.history.contract import Column, ColumnType, Table
from features.history.engine import literal, offenders
from features.history.quality import Problem

__all__ = ["CURES", "CellFault", "check_cells", "raw_select", "read_header"]

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


@dataclass(frozen=True)
class CellFault:
    """A way in which text is not of a column's type; `test` is SQL that is true where it is so."""

    column: Column
    rule: str
    test: str


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


def check_cells(
    connection: duckdb.DuckDBPyConnection, raw: str, table: Table, file: str
) -> tuple[tuple[Problem, ...], tuple[CellFault, ...]]:
    """Find the values that are not of their contract type, in one pass over the file.

    A column of which no value can be read is a problem, named with its first five rows; where
    others can be read, only the rows of the faulty cells suffer.
    """
    tests = [fault for column in table.columns for fault in _faults(column)]
    filled = ", ".join(f'count("{column.name}")' for column in table.columns)
    [counts] = connection.execute(
        f"SELECT {filled}, {', '.join(f'count_if({fault.test})' for fault in tests)} FROM ({raw})"
    ).fetchall()
    values = dict(zip((column.name for column in table.columns), counts, strict=False))
    found = {
        fault: count for fault, count in zip(tests, counts[len(table.columns) :], strict=True) if count
    }
    faulty: dict[str, int] = {}
    for fault, count in found.items():
        faulty[fault.column.name] = faulty.get(fault.column.name, 0) + count
    problems = []
    for fault, count in found.items():
        column = fault.column
        if faulty[column.name] == values[column.name]:
            _, ids = offenders(connection, raw, table, fault.test)
            cure = CURES[fault.rule, column.type]
            problems.append(Problem(file, column.name, fault.rule, count, ids, cure))
    return tuple(problems), tuple(found)


def _faults(column: Column) -> tuple[CellFault, ...]:
    """Rules that a text value of this column may break."""
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
        return (CellFault(column, "wrong_type", misfit),)
    rule, test = special[column.type]
    return (
        CellFault(column, rule, f"{misfit} AND {test}"),
        CellFault(column, "wrong_type", f"{misfit} AND NOT {test}"),
    )
