"""DuckDB as it is used on history: bounded memory, spill to disk, UTC."""

import tempfile
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from features.history.contract import Table

__all__ = ["engine", "id_of", "in_utc", "literal", "name_list", "offenders", "word_list"]


@contextmanager
def engine(
    threads: int, memory: str, near: Path | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Yield a connection and a scratch folder, both gone afterwards.

    Parameters
    ----------
    threads
        Threads that DuckDB may use.
    memory
        Memory before it spills to the scratch folder, such as '4GB'.
    near
        Folder on whose disk the scratch folder is made; the system's own place if None.
    """
    with tempfile.TemporaryDirectory(prefix=".tenure-", dir=near, ignore_cleanup_errors=True) as scratch:
        settings = {"threads": threads, "memory_limit": memory, "temp_directory": f"{scratch}/spill"}
        connection = duckdb.connect(config=settings)
        try:
            in_utc(connection)
            yield connection, Path(scratch)
        finally:
            connection.close()


def in_utc(connection: duckdb.DuckDBPyConnection) -> None:
    """Set a connection's time zone, and silence it."""
    connection.execute("SET TimeZone = 'UTC'")
    # In a notebook without ipywidgets the bar is off, and DuckDB refuses to be told so.
    if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        connection.execute("SET enable_progress_bar = false")


def literal(text: object) -> str:
    """A SQL string literal.

    >>> literal("d'accord")
    "'d''accord'"
    """
    return "'" + str(text).replace("'", "''") + "'"


def word_list(words: Sequence[str]) -> str:
    """A SQL list of string literals, for IN."""
    return "(" + ", ".join(literal(word) for word in words) + ")"


def name_list(names: Sequence[str], prefix: str = "") -> str:
    """Column names, quoted (`at` is a keyword of DuckDB), with an optional table in front."""
    return ", ".join(f'{prefix}"{name}"' for name in names)


def id_of(table: Table, number: str, columns: Container[str] | None = None) -> str:
    """SQL that names a row by the id of its table, or by `number` where the id is empty or missing.

    `columns` are those that are there, if not all of the table's are.
    """
    named = [
        name
        for name in table.id
        if table.column(name).type != "timestamp" and (columns is None or name in columns)
    ]
    row = f"'row ' || ({number})"
    parts = [f"coalesce(nullif(CAST(\"{name}\" AS VARCHAR), ''), {row})" for name in named]
    return f"concat_ws('/', {', '.join(parts)})" if parts else row


def offenders(
    connection: duckdb.DuckDBPyConnection, source: str, table: Table, broken: str
) -> tuple[int, tuple[str, ...]]:
    """Count the rows of `source` (SQL) for which `broken` (SQL) holds, and name the first five."""
    columns = {row[0] for row in connection.execute(f"DESCRIBE {source}").fetchall()}
    name = id_of(table, "row_number() OVER ()", columns)
    broken_rows = f"(SELECT {name} AS id_, * FROM ({source})) WHERE {broken}"
    count = connection.execute(f"SELECT count(*) FROM {broken_rows}").fetchone()
    ids = connection.execute(f"SELECT id_ FROM {broken_rows} LIMIT 5").fetchall()
    return count[0] if count else 0, tuple(str(i) for (i,) in ids)
