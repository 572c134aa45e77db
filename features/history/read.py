"""Read imported history: one Ibis connection with a view for each table."""

import ibis
from ibis.backends.duckdb import Backend

from features.errors import NotReadyError
from features.history.contract import TABLES
from features.history.engine import literal
from features.home import Home

__all__ = ["connect"]

_CURE = "cure: run `tenure import` or `tenure simulate` first"


def connect(home: Home, threads: int, memory: str) -> Backend:
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
    spill = str(home.path / ".spill")
    backend = ibis.duckdb.connect(threads=threads, memory_limit=memory, temp_directory=spill)
    backend.raw_sql("SET TimeZone = 'UTC'")
    for name, path in files.items():
        backend.raw_sql(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({literal(path)})")
    return backend
