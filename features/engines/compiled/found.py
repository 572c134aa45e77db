"""What the pass has found of one moment, and how that becomes finished columns."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.engines.compiled.columns import ColumnFile
from features.engines.compiled.plan import NOTHING, SUM, Plan
from features.families.base import Level, Window

__all__ = ["Found", "Moment", "empty_values", "span_in"]

Ints = np.ndarray[Any, Any]


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


def span_in(ids: pa.Array, customers: pa.Array) -> tuple[int, int]:
    """Where the ids from the first to the last customer of a run begin and end; both rise."""
    places = range(len(ids))
    low = bisect_left(places, customers[0].as_py(), key=lambda place: ids[place].as_py())
    return low, bisect_right(places, customers[-1].as_py(), key=lambda place: ids[place].as_py())


def empty_values(plans: Mapping[str, Plan]) -> dict[tuple[str, int], int]:
    """(table, output) -> its value for a customer without rows in that table."""
    return {
        (table, output): 0 if plan.kinds[use] <= SUM else NOTHING
        for table, plan in plans.items()
        for output, use in enumerate(plan.uses)
    }


@dataclass(frozen=True)
class Places:
    """Where a run's customers lie in a spine.

    run, spine
        Of those that are in the spine: their places in the run, and in the spine from `first` on.
    size
        How many of the spine lie between the run's first and last customer.
    """

    run: Ints
    spine: Ints
    first: int
    size: int


@dataclass(frozen=True)
class Found:
    """One moment with the outputs of every plan, (table, output), and the levels, by field."""

    moment: Moment
    file: ColumnFile
    plans: Mapping[str, Plan]

    def places(self, customers: pa.Array) -> Places:
        """Find a run's customers in the spine."""
        low, high = span_in(self.moment.spine, customers)
        at = pc.index_in(customers, value_set=self.moment.spine.slice(low, high - low))
        here = np.flatnonzero(at.is_valid().to_numpy(zero_copy_only=False))
        return Places(here, at.drop_null().to_numpy(), low, high - low)

    def put_windows(self, table: str, outputs: Ints, places: Places) -> None:
        """Write one run's outputs, (customers, outputs)."""
        for output in range(outputs.shape[1]):
            self._put((table, output), outputs[:, output], places)

    def put_levels(self, levels: Sequence[Level], balances: Ints, places: Places) -> None:
        """Write one run's balances, (customers, levels, 2)."""
        for n, level in enumerate(levels):
            self._put(level.field.name, balances[:, n, int(level.owed)], places)

    def _put(self, name: Any, values: Ints, places: Places) -> None:
        if places.size:
            column = np.full(places.size, self.file.empty[name])
            column[places.spine] = values[places.run]
            self.file.write(name, places.first, column)

    def columns(self, windows: Sequence[Window], levels: Sequence[Level]) -> dict[str, Any]:
        """The finished columns as Arrow arrays of shape (n,)."""
        done = {w.field.name: self._column(w) for w in windows}
        for level in levels:
            balances = self.file.read(level.field.name)
            done[level.field.name] = _masked(balances, balances == NOTHING)
        return done

    def _column(self, window: Window) -> pa.Array:
        values, counts = self._outputs(window)
        if window.measure == "recency":
            as_of = int(self.moment.as_of.timestamp())
            return _masked((as_of - values // 1_000_000) // 86_400, values == NOTHING)
        if window.measure == "largest":
            return _masked(values, values == NOTHING)
        if counts is None:
            return pa.array(values)
        if window.measure == "mean":
            values = values.astype(np.float64) / 1_000_000 / np.maximum(counts, 1)
        return _masked(values, counts == 0)

    def _outputs(self, window: Window) -> tuple[Ints, Ints | None]:
        """Value and count of one window; `touches` come from two tables, and add up."""
        parts = []
        for table, plan in self.plans.items():
            if window in plan.windows:
                value, count = plan.places[plan.windows.index(window)]
                added = plan.kinds[plan.uses[value]] <= SUM
                counts = self.file.read((table, count)) if count >= 0 else None
                parts.append((self.file.read((table, value)), counts))
        if len(parts) == 1:
            return parts[0]
        (first, _), (second, _) = parts
        return (first + second if added else np.maximum(first, second)), None


def _masked(values: Ints, nothing: Ints) -> pa.Array:
    return pa.array(values, mask=nothing) if nothing.any() else pa.array(values)
