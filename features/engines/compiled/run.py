"""The compiled engine: one pass for windows and levels, DuckDB for what is expressed and derived."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from pyarrow import feather

from features.compute import expressed_table, finish, shared_table, spine_of
from features.engines.base import Job, snapshot_file, write_snapshot
from features.engines.compiled.found import Moment
from features.engines.compiled.rows import ROWS
from features.engines.compiled.sweep import sweep
from features.history.cut import cut_history
from features.history.levels import LOAN
from features.history.read import connect
from features.vocabulary import CUSTOMER_ID

__all__ = ["write_snapshots"]

_BASE = "compiled_base"


def write_snapshots(job: Job) -> None:
    """Compute every moment of the job."""
    connection = connect(job.home, job.threads, job.memory)
    finisher = _Finish(connection, job)
    with TemporaryDirectory(prefix=".compiled-", dir=job.folder) as scratch:
        expressed = [Path(scratch) / f"expressed-{moment:%Y-%m-%d}.arrow" for moment in job.moments]
        asked = []
        for moment, path in zip(job.moments, expressed, strict=True):
            job.tell(f"profiles and holdings at {moment:%Y-%m-%d}")
            asked.append(_prepare(connection, moment, job, path))
        job.tell(f"one pass over bookings and contacts for {len(asked)} moments")
        found = sweep(job.home.history, asked, job.families, job.threads, Path(scratch), _rows(len(asked)))
        for number, (moment, columns) in enumerate(zip(job.moments, found, strict=True)):
            job.tell(f"features at {moment:%Y-%m-%d} ({number + 1} of {len(job.moments)})")
            finisher.write(moment, feather.read_table(expressed[number]), columns)


def _rows(moments: int) -> int:
    """Rows of one run: its outputs are held for every moment, so many moments take shorter runs."""
    return ROWS if moments < 4 else ROWS // 2


class _Finish:
    """Adds what is shared and derived to the columns of one moment after the other, and writes them.

    The queries are the same for every moment, and compiling them takes as long as running them on a
    small bank: they are kept.
    """

    def __init__(self, connection: Any, job: Job) -> None:
        self._connection, self._job = connection, job
        self._queries: dict[str, str] = {}

    def write(self, as_of: datetime, expressed: pa.Table, columns: dict[str, pa.Array]) -> None:
        """Write the snapshot of one moment."""
        con, families = self._connection, self._job.families
        base = pa.table({**dict(zip(expressed.column_names, expressed.columns, strict=True)), **columns})
        con.con.register(_BASE, base)
        # What customers share is computed on its own and sorted while it is narrow; then every field
        # is a function of its own row, and the order of the base is the order of the file.
        shared = con.raw_sql(
            self._query("shared", lambda t: shared_table(t, families).order_by(CUSTOMER_ID))
        )
        for name, column in _columns(shared.to_arrow_table()):
            base = base.append_column(name, column)
        con.con.register(_BASE, base)
        sql = self._query("fields", lambda t: finish(t, families, as_of))
        path = snapshot_file(self._job.folder, as_of)
        write_snapshot(con, sql, families, as_of, path, in_order=True)
        con.con.unregister(_BASE)

    def _query(self, name: str, make: Callable[[ir.Table], ir.Table]) -> str:
        if name not in self._queries:
            self._queries[name] = self._connection.compile(make(self._connection.table(_BASE)))
        return self._queries[name]


def _columns(table: pa.Table) -> list[tuple[str, pa.ChunkedArray]]:
    """Names and columns without the first, the customers."""
    return list(zip(table.column_names, table.columns, strict=True))[1:]


def _prepare(connection: Any, moment: datetime, job: Job, path: Path) -> Moment:
    """Write what is expressed, by customer (the order that the pass relies on), and say what to ask."""
    cut = cut_history(connection, moment)
    # Several families look at the same few rows: they are cut out of history once.
    held = {name: _kept(connection, name, getattr(cut, name)) for name in ("customers", "holdings")}
    cut = replace(cut, **held)
    spine = _kept(connection, "spine", spine_of(cut))
    expressed = expressed_table(cut, spine, job.families).order_by(CUSTOMER_ID).to_pyarrow()
    loans = cut.holdings.filter(cut.holdings["product"] == LOAN)
    loans = loans.select(CUSTOMER_ID, "holding_id").distinct().order_by(CUSTOMER_ID)
    feather.write_feather(expressed, path, compression="uncompressed")
    return Moment(moment, expressed[CUSTOMER_ID].combine_chunks(), loans.to_pyarrow())


def _kept(connection: Any, name: str, table: ir.Table) -> ir.Table:
    """A relation as a temporary table, in place of the one of the moment before."""
    connection.raw_sql(f"CREATE OR REPLACE TEMP TABLE kept_{name} AS {connection.compile(table)}")
    return connection.table(f"kept_{name}")
