"""The quarantine: rows that broke the contract, as they were read, and why."""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from features.history.contract import TABLES
from features.history.engine import literal
from features.history.sieve import Sieve

__all__ = ["QUARANTINE", "write_quarantine"]

QUARANTINE = "quarantine"
"""The folder in the history that holds a parquet file for each table with such rows."""


def write_quarantine(
    connection: duckdb.DuckDBPyConnection, sieves: Mapping[str, Sieve], folder: Path, stored: Path | None
) -> None:
    """Write `<folder>/<table>.parquet` for every table with rows to set aside, now or before.

    All columns of the contract are text, as what could not be read has no other type; `reason`
    names the rules that the row broke, joined by ', '. A row that is there from an earlier import
    (in `stored`, the history that is appended to) is not written twice.
    """
    for table in TABLES:
        sieve = sieves.get(table.name)
        fresh = sieve.set_aside() if sieve and sieve.quarantined else ""
        earlier = stored / QUARANTINE / f"{table.name}.parquet" if stored else None
        kept = f"SELECT * FROM read_parquet({literal(earlier)})" if earlier and earlier.is_file() else ""
        # With ALL: of rows that came several times, as many stay as came.
        both = f"(({fresh}) EXCEPT ALL ({kept})) UNION ALL ({kept})"
        rows = both if fresh and kept else fresh or kept
        if rows:
            folder.mkdir(exist_ok=True)
            path = literal(folder / f"{table.name}.parquet")
            connection.execute(
                f"COPY (SELECT * FROM ({rows}) ORDER BY ALL) TO {path} (FORMAT parquet, COMPRESSION zstd)"
            )
