"""The runs and the two tables of the policy benchmark."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial, reduce
from multiprocessing import get_context
from operator import add
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.policy_bank import Earned, Floats
from benchmarks.policy_parts import Part, parts_of
from benchmarks.policy_players import BEST, NOBODY, PLAYERS
from benchmarks.policy_year import HISTORY, HOURS, MONEY, found, live
from benchmarks.table import write_table
from features.settings import read_settings

__all__ = ["run"]


@dataclass(frozen=True)
class Extent:
    """Customers who ever join each bank, months that every policy decides, seeds of the banks."""

    customers: int
    months: int
    seeds: tuple[int, ...]


# Seeds 1 to 3, 6, 8, 11 and 12 are banks that learners were developed on: they prove nothing.
SIZES = {
    "small": Extent(2_500, 3, (5,)),
    "third": Extent(8_000, 12, (9, 10)),
    "full": Extent(24_000, 12, (13, 14)),
}


def run(size: str) -> None:
    """Found the banks, let each live under every policy, and write both tables."""
    extent, started = SIZES[size], perf_counter()
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(partial(_found, folder, extent), extent.seeds))
            jobs = [(seed, player) for seed in extent.seeds for player in PLAYERS]
            lived = dict(zip(jobs, pool.map(partial(_live, folder, extent), jobs), strict=True))
            parts = list(pool.map(partial(_parts, folder, extent), extent.seeds))
    seconds = perf_counter() - started
    _write_policies(size, extent, lived, seconds)
    _write_parts(size, extent, parts)


def _found(folder: Path, extent: Extent, seed: int) -> None:
    found(folder / f"bank{seed}", extent.customers, seed)


def _live(folder: Path, extent: Extent, job: tuple[int, str]) -> list[Earned]:
    seed, player = job
    home = folder / f"{seed}-{list(PLAYERS).index(player)}"
    settings = replace(read_settings(), threads=1)
    lived = live(folder / f"bank{seed}", home, player, extent.months, seed, settings)
    print(f"bank {seed}, {player}: {reduce(add, lived)}", flush=True)
    return lived


def _parts(folder: Path, extent: Extent, seed: int) -> list[Part]:
    return parts_of(folder / f"bank{seed}", extent.months, seed)


def _write_policies(
    size: str, extent: Extent, lived: Mapping[tuple[int, str], Sequence[Earned]], seconds: float
) -> None:
    """One line a policy: sums over the months, means over the banks."""
    whole = {job: reduce(add, months) for job, months in lived.items()}

    def of(player: str, name: str) -> Floats:
        return np.array([getattr(whole[seed, player], name) for seed in extent.seeds], np.float64)

    above = {player: of(player, "profit") - of(NOBODY, "profit") for player in PLAYERS}
    rows = [
        [
            player,
            _around(above[player], "{:,.0f}"),
            _around(100 * above[player] / above[BEST], "{:.0f}%"),
            *(f"{of(player, name).mean():,.0f}" for name in ("contacts", "spent")),
            *(f"{of(player, name).mean():,.1f}" for name in ("complaints", "opt_outs")),
        ]
        for player in PLAYERS
    ]
    chance = "means, +- the standard error over the banks" if len(extent.seeds) > 1 else "no interval"
    head = ["policy", "profit above nobody, EUR", "of the oracle's", "contacts"]
    head += ["spent on contacts, EUR", "complaints", "opt-outs"]
    note = (
        f"True expected profit in {extent.months} months of {_banks(extent)}, above that of the same bank "
        f"contacting nobody; {chance}. Complaints and opt-outs are those that contacts bring, in "
        f"expectation. The same for all: {MONEY:.2f} EUR for contacts, {60 * HOURS['call']:.2f} minutes of "
        f"calls and {60 * HOURS['branch']:.2f} of talks for each customer and month; the shipped policy's "
        f"rules; chance. Models learn once, from {HISTORY} months. Propensity x value has the propensity "
        "model's scores and the catalogue's margins; its second row has Tenure's learned chances after a "
        "contact and learned margins. All that rank by money share one allocation. The oracle knows the "
        "laws of one month and prices what follows roughly: it is not the best possible. "
        f"{seconds:.0f} s in all."
    )
    write_table("policy", size, head, rows, note)


def _write_parts(size: str, extent: Extent, parts: Sequence[Sequence[Part]]) -> None:
    """What each estimate's error costs in one month, at the start."""
    rows = []
    for banks in zip(*parts, strict=True):
        alone, but = (np.array([getattr(part, name) for part in banks]) for name in ("alone", "but"))
        rows.append([banks[0].name, _around(100 * alone, "{:.0f}%"), _around(100 * but, "{:.0f}%")])
    head = ["estimate", "this alone true", "all but this true"]
    note = (
        f"True worth of one month's decisions, later effects of contacts included, as a share of the "
        f"oracle's; Tenure's estimates, made true one by one. {_banks(extent)}."
    )
    write_table("policy-parts", size, head, rows, note)


def _banks(extent: Extent) -> str:
    count = len(extent.seeds)
    return f"{count} simulated bank{'s' * (count > 1)} that {extent.customers:,} customers join in all"


def _around(values: Floats, form: str) -> str:
    """The mean, with its standard error where there are several values."""
    mean = form.format(values.mean())
    if len(values) < 2:
        return mean
    return f"{mean} +- {form.format(values.std(ddof=1) / len(values) ** 0.5)}"
