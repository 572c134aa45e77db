"""A training set through Feast beside our own as-of join in DuckDB, on the same snapshots.

Both give each (customer, as_of) its features as they were known then (event time and created time
at or before as_of), as one DataFrame; the first also keeps the order of the left side and counts its
rows. Each runs in its own process.

`make bench-training-set SIZE=small|full`
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.table import peak_gb, write_table
from features.catalogue import load_catalogue, shipped_catalogue
from features.families import all_families, model_fields
from features.families.base import Field
from features.gate import views_of
from features.generations import Generation, generation_folder, serve, snapshot_path, write_generation
from features.home import Home, write_whole_folder
from features.moments import snapshot_moments
from features.settings import quiet_environment, read_settings
from features.store import join_features, register_views
from features.vocabulary import AS_OF, CREATED, CUSTOMER_ID

CUSTOMERS = {"small": 40_000, "full": 200_000}
MONTHS, EVERY = 12, 3
AS_OF_LAST = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = "churn_v1"
LEFT = "left.parquet"
WAYS = ("Feast", "as-of join")
MOST = 1.5


def prepare(home: Home, customers: int) -> None:
    """Snapshots of every declared field with made-up values, registered as a build does it."""
    home.path.mkdir(parents=True, exist_ok=True)
    home.catalogue.write_bytes(shipped_catalogue())
    families = all_families(load_catalogue(home.catalogue))
    fields = [f for family in families for f in family.fields]
    moments = tuple(snapshot_moments(AS_OF_LAST, MONTHS, EVERY))
    generation = Generation("2026-01-01.1", AS_OF_LAST, moments, ("",) * len(moments))
    rng = np.random.default_rng(7)
    ids = np.array([f"C{n:09d}" for n in range(customers)])
    with write_whole_folder(generation_folder(home, generation.name)) as part:
        for moment in moments:
            columns = {f.name: _values(f, customers, rng) for f in fields}
            when = pa.array([moment] * customers, pa.timestamp("us", "UTC"))
            table = pa.table({CUSTOMER_ID: ids, AS_OF: when, CREATED: when, **columns})
            pq.write_table(table, part / snapshot_path(home, generation, moment).name, compression="zstd")
        register_views(home, part, generation_folder(home, generation.name))
        write_generation(part, generation, views_of(families))
    serve(home, generation)
    pairs = pd.DataFrame({CUSTOMER_ID: np.tile(ids, len(moments)), AS_OF: np.repeat(moments, customers)})
    pairs["churn"] = (rng.random(len(pairs)) < 0.05).astype(float)
    pairs.sample(frac=1.0, random_state=7, ignore_index=True).to_parquet(home.path / LEFT)


def _values(field: Field, rows: int, rng: np.random.Generator) -> pa.Array:
    null = rng.random(rows) < 0.1 if field.null == "null" else None
    if field.dtype == "string":
        return pa.array(rng.choice(["north", "south", "east", "west"], rows), mask=null)
    if field.dtype == "int64":
        return pa.array(rng.integers(-(10**6), 10**6, rows), mask=null)
    return pa.array(rng.normal(size=rows), mask=null)


def by_feast(home: Home, left: pd.DataFrame) -> pd.DataFrame:
    return join_features(home, left, SERVICE)


def by_hand(home: Home, left: pd.DataFrame) -> pd.DataFrame:
    """The latest of the rows whose event and created time are both at or before as_of."""
    settings = read_settings({})
    fields = ", ".join(f'f."{field.name}"' for field in model_fields(load_catalogue(home.catalogue)))
    connection = duckdb.connect(config={"threads": settings.threads, "memory_limit": settings.memory})
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("pairs", left)
    snapshots = generation_folder(home, "2026-01-01.1") / "*.parquet"
    return connection.execute(
        f"SELECT p.*, {fields} FROM pairs p ASOF LEFT JOIN "
        f"(SELECT *, greatest({AS_OF}, {CREATED}) AS since FROM read_parquet('{snapshots}')) f "
        f"ON p.{CUSTOMER_ID} = f.{CUSTOMER_ID} AND p.{AS_OF} >= f.since"
    ).df()


def measure(home: Home, way: str) -> None:
    """Join once in this process, and print what it cost and a digest of what it gave."""
    left = pd.read_parquet(home.path / LEFT)
    join = by_feast if way == "Feast" else by_hand
    start = time.perf_counter()
    found = join(home, left)
    seconds = time.perf_counter() - start
    numbers = found.select_dtypes("number").astype("float64")
    # Whole numbers modulo 2^64: the sum does not depend on the order of rows.
    digest = int(pd.util.hash_pandas_object(numbers, index=False).to_numpy().sum())
    print(json.dumps({"seconds": seconds, "rss": peak_gb(), "rows": len(found), "digest": digest}))


def run(home: Home, way: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.training_set", "--way", way, "--home", str(home.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(CUSTOMERS), default="small")
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    quiet_environment()
    if options.way:
        measure(Home(options.home), options.way)
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        prepare(home, CUSTOMERS[options.size])
        found = {way: run(home, way) for way in WAYS}
        fields = len(model_fields(load_catalogue(home.catalogue)))
    feast, plain = (found[way] for way in WAYS)
    if feast["rows"] != plain["rows"] or feast["digest"] != plain["digest"]:
        raise SystemExit("the two joins differ")
    table = [
        [
            way,
            f"{f['rows']:,.0f}",
            f"{f['seconds']:.1f}",
            f"{f['seconds'] / plain['seconds']:.2f}",
            f"{f['rss']:.1f}",
        ]
        for way, f in found.items()
    ]
    note = f"{fields} features, {EVERY}-monthly snapshots; target: at most {MOST} times the as-of join."
    write_table("training-set", options.size, ["way", "rows", "s", "x", "peak GB"], table, note)


if __name__ == "__main__":
    main()
