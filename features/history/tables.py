"""The contract's tables as files, one parquet or CSV file each, with the contract's types."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import InputError
from features.history.contract import BY_NAME, ColumnType, Table
from features.home import write_whole

__all__ = ["ARROW", "SQL", "arrow_schema", "derived", "find_files", "write_table"]

ARROW: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "cents": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}
"""The Arrow type of each contract type."""

SQL: dict[ColumnType, str] = {
    "string": "VARCHAR",
    "cents": "BIGINT",
    "float64": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
    "date": "DATE",
}
"""The DuckDB type of each contract type."""


def derived(table: Table) -> tuple[str, ...]:
    """Names of the columns that the import adds to a table; a source may carry them, they are made anew."""
    if table.name == "transactions":
        return ("known_until", "seq", "amount_reporting", "balance_reporting")
    return ("known_until",)


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of a contract table, columns in the contract's order."""
    return pa.schema([pa.field(c.name, ARROW[c.type], nullable=c.nullable) for c in table.columns])


def find_files(folder: Path, table: Table) -> tuple[Path, ...]:
    """The files that hold a table: none, one, or (wrongly) a parquet and a CSV file."""
    return tuple(p for kind in ("parquet", "csv") if (p := folder / f"{table.name}.{kind}").is_file())


def write_table(folder: Path, name: str, rows: pa.Table) -> Path:
    """Write one contract table as parquet, whole; columns are put in order and cast safely.

    Raises
    ------
    InputError
        If a column is missing or holds what its contract type cannot.
    """
    table = BY_NAME[name]
    columns = []
    for column in table.columns:
        if column.name not in rows.column_names:
            raise InputError(f"{name}: column '{column.name}' is missing; cure: add it, empty if unknown")
        try:
            cast = rows[column.name].cast(ARROW[column.type])
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(
                f"{name}: column '{column.name}' cannot be read as {column.type}; cure: convert it before"
            ) from error
        if cast.null_count and not column.nullable:
            raise InputError(
                f"{name}: column '{column.name}' may not be empty; cure: fill {cast.null_count} rows"
            )
        columns.append(cast)
    path = folder / f"{name}.parquet"
    with write_whole(path) as part:
        pq.write_table(pa.Table.from_arrays(columns, schema=arrow_schema(table)), part, compression="zstd")
    return path
