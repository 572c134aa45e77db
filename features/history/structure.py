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
from features.history.engine import literal, name_list, offenders
from features.history.quality import Problem
from features.history.tables import ARROW, SQL, derived, find_files

__all__ = ["OWN_ERRORS", "READ_ERRORS", "UNREADABLE", "Opened", "open_table"]

_SECRETS = re.compile(
    r"(^|_)(pins?|puk|cvv2?|cvc2?|otp|totp|iris|retina|secret|pass_?code|passwd|pwd|pan|track_?[12])(_|$)"
    r"|pass_?(word|phrase)|biometr|(finger|palm|face|voice)_?(print|id(_|$)|template|scan)|mag_?stripe"
    r"|(security|secret|challenge)_?(question|answer|word)|memorable_?(word|answer)|maiden"
    r"|card_?(number|no|num)(_|$)|primary_?account_?number",
    re.IGNORECASE,
)
"""Names of what is class C3: secrets, biometrics, answers to security questions, full card numbers."""

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

    `ignored` are columns that the contract does not know, `unread` the ways in which single cells
    could not be read; if there are any, the view has `unread_` and `text_`.
    """

    table: Table
    file: str
    ignored: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    present: bool = True
    unread: tuple[text.CellFault, ...] = ()


def open_table(
    connection: duckdb.DuckDBPyConnection, folder: Path, table: Table, scratch: Path, *, required: bool
) -> Opened:
    """Open one table as the view `raw_<table>`: the contract's columns and types, and `row_`, from 0.

    A CSV file is converted to parquet in `scratch` first, so that it is parsed once. Cells that
    cannot be read become null, and their rows get `unread_`, the positions in `Opened.unread`, and
    `text_`, all cells of the contract's columns as they stand. A table that is not there, or
    cannot be used, becomes an empty view.
    """
    empty = ", ".join(f'NULL::{SQL[column.type]} AS "{column.name}"' for column in table.columns)
    connection.execute(f"CREATE VIEW raw_{table.name} AS SELECT {empty}, 0::BIGINT AS row_ WHERE false")
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
    problems, unread = text.check_cells(connection, raw, opened.table, opened.file)
    if problems:
        return replace(opened, problems=problems)
    converted = scratch / f"{opened.table.name}.parquet"
    connection.execute(
        f"COPY (SELECT {_typed_cells(opened.table, unread)} FROM ({raw})) "
        f"TO {literal(converted)} (FORMAT parquet)"
    )
    _create_view(connection, opened.table, converted, "unread_, text_, " if unread else "")
    return replace(opened, unread=unread)


def _typed_cells(table: Table, unread: Sequence[text.CellFault]) -> str:
    """SQL of the contract's columns, cast from text; with faulty cells also what `open_table` says."""
    typed = []
    for column in table.columns:
        cast = f'CAST("{column.name}" AS {SQL[column.type]})'
        broken = " OR ".join(f"({fault.test})" for fault in unread if fault.column is column)
        cast = f"CASE WHEN {broken} THEN NULL ELSE {cast} END" if broken else cast
        typed.append(f'{cast} AS "{column.name}"')
    if unread:
        broken = " OR ".join(f"({fault.test})" for fault in unread)
        found = ", ".join(f"CASE WHEN {fault.test} THEN {nth} END" for nth, fault in enumerate(unread))
        cells = name_list([column.name for column in table.columns])
        typed.append(
            f"CASE WHEN {broken} THEN list_filter([{found}], lambda n: n IS NOT NULL) END AS unread_"
        )
        typed.append(f"CASE WHEN {broken} THEN [{cells}] END AS text_")
    return ", ".join(typed)


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


def _create_view(connection: duckdb.DuckDBPyConnection, table: Table, path: Path, more: str = "") -> None:
    connection.execute(
        f"CREATE OR REPLACE VIEW raw_{table.name} AS "
        f"SELECT {', '.join(map(_cast, table.columns))}, {more}file_row_number AS row_ "
        f"FROM read_parquet({literal(path)}, file_row_number = true)"
    )


def _cast(column: Column) -> str:
    """SQL of one column; a float that is no number is missing where the contract allows that."""
    cast = f'CAST("{column.name}" AS {SQL[column.type]})'
    if column.type == "float64":
        cast = f"{cast} + 0.0"  # negative zero equals zero, and is stored as it
        cast = f"nullif({cast}, 'nan'::DOUBLE)" if column.nullable else cast
    return f'{cast} AS "{column.name}"'
