"""The compiled engine: one pass for windows and levels, DuckDB for what is expressed and derived."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from features.compute import expressed_table, finish, shared_table, spine_of
from features.engines.base import Job, snapshot_file, write_snapshot
from features.engines.compiled.sweep import Moment, sweep
from features.history.cut import cut_history
from features.history.levels import LOAN
from features.history.read import connect
from features.vocabulary import CUSTOMER_ID

__all__ = ["write_snapshots"]

_BASE = "compiled_base"


def write_snapshots(job: Job) -> None:
    """Compute every moment of the job."""
    connection = connect(job.home, job.threads, job.memory)
    finisher, done = _Finish(connection, job), 0
    for moments in _groups(job, connection):
        prepared = [_prepare(connection, moment, job) for moment in moments]
        job.tell(f"one pass over history for {len(moments)} of {len(job.moments)} moments")
        asked = [moment for _, moment in prepared]
        columns = sweep(job.home.history, asked, job.families, job.threads)
        for expressed, moment in prepared:
            done += 1
            job.tell(f"features at {moment.as_of:%Y-%m-%d} ({done} of {len(job.moments)})")
            finisher.write(moment.as_of, expressed, columns.pop(0))


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


def _prepare(connection: Any, moment: datetime, job: Job) -> tuple[pa.Table, Moment]:
    """What is expressed, by customer (the order that the pass relies on), and what the pass is asked."""
    cut = cut_history(connection, moment)
    # Several families look at the same few rows: they are cut out of history once.
    held = {name: _kept(connection, name, getattr(cut, name)) for name in ("customers", "holdings")}
    cut = replace(cut, **held)
    spine = _kept(connection, "spine", spine_of(cut))
    expressed = expressed_table(cut, spine, job.families).order_by(CUSTOMER_ID).to_pyarrow()
    loans = cut.holdings.filter(cut.holdings["product"] == LOAN)
    loans = loans.select(CUSTOMER_ID, "holding_id").distinct().order_by(CUSTOMER_ID)
    return expressed, Moment(moment, expressed[CUSTOMER_ID].combine_chunks(), loans.to_pyarrow())


def _kept(connection: Any, name: str, table: ir.Table) -> ir.Table:
    """A relation as a temporary table, in place of the one of the moment before."""
    connection.raw_sql(f"CREATE OR REPLACE TEMP TABLE kept_{name} AS {connection.compile(table)}")
    return connection.table(f"kept_{name}")


def _groups(job: Job, connection: Any) -> Sequence[tuple[datetime, ...]]:
    """Moments that are computed in one pass: as many as half of the memory holds."""
    customers = connection.table("customers").customer_id.nunique().to_pyarrow().as_py()
    fields = sum(len(family.fields) for family in job.families)
    each = max(1, customers * fields * 8)
    size = max(1, int(_bytes(job.memory) / 2 // each))
    return [job.moments[n : n + size] for n in range(0, len(job.moments), size)]


def _bytes(memory: str) -> float:
    """Bytes of a text such as 4GB, as DuckDB reads it.

    >>> _bytes("4GB"), _bytes("512 MiB")
    (4000000000.0, 536870912.0)
    """
    text = memory.strip().upper().removesuffix("B")
    binary = text.endswith("I")
    text = text.removesuffix("I").strip()
    power = "KMGT".find(text[-1]) + 1 if text else 0
    scale: int = (1024 if binary else 1000) ** power
    return float(text.rstrip("KMGT ")) * scale
