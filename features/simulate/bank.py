"""Simulate a bank's history, and let the same bank live on after a decision."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import InputError
from features.history.contract import TABLES
from features.home import write_whole_json
from features.simulate.campaigns import Approach
from features.simulate.choices import Choices
from features.simulate.currencies import rates_at
from features.simulate.decided import Decided, read_contacts, write_outcomes
from features.simulate.files import Growing, behind, growing
from features.simulate.output import first_tables, month_tables, transaction_tables
from features.simulate.population import found
from features.simulate.potential import potential_tables
from features.simulate.stated import stated_laws
from features.simulate.step import MonthRows, step
from features.simulate.stored import load_world, save_world
from features.simulate.truth import month_arms, month_events, true_month
from features.simulate.world import World

__all__ = ["advance", "simulate"]

_MANY, _LAST = 100_000, 3
"""Of a bank of more customers than the first, the truth keeps the last so many months."""

_TRUTHS = ("monthly", "arms", "events")
Tell = Callable[[str], None]


def simulate(
    out: Path,
    truth: Path,
    *,
    customers: int,
    months: int,
    seed: int,
    end: datetime,
    tell: Tell,
    drift: str = "none",
    drift_month: int | None = None,
    truth_months: int | None = None,
) -> None:
    """Write the history of a simulated bank over the `months` before `end`, and its truth apart.

    Month by month: memory grows with the number of customers, not with that of months.

    Parameters
    ----------
    out
        Folder for the contract's tables.
    truth
        Folder for what is true (see features.simulate.truth) and the state to go on from.
    customers
        How many ever join.
    end
        A UTC midnight; nothing in history happens or is known at or after it.
    drift, drift_month
        Which laws change (see features.simulate.drift), and from which month of history on, the
        first being 1; by default none, and from the middle.
    truth_months
        Of how many last months `monthly.parquet` tells; by default all, or 3 of a bank of more
        than 100,000 customers.

    Raises
    ------
    InputError
        If a number is not positive, `end` is not a UTC midnight, or the drift is unknown or
        outside history.
    """
    if truth_months is not None and truth_months < 1:
        raise InputError(f"truth months {truth_months}: cure: at least 1")
    world = found(
        customers=customers, months=months, seed=seed, end=end, drift=drift, drift_month=drift_month
    )
    _live(world, out, truth, months, truth_months, None, tell)


def advance(out: Path, truth: Path, contacts: Any, *, months: int, tell: Tell) -> None:
    """Let the bank of `truth` live on for `months`, with the given contacts in its first days.

    Writes to `out` the new rows only, and `outcomes.csv` with what became of every decision,
    of contacted and of control customers alike; then the truth goes on from there.

    Parameters
    ----------
    contacts
        Arrow table or DataFrame: decision_id, customer_id, product, channel, contacted; at most
        one row for each customer. Control customers (contacted false) are left alone, and the
        bank's own random campaigns spare both groups for these months. An optional column
        `offer` may say "fee_waiver" beside the product current_account: a retention offer.

    Raises
    ------
    InputError
        If `months` is not positive, a column is missing, a customer, product, channel or offer
        is unknown, or a customer is named twice.
    NotReadyError, CorruptError
        If there is no state to go on from, or it is damaged.
    """
    if months < 1:
        raise InputError(f"months {months}: cure: at least 1")
    world = load_world(truth / "state.npz")
    decided = read_contacts(contacts, world)
    _live(world, out, truth, months, None, decided, tell)


def _live(
    world: World,
    out: Path,
    truth: Path,
    months: int,
    truth_months: int | None,
    decided: Decided | None,
    tell: Tell,
) -> None:
    """Live `months` and write all of it; the state goes last, so that a killed run can be repeated."""
    told = truth_months or (_LAST if world.size > _MANY else months)
    chosen: list[Choices] = []
    paths = {table.name: out / f"{table.name}.parquet" for table in TABLES}
    paths |= {name: truth / f"{name}.parquet" for name in (*_TRUTHS, "potential")}
    with growing(paths) as files, behind() as give:
        if decided is None:
            for name, rows in first_tables(world).items():
                files[name].add(rows)
        else:
            for name in _TRUTHS:
                files[name].add_earlier(paths[name], world.clock.start)
        for number in range(months):
            given, spared = _given(world, decided, number == 0)
            after, month = step(world, given, spared)
            give(_writing(files, world, after, month, number >= months - told))
            if decided is not None:
                chosen.append(month.choices)
            world = after
            tell(f"month {number + 1} of {months}: {len(month.bookings['who'])} transactions")
        give(_writing_end(files, world))
    if decided is not None:
        write_outcomes(out / "outcomes.csv", decided, chosen)
    write_whole_json(truth / "laws.json", stated_laws(world.clock))
    save_world(truth / "state.npz", world)


def _writing(
    files: dict[str, Growing], before: World, after: World, month: MonthRows, told: bool
) -> Callable[[], None]:
    """The work of writing one month down."""

    def write() -> None:
        for name, rows in month_tables(before, after.state, month).items():
            files[name].add(rows)
        for rows in transaction_tables(before, after.state, month):
            files["transactions"].add(rows)
        files["arms"].add(month_arms(before, month))
        files["events"].add(month_events(before, month))
        if told:
            for rows in true_month(before, month.rates):
                files["monthly"].add(rows)

    return write


def _writing_end(files: dict[str, Growing], world: World) -> Callable[[], None]:
    """The work of writing down what is true at the end of history."""

    def write() -> None:
        for rows in true_month(world, rates_at(world.clock.seed, world.clock.month)):
            files["monthly"].add(rows)
        for rows in potential_tables(world):
            files["potential"].add(rows)

    return write


def _given(world: World, decided: Decided | None, first: bool) -> tuple[Approach | None, Any]:
    if decided is None:
        return None, np.zeros(world.size, bool)
    return (decided.approach if first else None), decided.spared
