"""What an engine is given, and how a finished table becomes a snapshot file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from features.families.base import Family
from features.history.engine import literal
from features.home import Home
from features.vocabulary import AS_OF, CREATED, CUSTOMER_ID

__all__ = ["Engine", "Job", "snapshot_file", "snapshot_select", "write_snapshot"]

_SQL_TYPES = {"int64": "BIGINT", "float64": "DOUBLE", "string": "VARCHAR"}


@dataclass(frozen=True)
class Job:
    """The snapshots to compute: whose history, which declarations, when, with what means.

    folder
        Where each moment's file goes; it exists.
    threads, memory
        What the engine may use, such as 2 and '4GB'.
    tell
        Called with a line of progress.
    spark_master
        Address of the cluster for the engine that can use one; empty: this machine.
    """

    home: Home
    families: Sequence[Family]
    moments: tuple[datetime, ...]
    folder: Path
    threads: int
    memory: str
    tell: Callable[[str], None]
    spark_master: str = ""


Engine = Callable[[Job], None]
"""Writes `snapshot_file(job.folder, moment)` for every moment of the job: customer_id, as_of,
created_at, then every field in declared order; one row a customer of the spine, by customer_id."""


def snapshot_file(folder: Path, moment: datetime) -> Path:
    """The file of one moment."""
    return folder / f"{moment:%Y-%m-%d}.parquet"


def write_snapshot(
    connection: Any,
    sql: str,
    families: Sequence[Family],
    as_of: datetime,
    path: Path,
    in_order: bool = False,
) -> None:
    """Write finished features by DuckDB, sorted by customer.

    Parameters
    ----------
    connection
        Ibis connection to DuckDB.
    sql
        Query of customer_id and every field.
    in_order
        Whether its rows come by customer already; sorting wide rows costs as much as writing them.
    """
    select = snapshot_select(sql, families, f"TIMESTAMPTZ '{as_of.isoformat()}'")
    if not in_order:
        select += f" ORDER BY {CUSTOMER_ID}"
    # lz4: a third larger than zstd, at half the time of the whole write.
    connection.raw_sql(f"COPY ({select}) TO {literal(path)} (FORMAT parquet, COMPRESSION lz4_raw)")


def snapshot_select(sql: str, families: Sequence[Family], moment: str) -> str:
    """The columns of a snapshot, over SQL of customer_id and every field; `moment` is SQL too."""
    # DuckDB sums integers into 128 bits and would write them as floats: say the declared types.
    fields = [f for family in families for f in family.fields]
    columns = ", ".join(f'CAST("{f.name}" AS {_SQL_TYPES[f.dtype]}) AS "{f.name}"' for f in fields)
    # Features of a snapshot look at nothing known later than as_of, so they could exist by then.
    return f"SELECT {CUSTOMER_ID}, {moment} AS {AS_OF}, {moment} AS {CREATED}, {columns} FROM ({sql})"
