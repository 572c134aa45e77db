"""Simulate a bank's history, and let the same bank live on after a decision."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import InputError
from features.history.contract import BY_NAME
from features.history.tables import arrow_schema, write_table
from features.home import write_whole
from features.simulate.contacts import Approach
from features.simulate.decided import Decided, read_contacts, write_outcomes
from features.simulate.output import first_tables, month_tables
from features.simulate.population import found
from features.simulate.rows import NOTHING
from features.simulate.step import MonthRows, step, usd_rate
from features.simulate.truth import true_month, write_truth
from features.simulate.world import World, load_world, save_world

__all__ = ["advance", "simulate"]

_SMALL = ("customers", "holdings", "interactions", "rates")
Tell = Callable[[str], None]


def simulate(
    out: Path, truth: Path, *, customers: int, months: int, seed: int, end: datetime, tell: Tell
) -> None:
    """Write the history of a simulated bank over the `months` before `end`, and its truth apart.

    Parameters
    ----------
    out
        Folder for the contract's tables.
    truth
        Folder for `monthly.parquet` (see features.simulate.truth) and the state to go on from.
    customers
        How many ever join.
    end
        A UTC midnight; nothing in history happens or is known at or after it.

    Raises
    ------
    InputError
        If a number is not positive, or `end` is not a UTC midnight.
    """
    world = found(customers=customers, months=months, seed=seed, end=end)
    _live(world, out, truth, months, None, first_tables(world), tell)


def advance(out: Path, truth: Path, contacts: Any, *, months: int, tell: Tell) -> None:
    """Let the bank of `truth` live on for `months`, with the given contacts in its first days.

    Writes to `out` the new rows only, and `outcomes.csv` with what became of every decision,
    of contacted and of control customers alike; then the truth goes on from there.

    Parameters
    ----------
    contacts
        Arrow table or DataFrame: decision_id, customer_id, product, channel, contacted; at most
        one row for each customer. Control customers (contacted false) are left alone, and the
        bank's own random campaigns spare both groups for these months.

    Raises
    ------
    InputError
        If `months` is not positive, a column is missing, a customer, product or channel is
        unknown, or a customer is named twice.
    NotReadyError, CorruptError
        If there is no state to go on from, or it is damaged.
    """
    if months < 1:
        raise InputError(f"months {months}: cure: at least 1")
    world = load_world(truth / "state.npz")
    decided = read_contacts(contacts, world)
    _live(world, out, truth, months, decided, {}, tell)


def _live(
    world: World,
    out: Path,
    truth: Path,
    months: int,
    decided: Decided | None,
    first: dict[str, pa.Table],
    tell: Tell,
) -> None:
    """Live `months` and write all of it; the state goes last, so that a killed run can be repeated."""
    since = NOTHING if decided is None else world.clock.start
    truths, parts = [], {name: [first[name]] if name in first else [] for name in _SMALL}
    lived: list[MonthRows] = []
    schema = arrow_schema(BY_NAME["transactions"])
    out.mkdir(parents=True, exist_ok=True)
    with (
        write_whole(out / "transactions.parquet") as part,
        pq.ParquetWriter(part, schema, compression="zstd") as file,
    ):
        for number in range(months):
            truths.append(true_month(world, usd_rate(world.clock.seed, world.clock.month)))
            given, spared = _given(world, decided, number == 0)
            after, rows = step(world, given, spared)
            tables = month_tables(world, after.state, rows)
            file.write_table(tables["transactions"])
            for name in _SMALL:
                parts[name].append(tables[name])
            if decided is not None:
                lived.append(rows)
            world = after
            tell(f"month {number + 1} of {months}: {tables['transactions'].num_rows} transactions")
    truths.append(true_month(world, usd_rate(world.clock.seed, world.clock.month)))
    for name in _SMALL:
        write_table(out, name, pa.concat_tables(parts[name]))
    if decided is not None:
        write_outcomes(out / "outcomes.csv", decided, lived)
    write_truth(truth / "monthly.parquet", truths, since)
    save_world(truth / "state.npz", world)


def _given(world: World, decided: Decided | None, first: bool) -> tuple[Approach | None, Any]:
    if decided is None:
        return None, np.zeros(world.size, bool)
    return (decided.approach if first else None), decided.spared
