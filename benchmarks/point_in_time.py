"""Wrong cells of the compiled pass in a million, against an oracle in plain Python.

Random histories of late, corrected and simultaneous rows are computed at twelve month ends, every
window and balance of every customer is compared with the oracle's answer, until `--size` is reached.
`make bench-point-in-time SIZE=small|full`.
"""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.table import write_table
from features.months import months_before
from features.vocabulary import CATEGORIES, CHANNELS
from tests.features.cells import LEVELS, WINDOWS, compare
from tests.features.conftest import row

CELLS = {"small": 100_000, "full": 1_000_000}
END = datetime(2024, 3, 31, tzinfo=UTC)
MOMENTS = tuple(months_before(END, back) for back in reversed(range(12)))
CUSTOMERS = [f"C{n:02d}" for n in range(20)]
Rows = list[dict[str, Any]]


def times(rng: np.random.Generator, n: int) -> list[datetime]:
    """Moments of thirty months; a third at midnight or a microsecond beside it."""
    days = rng.integers(0, 900, n)
    parts = np.where(rng.random(n) < 0.33, rng.integers(-1, 2, n), rng.integers(0, 86_400_000_000, n))
    return [
        END + timedelta(days=5 - int(d), microseconds=int(us)) for d, us in zip(days, parts, strict=True)
    ]


def versions(rng: np.random.Generator, at: datetime) -> list[datetime]:
    """When each version of a row became known: mostly one, at once; some late, some corrected."""
    first = at + timedelta(days=int(rng.choice([0, 0, 0, 0, 1, 45])), seconds=int(rng.integers(0, 2)))
    return [first, first + timedelta(days=int(rng.integers(1, 90)))][: 1 + int(rng.random() < 0.1)]


def history(rng: np.random.Generator) -> tuple[Rows, Rows]:
    booked, met = [], []
    for number, at in enumerate(times(rng, 60 * len(CUSTOMERS))):
        who = str(rng.choice(CUSTOMERS))
        common = {"customer_id": who, "at": at, "channel": str(rng.choice(CHANNELS))}
        for known in versions(rng, at):
            if number % 3:
                cents = int(rng.integers(-500_000, 500_000))
                more = {"amount": cents, "category": str(rng.choice(CATEGORIES)), "known_at": known}
                balance = None if rng.random() < 0.1 else int(rng.integers(-(10**6), 10**6))
                more |= {"holding_id": f"{rng.choice(['H', 'S', 'L'])}-{who}", "balance_after": balance}
                booked.append(row("transactions", transaction_id=f"T{number}", **common, **more))
            else:
                kind = str(rng.choice(["campaign", "call", "visit", "complaint", "survey", "session"]))
                said = rng.choice([None, "none", "opened", "accepted", "refused"])
                rating = float(rng.integers(0, 101)) / 10 if kind == "survey" else None
                more = {"kind": kind, "response": said, "rating": rating, "known_at": known}
                met.append(row("interactions", interaction_id=f"I{number}", **common, **more))
    return booked, met


def count(size: str) -> None:
    rng, compared, wrong = np.random.default_rng(1), 0, 0
    while compared < CELLS[size]:
        booked, met = history(rng)
        cells, differing = compare(booked, met, CUSTOMERS, MOMENTS, int(rng.choice([50, 400, 10**6])))
        compared, wrong = compared + cells, wrong + len(differing)
        print(f"{compared:,} cells, {wrong} wrong", flush=True)
    head = ("cells compared", "wrong", "windows and balances", "moments", "customers a history")
    cells = [f"{compared:,}", str(wrong), str(len(WINDOWS) + len(LEVELS)), "12", str(len(CUSTOMERS))]
    note = "Compiled pass against the oracle; one cell is exact or wrong."
    write_table("point-in-time", size, head, [cells], note)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=CELLS, default="small")
    count(parser.parse_args().size)
