"""Features at bank scale: our engines beside the floor, pandas and polars, in one run.

The floor is one group-by (count and sum for each customer) over the history in order of time, as a
bank delivers it; `scan` sums the same columns without grouping. Every measurement runs in its own
process, so that its peak memory is its own; each is the better of two runs, ours after a first call
that compiles. `make bench-features SIZE=small|full`; TENURE_HOME keeps the simulated banks.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from benchmarks.peers import by_pandas, by_polars, windows_of
from benchmarks.table import peak_gb, write_table
from features.catalogue import load_catalogue
from features.engines import Job, engine_named
from features.families import all_families
from features.history.load import import_folder
from features.home import Home
from features.months import months_before
from features.settings import quiet_environment, read_settings
from features.simulate import simulate

END = datetime(2026, 1, 1, tzinfo=UTC)
MONTHS, SEED = 18, 3
CUSTOMERS = {"small": (10_000, 30_000), "full": (10_000, 100_000, 1_000_000)}
MEMORY = "4GB"
LIMIT_GB = 16
"""Peers that want more are stopped: the table says `out of memory`."""


def silent(_: str) -> None:
    """Say nothing."""


def bank(customers: int) -> Home:
    """A simulated bank, kept below TENURE_HOME for the next run."""
    home = Home(read_settings().home / "bench" / str(customers))
    if not (home.path / "by_time.parquet").is_file():
        print(f"simulating {customers:,} customers", flush=True)
        raw = home.path / "raw"
        simulate(raw, home.truth, customers=customers, months=MONTHS, seed=SEED, end=END, tell=silent)
        import_folder(raw, home, None, append=False, threads=2, memory=MEMORY, tell=silent)
        (raw / "transactions.parquet").rename(home.path / "by_time.parquet")
    return home


def floor(home: Home, _: int) -> int:
    return _query(
        f"SELECT customer_id, count(*), sum(amount) FROM '{home.path}/by_time.parquet' GROUP BY 1"
    )


def floor_sorted(home: Home, _: int) -> int:
    path = home.history / "transactions.parquet"
    return _query(f"SELECT customer_id, count(*), sum(amount_reporting) FROM '{path}' GROUP BY 1")


def scan(home: Home, _: int) -> int:
    path = home.history / "transactions.parquet"
    columns = ("at", "known_at", "known_until")
    parts = [f'max("{c}")' for c in columns] + [f"sum({c}_reporting)" for c in ("amount", "balance")]
    parts += [f"max({c})" for c in ("customer_id", "holding_id", "category", "channel")]
    return _query(f"SELECT {', '.join(parts)} FROM '{path}'")


def _query(sql: str) -> int:
    connection = duckdb.connect(config={"threads": 2, "memory_limit": MEMORY})
    return len(connection.execute(sql).fetchnumpy())


def engine(name: str) -> Callable[[Home, int], int]:
    def run(home: Home, moments: int) -> int:
        families = all_families(load_catalogue(home.catalogue))
        asked = tuple(months_before(END, back) for back in reversed(range(moments)))
        with tempfile.TemporaryDirectory(dir=home.path) as folder:
            engine_named(name)(Job(home, families, asked, Path(folder), 2, MEMORY, silent))
            return sum(pq.read_metadata(p).num_rows for p in Path(folder).glob("*.parquet"))

    return run


def peer(how: Callable[..., int]) -> Callable[[Home, int], int]:
    def run(home: Home, _: int) -> int:
        families = all_families(load_catalogue(home.catalogue))
        return how(home.history / "transactions.parquet", windows_of(families), END)

    return run


MEASURES: dict[str, tuple[str, Callable[[Home, int], int], int, int]] = {
    "scan": ("scan and sum of the same columns", scan, 1, 2),
    "floor": ("floor: one group-by, history in order of time", floor, 1, 2),
    "floor_sorted": ("the same group-by on customer-sorted history", floor_sorted, 1, 2),
    "compiled": ("Tenure, compiled pass, one snapshot, written", engine("compiled"), 1, 2),
    "compiled_12": ("Tenure, compiled pass, twelve snapshots, written", engine("compiled"), 12, 1),
    "duckdb": ("Tenure, --engine duckdb, one snapshot, written", engine("duckdb"), 1, 1),
    "polars": ("polars, streaming: windows over transactions only", peer(by_polars), 1, 1),
    "pandas": ("pandas: windows over transactions only", peer(by_pandas), 1, 1),
}


def measure(name: str, customers: int) -> None:
    """Run one measurement in this process, and print it as JSON."""
    quiet_environment()
    _, run, moments, times = MEASURES[name]
    home, seconds = bank(customers), []
    if name.startswith("compiled"):
        run(bank(min(CUSTOMERS["small"])), 1)  # compiles, or loads what was compiled
    if name in ("polars", "pandas"):
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_GB * 10**9, LIMIT_GB * 10**9))
    for _ in range(times):
        started = time.perf_counter()
        rows = run(home, moments)
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"seconds": min(seconds), "gb": peak_gb(), "rows": rows}))


def measured(name: str, customers: int) -> dict[str, Any] | None:
    """Run one measurement in a process of its own; None if it died, of memory as a rule."""
    command = [sys.executable, "-m", "benchmarks.features", "--one", name, "--customers", str(customers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600)
    if done.returncode:
        print(done.stderr[-300:], flush=True)
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(customers, name, found, flush=True)
    return found


def compare(size: str) -> None:
    sizes = CUSTOMERS[size]
    booked = [pq.read_metadata(bank(n).history / "transactions.parquet").num_rows for n in sizes]
    found = {(name, n): measured(name, n) for n in sizes for name in MEASURES}
    rows = []
    for name, (title, *_) in MEASURES.items():
        cells = [_cell(found[name, n], found["floor", n]) for n in sizes]
        largest = found[name, sizes[-1]]
        rows.append([title, *cells, f"{largest['gb']:.1f}" if largest else f"over {LIMIT_GB}"])
    families = all_families(load_catalogue(bank(sizes[0]).catalogue))
    note = (
        f"Seconds (times the floor of the same size). {sum(len(f.fields) for f in families)} features, "
        f"{MONTHS} months of history, two threads, {MEMORY} for DuckDB. "
        f"Peers compute {len(windows_of(families))} of the features and write nothing."
    )
    counts = zip(sizes, booked, strict=True)
    head = ("", *(f"{n:,} customers, {rows / 1e6:.0f} M bookings" for n, rows in counts), "peak GB at most")
    write_table("features", size, head, rows, note)


def _cell(one: dict[str, Any] | None, floor: dict[str, Any] | None) -> str:
    if one is None:
        return f"out of memory at {LIMIT_GB} GB"
    ratio = f" ({one['seconds'] / floor['seconds']:.1f})" if floor else ""
    return f"{one['seconds']:.2f}{ratio}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=CUSTOMERS, default="small")
    parser.add_argument("--one", choices=MEASURES)
    parser.add_argument("--customers", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.one:
        measure(chosen.one, chosen.customers)
    else:
        compare(chosen.size)
