"""The tables of the quality benchmark: every outcome asked of every way, and what came of it.

One table has a line for each outcome, the other every measure of every way. An interval comes from
resampling the test's customers, the same ones for both sides.
"""

import itertools
import tempfile
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.quality_bank import SEED, Array, Case, Extent, bank_cases, berka_cases
from benchmarks.quality_peers import OURS, WAYS, answer, warm_up
from benchmarks.table import write_table
from features.settings import Settings
from training.measures import auc, average_precision, calibration_error, calibration_line

PRODUCTS = ("card", "loan", "standing_order")
EXTENT = {
    "small": Extent(36, ("balance_attrition", "card"), 5_000, 24, ("closure", "card"), 60, 12, 8.0),
    "full": Extent(
        *(54, ("balance_attrition", *PRODUCTS)),
        *(10_000, 36, ("closure", *PRODUCTS), 100, 24, 15.0),
    ),
}
LIMIT = {"small": 180.0, "full": 1_500.0}
"""Seconds after which no further outcome is begun."""
RESAMPLES = 200


@dataclass(frozen=True)
class Answer:
    """What one way said of an outcome's test rows, and how long it took."""

    way: str
    probability: Array
    seconds: float


def answers(case: Case) -> list[Answer]:
    """Ask every way, one after the other."""
    found = []
    for way in WAYS:
        probability, seconds = answer(way, case)
        case = replace(case, one_fit=seconds) if way == OURS[0] else case
        found.append(Answer(way, probability, seconds))
        reached = auc(case.actual[case.split.test], probability)
        click.echo(f"{case.bank} {case.outcome}: {way} in {seconds:.1f} s, AUC {reached:.3f}")
    return found


def summary(case: Case, found: list[Answer]) -> list[str]:
    """One line: AUC and Brier score of every way, and ours beside the best other."""
    actual = case.actual[case.split.test]
    scores = [a.probability for a in found] + ([] if case.best is None else [case.best])
    cells = [f"{auc(actual, p):.3f} / {brier(actual, p):.4f}" for p in scores]
    cells += [""] if case.best is None else []
    names = [f"{case.bank}: {case.outcome}", f"{len(actual):,}", f"{actual.sum():.0f}"]
    return [*names, *cells, against_best_other(actual, found)]


def against_best_other(actual: Array, found: list[Answer]) -> str:
    """AUC of ours, tuned, less that of the best other, with 90% of the resamples."""
    ours = next(a.probability for a in found if a.way == OURS[-1])
    other = max((a.probability for a in found if a.way not in OURS), key=lambda p: auc(actual, p))
    rng, gaps = np.random.default_rng(SEED), []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(actual), len(actual))
        gaps.append(auc(actual[rows], ours[rows]) - auc(actual[rows], other[rows]))
    low, high = np.nanquantile(gaps, [0.05, 0.95])
    said = "first" if low > 0 else "behind" if high < 0 else "within noise"
    return f"{auc(actual, ours) - auc(actual, other):+.3f} ({low:+.3f} to {high:+.3f}), {said}"


def measures(case: Case, found: list[Answer]) -> list[list[str]]:
    """Every measure of every way, one line each."""
    actual = case.actual[case.split.test]
    lines = [(a.way, f"{a.seconds:.1f}", a.probability) for a in found]
    lines += [] if case.best is None else [("best possible", "", case.best)]
    return [
        [
            f"{case.bank}: {case.outcome}",
            way,
            seconds,
            f"{auc(actual, p):.4f}",
            f"{average_precision(actual, p):.4f}",
            f"{brier(actual, p):.5f}",
            f"{calibration_error(actual, p):.4f}",
            f"{calibration_line(actual, p)[0]:.2f}",
            *distance(case.best, p),
        ]
        for way, seconds, p in lines
    ]


def brier(actual: Array, probability: Array) -> float:
    """Mean squared error of probabilities."""
    return float(np.mean((actual - probability) ** 2))


def distance(best: Array | None, probability: Array) -> list[str]:
    """How far AUC and Brier score are expected to lie from the best, over what could have happened."""
    if best is None:
        return ["", ""]
    short = true_auc(best, best) - true_auc(best, probability)
    return [f"{short:.4f}", f"{np.mean((best - probability) ** 2):.5f}"]


def true_auc(chance: Array, score: Array) -> float:
    """The AUC to be expected where each row is a positive with its own chance."""
    outcome = np.repeat([1, 0], len(chance))
    weight = np.concatenate([chance, 1 - chance])
    return float(roc_auc_score(outcome, np.tile(score, 2), sample_weight=weight))


def write(size: str, asked: list[tuple[Case, list[Answer]]], left_out: bool, seconds: float) -> None:
    """Both tables."""
    e = EXTENT[size]
    note = (
        f"Six-month outcomes, out of time, at most {e.snapshots} training snapshots; the Berka bank's "
        f"account owners, and a simulated bank of {e.customers:,} customers. Same rows and split for all, "
        f"{e.seconds:.0f} s for each way and outcome; FLAML {version('flaml')} validates on customers held "
        f"out of the training rows. Best possible: P(outcome | hidden state), from {e.paths} futures. "
    )
    if left_out:
        note += f"Outcomes not begun within {LIMIT[size]:.0f} s are left out. "
    note += f"{seconds:.0f} s in all."
    head = [
        "outcome",
        "rows",
        "positives",
        *WAYS,
        "best possible",
        "AUC of Tenure, tuned, less the best other's",
    ]
    table = [summary(case, found) for case, found in asked]
    told = f"Each cell is AUC / Brier score; intervals are 90% of {RESAMPLES} resamples of the customers. "
    write_table("quality", size, head, table, told + note)
    head = ["outcome", "way", "s", "AUC", "average precision", "Brier", "ECE", "slope"]
    head += ["AUC short of the best", "Brier above the best"]
    table = [line for case, found in asked for line in measures(case, found)]
    told = "Distances from the best are expected over what could have happened, not the test's luck. "
    write_table("quality-measures", size, head, table, told + note)


def run(size: str, source: Path, settings: Settings) -> None:
    """Ask everything of everybody and write both tables; `source` is the folder of the Berka bank."""
    start = time.perf_counter()
    warm_up()
    asked, left_out = [], False
    with tempfile.TemporaryDirectory() as berka, tempfile.TemporaryDirectory() as bank:
        click.echo(f"importing {source} and building its features")
        cases = itertools.chain(
            berka_cases(Path(berka), source, EXTENT[size], settings),
            bank_cases(Path(bank), EXTENT[size], settings),
        )
        for case in cases:
            if left_out := time.perf_counter() - start > LIMIT[size]:
                break
            asked.append((case, answers(case)))
    write(size, asked, left_out, time.perf_counter() - start)
