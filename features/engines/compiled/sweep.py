"""One pass over customer-sorted history for several moments: runs of customers on several threads."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.engines.compiled.balances import balances_of
from features.engines.compiled.kernel import windows_of
from features.engines.compiled.plan import NOTHING, SUM, Plan, microseconds, plan_windows
from features.engines.compiled.rows import ROWS, Rows, Run, Span, codes_of
from features.families.base import Family, Level, Window
from features.months import months_before

__all__ = ["Moment", "sweep"]

Ints = np.ndarray[Any, Any]
_SIGN = "amount_reporting"
_NO_AMOUNTS = np.empty(0, np.int64)
_RELATIONS = {"transactions": ("transactions", "touches"), "interactions": ("interactions", "touches")}
"""Table of the history -> the relations of the cut history that its rows belong to."""


@dataclass(frozen=True)
class Moment:
    """One moment with the customers to compute it for.

    spine
        customer_id, rising; (n,).
    loans
        customer_id and holding_id of the loans that the moment knows, by customer.
    """

    as_of: datetime
    spine: pa.Array
    loans: pa.Table


def sweep(
    history: Path,
    moments: Sequence[Moment],
    families: Sequence[Family],
    threads: int,
    most: int = ROWS,
) -> list[dict[str, Any]]:
    """Every window and level of the families.

    Parameters
    ----------
    history
        Folder of customer-sorted tables, as the import leaves it.
    moments
        Rising.
    most
        Rows of one run of customers, about.

    Returns
    -------
    list
        For each moment field name -> Arrow array of shape (n,), in the order of its spine; null
        where there is nothing.
    """
    windows = [w for family in families for w in family.windows]
    levels = [level for family in families for level in family.levels]
    found = [_Found(moment, windows, levels) for moment in moments]
    for table, relations in _RELATIONS.items():
        mine = [w for w in windows if w.table in relations]
        rows = Rows(history / f"{table}.parquet")
        plan = plan_windows(mine, [m.as_of for m in moments]) if mine else None
        tasks = _Table(table, rows, plan, levels if table == "transactions" else [], found)
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(tasks.sweep, rows.spans(most)):
                pass  # reading the results raises what a run raised
    return [one.columns() for one in found]


class _Found:
    """What is known of one moment so far: an array a window and level, filled run by run."""

    def __init__(self, moment: Moment, windows: Sequence[Window], levels: Sequence[Level]) -> None:
        self.moment, self._windows, self._levels = moment, windows, levels
        n = len(moment.spine)
        # Recency and largest begin with nothing, and the later of two is kept; counts begin at 0.
        self._values = {
            w.field.name: np.full(n, 0 if w.measure in ("count", "sum", "mean") else NOTHING)
            for w in windows
        }
        self._counts = {w.field.name: np.zeros(n, np.int64) for w in windows if _counted(w)}
        self._balances = {level.field.name: np.full(n, NOTHING) for level in levels}

    def places(self, customers: pa.Array) -> tuple[Ints, Ints]:
        """Of a run's customers those in the spine: their places in the run, and in the spine."""
        spine = self.moment.spine
        low = bisect_left(range(len(spine)), customers[0].as_py(), key=lambda i: spine[i].as_py())
        high = bisect_right(range(len(spine)), customers[-1].as_py(), key=lambda i: spine[i].as_py())
        at = pc.index_in(customers, value_set=spine.slice(low, high - low))
        here = np.flatnonzero(at.is_valid().to_numpy(zero_copy_only=False))
        return here, at.drop_null().to_numpy() + low

    def add_windows(self, plan: Plan, outputs: Ints, places: tuple[Ints, Ints]) -> None:
        """Add one run's outputs (customers, outputs)."""
        run, spine = places
        for window, (value, count) in zip(plan.windows, plan.places, strict=True):
            held, more = self._values[window.field.name], outputs[run, value]
            added = plan.kinds[plan.uses[value]] <= SUM
            held[spine] = held[spine] + more if added else np.maximum(held[spine], more)
            if count >= 0:
                self._counts[window.field.name][spine] += outputs[run, count]

    def add_levels(self, balances: Ints, places: tuple[Ints, Ints]) -> None:
        """Set one run's balances (customers, levels, 2)."""
        run, spine = places
        for n, level in enumerate(self._levels):
            self._balances[level.field.name][spine] = balances[run, n, int(level.owed)]

    def columns(self) -> dict[str, Any]:
        """The finished columns as Arrow arrays."""
        as_of = int(self.moment.as_of.timestamp())
        done = {w.field.name: self._column(w, as_of) for w in self._windows}
        return done | {name: _masked(b, b == NOTHING) for name, b in self._balances.items()}

    def _column(self, window: Window, as_of: int) -> pa.Array:
        values = self._values[window.field.name]
        if window.measure == "recency":
            return _masked((as_of - values // 1_000_000) // 86_400, values == NOTHING)
        if window.measure == "largest":
            return _masked(values, values == NOTHING)
        if window.field.name not in self._counts:
            return pa.array(values)
        counts = self._counts[window.field.name]
        if window.measure == "mean":
            values = values.astype(np.float64) / 1_000_000 / np.maximum(counts, 1)
        return _masked(values, counts == 0)


def _masked(values: Ints, nothing: Ints) -> pa.Array:
    return pa.array(values, mask=nothing) if nothing.any() else pa.array(values)


def _counted(window: Window) -> bool:
    return window.measure == "mean" or (window.measure == "sum" and window.field.null == "null")


@dataclass(frozen=True)
class _Table:
    """One table of the history with what it is swept for; runs of it are independent of each other."""

    name: str
    rows: Rows
    plan: Plan | None
    levels: Sequence[Level]
    found: Sequence[_Found]

    def sweep(self, span: Span) -> None:
        """Read one run of customers, and add it to what is found of every moment."""
        run = self.rows.read(span, _columns(self.plan, self.levels, self.name))
        places = [one.places(run.customers) for one in self.found]
        if self.plan:
            outputs = _windows(run, self.plan)
            for k, one in enumerate(self.found):
                one.add_windows(self.plan, outputs[:, k], places[k])
        if self.levels:
            balances = _balances(run, self.levels, self.found)
            for k, one in enumerate(self.found):
                one.add_levels(balances[:, k], places[k])


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


def _balances(run: Run, levels: Sequence[Level], found: Sequence[_Found]) -> Ints:
    holdings = run.columns["holding_id"]
    moments = [one.moment.as_of for one in found]
    reads = np.array([[microseconds(months_before(m, level.months)) for level in levels] for m in moments])
    edges = np.unique(reads)
    loans = np.stack([_loans(holdings.dictionary, one.moment.loans, run.customers) for one in found])
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
    who, ids = loans["customer_id"].combine_chunks(), loans["holding_id"].combine_chunks()
    low = bisect_left(range(len(who)), customers[0].as_py(), key=lambda i: who[i].as_py())
    high = bisect_right(range(len(who)), customers[-1].as_py(), key=lambda i: who[i].as_py())
    found: Ints = pc.is_in(holdings, value_set=ids.slice(low, high - low)).to_numpy(zero_copy_only=False)
    return found
