"""Open the file of one table: its columns and types must be the contract's before any rule can run."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.history import text
from features.history.contract import Column, Table
from features.history.engine import literal, offenders
from features.history.quality import Problem
from features.history.tables import ARROW, SQL, derived, find_files

__all__ = ["OWN_ERRORS", "READ_ERRORS", "UNREADABLE", "Opened", "open_table"]

_SECRETS = re.compile(
    r"(^|_)(pin|puk|cvv2?|cvc2?|otp|iris|retina|secret|passcode|passwd|pwd)(_|$)"
    r"|password|biometr|finger_?print|face_?print|voice_?print|mag_?stripe",
    re.IGNORECASE,
)
UNREADABLE = "export the whole file again; it must be parquet, or comma-separated UTF-8 with a header line"
"""The cure of a file that cannot be read."""

OWN_ERRORS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.OutOfMemoryException,
    duckdb.ParserException,
)
"""What DuckDB raises for our mistakes or the machine's limits; to be caught before `READ_ERRORS`."""

READ_ERRORS = (duckdb.Error, pa.ArrowException, OSError, UnicodeDecodeError)
"""What reading an empty, truncated or damaged file raises."""


@dataclass(frozen=True)
class Opened:
    """A table's file; its view may be asked only if there is no problem.

    `ignored` are columns that the contract does not know.
    """

    table: Table
    file: str
    ignored: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    present: bool = True


def open_table(
    connection: duckdb.DuckDBPyConnection, folder: Path, table: Table, scratch: Path, *, required: bool
) -> Opened:
    """Open one table as the view `new_<table>` with the contract's columns and types.

    A CSV file is converted to parquet in `scratch` first, so that it is parsed once. A table that
    is not there, or cannot be used, becomes an empty view.
    """
    empty = ", ".join(f'NULL::{SQL[column.type]} AS "{column.name}"' for column in table.columns)
    connection.execute(f"CREATE VIEW new_{table.name} AS SELECT {empty} WHERE false")
    files = find_files(folder, table)
    if not files:
        cure = f"write {table.name}.parquet or {table.name}.csv into the folder"
        missing = (Problem(f"{table.name}.parquet", "", "missing_table", 0, (), cure),) if required else ()
        return Opened(table, f"{table.name}.parquet", problems=missing, present=False)
    if len(files) > 1:
        two = Problem(f"{table.name}.*", "", "two_files", 0, (), "keep one of the two")
        return Opened(table, two.file, problems=(two,))
    opened = Opened(table, files[0].name)
    try:
        if files[0].suffix == ".csv":
            return _open_csv(connection, files[0], opened, scratch)
        return _open_parquet(connection, files[0], opened)
    except OWN_ERRORS:
        raise
    except READ_ERRORS:
        unreadable = Problem(opened.file, "", "unreadable", 0, (), UNREADABLE)
        return replace(opened, problems=(unreadable,))


def _open_csv(connection: duckdb.DuckDBPyConnection, path: Path, opened: Opened, scratch: Path) -> Opened:
    header = text.read_header(path)
    opened = _check_names(opened, header)
    if opened.problems:
        return opened
    raw = text.raw_select(path, header)
    problems = text.check_types(connection, raw, opened.table, opened.file)
    if problems:
        return replace(opened, problems=problems)
    converted = scratch / f"{opened.table.name}.parquet"
    typed = ", ".join(f'CAST("{c.name}" AS {SQL[c.type]}) AS "{c.name}"' for c in opened.table.columns)
    connection.execute(f"COPY (SELECT {typed} FROM ({raw})) TO {literal(converted)} (FORMAT parquet)")
    _create_view(connection, opened.table, converted)
    return opened


def _open_parquet(connection: duckdb.DuckDBPyConnection, path: Path, opened: Opened) -> Opened:
    schema = pq.read_schema(path)
    opened = _check_names(opened, schema.names)
    if opened.problems:
        return opened
    source = f"SELECT * FROM read_parquet({literal(path)})"
    problems = []
    for column in opened.table.columns:
        rule = _misfit(column, schema.field(column.name).type)
        if rule:
            count, ids = offenders(connection, source, opened.table, f'"{column.name}" IS NOT NULL')
            cure = text.CURES[rule, column.type]
            problems.append(Problem(opened.file, column.name, rule, count, ids, cure))
    if not problems:
        _create_view(connection, opened.table, path)
    return replace(opened, problems=tuple(problems))


def _check_names(opened: Opened, names: Sequence[str]) -> Opened:
    """Find columns that are missing, there twice or secret, and those to ignore."""
    found, problems = set(names), []
    contract = {column.name for column in opened.table.columns}
    for column in opened.table.columns:
        if column.name not in found:
            cure = f"add it as {column.type}" + (", empty where unknown" if column.nullable else "")
            problems.append(Problem(opened.file, column.name, "missing_column", 0, (), cure))
    folded = [name.lower() for name in names]
    problems += [
        Problem(opened.file, name, "repeated_column", 0, (), "keep one of them")
        for name in sorted({name for name in folded if folded.count(name) > 1})
    ]
    ignored = tuple(name for name in names if name not in contract and name not in derived(opened.table))
    for name in ignored:
        if _SECRETS.search(re.sub(r"(?<=[a-z0-9])(?=[A-Z])|\W", "_", name)):
            cure = "leave the column out of the export, and delete this file"
            problems.append(Problem(opened.file, name, "forbidden_column", 0, (), cure))
    return replace(opened, ignored=ignored, problems=tuple(problems))


def _misfit(column: Column, kind: pa.DataType) -> str:
    """The rule that a parquet type breaks, or an empty string."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind):
        return "" if column.nullable else "wrong_type"
    if column.type == "timestamp" and pa.types.is_timestamp(kind):
        return "" if kind.tz else "naive"
    if column.type == "cents" and (pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return "not_cents"
    fits = {
        "string": pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view(),
        "cents": pa.types.is_integer(kind) and kind != pa.uint64(),
        "float64": pa.types.is_floating(kind) or pa.types.is_integer(kind),
        "bool": pa.types.is_boolean(kind),
        "timestamp": False,
        "date": kind == ARROW["date"],
    }
    return "" if fits[column.type] else "wrong_type"


def _create_view(connection: duckdb.DuckDBPyConnection, table: Table, path: Path) -> None:
    typed = ", ".join(f'CAST("{c.name}" AS {SQL[c.type]}) AS "{c.name}"' for c in table.columns)
    connection.execute(
        f"CREATE OR REPLACE VIEW new_{table.name} AS SELECT {typed} FROM read_parquet({literal(path)})"
    )
