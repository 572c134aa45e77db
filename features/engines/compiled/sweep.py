"""One pass over customer-sorted history for several moments: runs of customers on several threads."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.engines.compiled.balances import balances_of
from features.engines.compiled.columns import ColumnFile
from features.engines.compiled.found import Found, Moment, empty_values, span_in
from features.engines.compiled.kernel import windows_of
from features.engines.compiled.plan import NOTHING, Plan, microseconds, plan_windows
from features.engines.compiled.rows import ROWS, Rows, Run, Span, codes_of
from features.families.base import Family, Level
from features.months import months_before

__all__ = ["Moment", "sweep"]

Ints = np.ndarray[Any, Any]
_SIGN = "amount_reporting"
_NO_AMOUNTS = np.empty(0, np.int64)
_RELATIONS = {"transactions": ("transactions", "touches"), "interactions": ("interactions", "touches")}
"""Table of the history -> the relations of the cut history that its rows belong to."""


def sweep(
    history: Path,
    moments: Sequence[Moment],
    families: Sequence[Family],
    threads: int,
    scratch: Path,
    most: int = ROWS,
) -> Iterator[dict[str, Any]]:
    """Every window and level of the families, one moment after the other, from one pass.

    Parameters
    ----------
    history
        Folder of customer-sorted tables, as the import leaves it.
    moments
        Rising.
    scratch
        Folder for what does not fit into memory.
    most
        Rows of one run of customers, about.

    Yields
    ------
    dict
        For each moment field name -> Arrow array of shape (n,), in the order of its spine; null
        where there is nothing.
    """
    windows = [w for family in families for w in family.windows]
    levels = [level for family in families for level in family.levels]
    plans = {}
    for table, relations in _RELATIONS.items():
        mine = [w for w in windows if w.table in relations]
        if mine:
            plans[table] = plan_windows(mine, [m.as_of for m in moments])
    with ExitStack() as files:
        found = []
        for number, moment in enumerate(moments):
            empty = {level.field.name: NOTHING for level in levels}
            of = ColumnFile(scratch / str(number), empty | empty_values(plans), len(moment.spine))
            found.append(Found(moment, files.enter_context(of), plans))
        for table in _RELATIONS:
            read = levels if table == "transactions" else []
            task = _Table(table, Rows(history / f"{table}.parquet"), plans.get(table), read, found)
            with ThreadPoolExecutor(threads) as pool:
                for _ in pool.map(task.sweep, task.rows.spans(most)):
                    pass  # reading the results raises what a run raised
        for one in found:
            yield one.columns(windows, levels)


@dataclass(frozen=True)
class _Table:
    """One table of the history with what it is swept for; runs of it are independent of each other."""

    name: str
    rows: Rows
    plan: Plan | None
    levels: Sequence[Level]
    found: Sequence[Found]

    def sweep(self, span: Span) -> None:
        """Read one run of customers, and write what it gives for every moment."""
        run = self.rows.read(span, _columns(self.plan, self.levels, self.name))
        places = [one.places(run.customers) for one in self.found]
        if self.plan:
            outputs = _windows(run, self.plan)
            for k, one in enumerate(self.found):
                one.put_windows(self.name, outputs[:, k], places[k])
        if self.levels:
            balances = _balances(run, self.levels, [one.moment for one in self.found])
            for k, one in enumerate(self.found):
                one.put_levels(self.levels, balances[:, k], places[k])


def _columns(plan: Plan | None, levels: Sequence[Level], table: str) -> list[str]:
    names = [*plan.coding.words, *plan.columns] if plan else []
    if table == "transactions":
        names.append(_SIGN)
    return [*names, "holding_id", "balance_reporting"] if levels else names


def _windows(run: Run, plan: Plan) -> Ints:
    codes = codes_of(run, plan.coding, run.columns.get(_SIGN, _NO_AMOUNTS))
    numbers = [run.columns[c] for c in plan.columns]
    values = np.stack(numbers) if numbers else np.empty((0, len(codes)), np.int64)
    out = np.empty((len(run.customers), len(plan.moments), len(plan.uses)), np.int64)
    feeds = plan.feeds, plan.fed_from, plan.kinds, plan.sources
    time = plan.moments, plan.edges, plan.begins, plan.ends
    windows_of(run.time, codes, values, run.bounds, feeds, time, plan.uses, out)
    return out


def _balances(run: Run, levels: Sequence[Level], asked: Sequence[Moment]) -> Ints:
    holdings = run.columns["holding_id"]
    moments = [one.as_of for one in asked]
    reads = np.array([[microseconds(months_before(m, level.months)) for level in levels] for m in moments])
    edges = np.unique(reads)
    loans = np.stack([_loans(holdings.dictionary, one.loans, run.customers) for one in asked])
    out = np.empty((len(run.customers), len(moments), len(levels), 2), np.int64)
    balances_of(
        run.time,
        holdings.indices.to_numpy(),
        run.columns["balance_reporting"],
        run.bounds,
        loans,
        np.array([microseconds(m) for m in moments]),
        edges,
        np.searchsorted(edges, reads),
        out,
    )
    return out


def _loans(holdings: pa.Array, loans: pa.Table, customers: pa.Array) -> Ints:
    """Which of the holdings are loans; loans of other customers cannot occur in the run."""
    low, high = span_in(loans["customer_id"], customers)
    ids = loans["holding_id"].slice(low, high - low)
    found: Ints = pc.is_in(holdings, value_set=ids).to_numpy(zero_copy_only=False)
    return found
