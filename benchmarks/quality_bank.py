"""What the quality benchmark asks: outcomes of the Berka bank, and of a simulated bank with its truth.

The best possible answer to a simulated outcome is P(outcome within the horizon | the state at as_of),
hidden taste and parting included, which no history shows. It is found by living the half-year after
as_of many times from that state with other seeds, and adding up, month by month, the probabilities
that the world draws from for those whom the event has not met yet: far less noise than to count events.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import load_catalogue
from features.history.berka import map_berka
from features.history.load import import_folder
from features.home import Home
from features.settings import Settings
from features.simulate import simulate
from features.simulate.contacts import retained, touch
from features.simulate.laws import eligible, shipped, takeup
from features.simulate.leaving import leave_hazard
from features.simulate.output import customer_ids
from features.simulate.population import found
from features.simulate.step import step
from features.simulate.world import CURRENT, PRODUCTS, World
from features.store import build
from training.datasets import TrainingSet, training_set
from training.specs import CHURN, PROPENSITY, ModelSpec
from training.split import Split, out_of_time

Array = NDArray[np.float64]
Tell = Callable[[str], None]

BERKA_END = datetime(1998, 1, 1, tzinfo=UTC)
# The half-year before it has 184 days, the most there are: the label's window is six whole months.
BANK_END, HALF_YEAR, DAYS = datetime(2026, 11, 1, tzinfo=UTC), 6, 184
OBSERVED = 12
"""Months of history before the first snapshot of the simulated bank."""
SEED, OTHER_SEEDS = 7, 1_000_000


@dataclass(frozen=True)
class Extent:
    """How much of everything: months built, outcomes, customers, futures, snapshots learned from.

    seconds
        That each way may take for an outcome.
    """

    berka_months: int
    berka: tuple[str, ...]
    customers: int
    bank_months: int
    bank: tuple[str, ...]
    paths: int
    snapshots: int
    seconds: float


@dataclass(frozen=True)
class Case:
    """One outcome to learn.

    data, split
        One label only; `split.test` holds the rows that are judged.
    best
        P(outcome | state at as_of) of the test rows, where it is known.
    seconds, threads
        What each way may take.
    one_fit
        Seconds that our fit as shipped took, once that is known.
    """

    bank: str
    outcome: str
    spec: ModelSpec
    data: TrainingSet
    split: Split
    currency: str
    seconds: float
    threads: int
    best: Array | None = None
    one_fit: float = 0.0

    @property
    def actual(self) -> Array:
        """0 or 1 of every row, NaN where it does not count."""
        return self.data.frame[self.data.labels[0]].to_numpy(dtype=float)


def silent(_: str) -> None:
    """Say nothing."""


def berka_cases(folder: Path, source: Path, extent: Extent, settings: Settings) -> Iterator[Case]:
    """The wanted outcomes of the Berka bank."""
    map_berka(source, folder / "raw", silent)
    catalogue = files("features.history").joinpath("berka.toml").read_bytes()
    home = _built(folder, catalogue, BERKA_END, extent.berka_months, settings)
    for spec in (CHURN, PROPENSITY):
        spec = replace(spec, snapshots=extent.snapshots, gap_days=0)
        for case in _cases("Berka", home, spec, extent, settings):
            # Co-owners book nothing of their own: as trivial negatives they would lift every figure.
            owner = case.data.frame["holdings_shared"].to_numpy()[case.split.test] == 0
            yield replace(case, split=replace(case.split, test=case.split.test[owner]))


def bank_cases(folder: Path, extent: Extent, settings: Settings) -> Iterator[Case]:
    """The wanted outcomes of a simulated bank, with the best possible answer to each."""
    months = extent.bank_months + OBSERVED
    size = {"customers": extent.customers, "months": months, "seed": SEED, "end": BANK_END}
    simulate(folder / "raw", folder / "truth", **size, tell=silent)
    home = _built(folder, None, BANK_END, extent.bank_months, settings)
    best = best_possible(found(**size), months - HALF_YEAR, extent.paths)
    churn = replace(CHURN, definition="closure", gap_days=0)
    for spec in (churn, PROPENSITY):
        spec = replace(spec, snapshots=extent.snapshots, horizon_days=DAYS)
        for case in _cases("simulated", home, spec, extent, settings):
            customers = case.data.frame["customer_id"].iloc[case.split.test]
            yield replace(case, best=best.loc[customers, case.data.labels[0]].to_numpy())


def _built(folder: Path, catalogue: bytes | None, end: datetime, months: int, settings: Settings) -> Home:
    home = Home(folder)
    options = {"append": False, "threads": settings.threads, "memory": settings.memory, "tell": silent}
    import_folder(folder / "raw", home, catalogue, **options)
    build(home, end, months, settings, silent)
    return home


def _cases(bank: str, home: Home, spec: ModelSpec, extent: Extent, settings: Settings) -> Iterator[Case]:
    wanted = extent.berka if bank == "Berka" else extent.bank
    of_churn = spec.name == "churn"
    labels = [label for label in wanted if (label == spec.definition if of_churn else label in PRODUCTS)]
    if not labels:
        return
    data = training_set(home, spec, settings, silent)
    split, currency = out_of_time(data.frame, spec), load_catalogue(home.catalogue).currency
    for outcome in labels:
        label = "churn" if of_churn else outcome
        known = np.isfinite(data.frame[label].to_numpy(dtype=float)[split.test])
        judged = replace(split, test=split.test[known])
        one, name = replace(data, labels=(label,)), outcome.replace("_", " ")
        yield Case(bank, name, spec, one, judged, currency, extent.seconds, settings.threads)


def best_possible(world: World, months: int, paths: int) -> pd.DataFrame:
    """P(leaves), in column `churn`, and P(takes up) of each product within half a year, by customer_id.

    Parameters
    ----------
    world
        The bank as its history begins.
    months
        From then until as_of.
    paths
        How many futures are lived.
    """
    nobody = np.zeros(world.size, bool)
    for _ in range(months):
        world, _ = step(world, None, nobody)
    # A sum of hazards may pass 1 a little, where almost everybody leaves and futures are few.
    chance = np.minimum(sum(_future(world, OTHER_SEEDS + path) for path in range(paths)) / paths, 1.0)
    ids = customer_ids(np.arange(world.size), world.size).to_pylist()
    return pd.DataFrame(chance, index=ids, columns=["churn", *PRODUCTS])


def _future(world: World, seed: int) -> Array:
    """The probabilities along one future, shape (n, 1 + products)."""
    # Another seed also means other exchange rates, which move no law that is asked here.
    world = World(replace(world.clock, seed=seed), world.people, world.state)
    nobody = np.zeros(world.size, bool)
    waiting = np.ones((world.size, 1 + len(PRODUCTS)), bool)
    chance = np.zeros(waiting.shape)
    for _ in range(HALF_YEAR):
        after, rows = step(world, None, nobody)
        chosen, s = rows.choices, world.state.copy()
        settled = world.alive & (s.opened[:, CURRENT] >= 0)
        leave = np.where(settled, leave_hazard(world, retained(world, chosen.approach)), 0.0)
        s.warm[:] *= 0.5  # as a month begins, half of earlier contacts' effect is left
        chances = takeup(world, touch(world, s, chosen.approach)) * (1 - leave[:, None])
        take = np.where(eligible(world, shipped()), chances, 0.0)
        chance += np.where(waiting, np.column_stack([leave, take]), 0.0)
        waiting &= ~np.column_stack([chosen.leaving, chosen.bought >= 0])
        world = after
    return chance
