"""Read imported history: one Ibis connection with a view for each table."""

from pathlib import Path

import ibis

from features.errors import NotReadyError
from features.history.contract import TABLES
from features.home import Home

__all__ = ["connect"]

_CURE = "cure: run `tenure import` or `tenure simulate` first"


def connect(home: Home, threads: int, memory: str) -> ibis.backends.duckdb.Backend:
    """Connect DuckDB to the history of one bank; every table of the contract is a view of its name.

    Parameters
    ----------
    threads
        Threads that DuckDB may use.
    memory
        Memory before it spills to disk, such as '4GB'.

    Raises
    ------
    NotReadyError
        If nothing was imported yet.
    """
    files = {table.name: home.history / f"{table.name}.parquet" for table in TABLES}
    if missing := [path for path in files.values() if not path.is_file()]:
        raise NotReadyError(f"{missing[0]}: not there yet; {_CURE}")
    backend = ibis.duckdb.connect(
        threads=threads, memory_limit=memory, temp_directory=str(home.path / ".spill"), TimeZone="UTC"
    )
    for name, path in files.items():
        backend.raw_sql(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({_quoted(path)})")
    return backend


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
