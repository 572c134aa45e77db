"""Our online store beside Feast's SQLite store and Feast's Redis store: one snapshot, one run.

The snapshot has the declared fields of the shipped catalogue, random values, a tenth of them null
where null is declared. Feast writes the same values through its own write path (protobuf by
protobuf), from batches of 10,000 rows, as its materialisation would. Reads are of all fields; the
service object is held, so that Feast resolves nothing anew.

`make bench-online SIZE=small|full`; Redis is measured where redis-server is installed.
"""

import argparse
import gc
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import redis
from feast import FeatureStore, RepoConfig

from benchmarks.table import write_table
from features.catalogue import load_catalogue, shipped_catalogue
from features.families import all_families
from features.home import Home
from features.online import OnlineReader
from features.online.materialize import put_online
from features.online.storage import open_storage
from features.settings import quiet_environment
from features.views import DECISION_SERVICE, declare_views

CUSTOMERS = {"small": 5_000, "full": 30_000}
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
SEED = 5
WORDS = np.array(["north", "south", "east", "west", "a longer word, as occupations are"])
KINDS = {"int64": pa.int64(), "float64": pa.float64(), "string": pa.string()}


class Figures(NamedTuple):
    """Of one store: writing, size, reading one customer, reading a thousand."""

    seconds: float
    size: float
    p50: float
    p99: float
    thousand: float

    def cells(self) -> list[str]:
        ms = [f"{self.p50:.3f}", f"{self.p99:.3f}", f"{self.thousand:.1f}"]
        return [f"{self.seconds:.2f}", f"{self.size / 1e6:.1f}", *ms]


def snapshot(home: Home, customers: int) -> Path:
    """Random rows with every declared field, as a build would leave them."""
    home.path.mkdir(parents=True)
    home.catalogue.write_bytes(shipped_catalogue())
    rng = np.random.default_rng(SEED)
    stamp = pa.array([AS_OF] * customers, pa.timestamp("us", "UTC"))
    columns = {
        "customer_id": pa.array([f"C{i:08d}" for i in range(customers)]),
        "as_of": stamp,
        "created_at": stamp,
    }
    for field in (f for family in all_families(load_catalogue(home.catalogue)) for f in family.fields):
        values = {
            "int64": lambda: rng.integers(-1_000_000, 1_000_000, customers),
            "float64": lambda: rng.normal(size=customers),
            "string": lambda: WORDS[rng.integers(0, len(WORDS), customers)],
        }[field.dtype]()
        null = rng.random(customers) < 0.1 if field.null == "null" else None
        columns[field.name] = pa.array(values, KINDS[field.dtype], mask=null)
    path = home.offline / "2026-01-01.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table(columns), path, compression="zstd")
    return path


def feast_store(home: Home, online: dict[str, Any], offline: Path | None = None) -> FeatureStore:
    """A Feast store over a folder's snapshots, else the home's, with one of Feast's own online stores."""
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(home.path / f"registry-{online['type']}.db"),
        offline_store={"type": "duckdb"},
        online_store=online,
        entity_key_serialization_version=3,
        materialization_config={"online_write_batch_size": 10_000, "pull_latest_features": True},
        repo_path=home.path,
    )
    store = FeatureStore(config=config)
    families = all_families(load_catalogue(home.catalogue))
    store.apply(declare_views(families, offline or home.offline))
    return store


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def percentiles(read: Callable[[list[str]], object], ids: Sequence[str], calls: int) -> tuple[float, float]:
    """p50 and p99 of reading one customer, in milliseconds."""
    rng = np.random.default_rng(SEED)
    asked = [[ids[i]] for i in rng.integers(0, len(ids), calls + 50)]
    for one in asked[:50]:
        read(one)
    gc.collect()
    gc.freeze()
    times = np.array([timed(lambda one=one: read(one)) for one in asked[50:]])
    return float(np.quantile(times, 0.5) * 1e3), float(np.quantile(times, 0.99) * 1e3)


def bulk(read: Callable[[list[str]], object], ids: Sequence[str]) -> float:
    """Median of five reads of 1,000 customers, in milliseconds."""
    rng = np.random.default_rng(SEED)
    some = [list(rng.choice(ids, 1_000, replace=False)) for _ in range(5)]
    return float(np.median([timed(lambda s=s: read([str(i) for i in s])) for s in some]) * 1e3)


def measure_feast(
    home: Home, online: dict[str, Any], size: Callable[[], int], ids: Sequence[str]
) -> Figures:
    store = feast_store(home, online)
    with redirect_stdout(StringIO()):
        seconds = timed(lambda: store.materialize(AS_OF - timedelta(seconds=1), AS_OF))
    service = store.get_feature_service(DECISION_SERVICE)

    def read(some: list[str]) -> object:
        return store.get_online_features(service, [{"customer_id": i} for i in some]).to_dict()

    return Figures(seconds, size(), *percentiles(read, ids, 300), bulk(read, ids))


def measure_ours(home: Home, url: str, path: Path, size: Callable[[], int], ids: Sequence[str]) -> Figures:
    def materialise() -> None:
        storage = open_storage(home, url)
        storage.flip(put_online(storage, home, path, "bench", AS_OF, lambda _: None))
        storage.sweep()
        storage.close()

    seconds = timed(materialise)
    reader = OnlineReader(home, url)
    return Figures(seconds, size(), *percentiles(reader.read, ids, 2_000), bulk(reader.read, ids))


@contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """A Redis on a free port; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "redis-server",
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        next(line for line in server.stdout or () if "Ready to accept connections" in line)
        yield port
        server.terminate()


def measure(folder: Path, customers: int) -> dict[str, Figures]:
    home = Home(folder / "home")
    path = snapshot(home, customers)
    ids = pq.read_table(path, columns=["customer_id"])["customer_id"].to_pylist()
    by_feast = folder / "feast.db"
    found = {
        "Tenure, embedded": measure_ours(home, "", path, lambda: home.online_db.stat().st_size, ids),
        "Feast SQLite": measure_feast(
            home, {"type": "sqlite", "path": str(by_feast)}, lambda: by_feast.stat().st_size, ids
        ),
    }
    if shutil.which("redis-server") is None:
        return found
    with redis_server(folder) as port:
        client = redis.Redis(port=port)

        def memory() -> int:
            return int(client.info("memory")["used_memory"])

        url = f"redis://127.0.0.1:{port}/0"
        found["Tenure on Redis"] = measure_ours(home, url, path, memory, ids)
        client.flushall()
        online = {"type": "redis", "connection_string": f"127.0.0.1:{port}"}
        found["Feast Redis"] = measure_feast(home, online, memory, ids)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(CUSTOMERS), default="small")
    size = parser.parse_args().size
    quiet_environment()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        print(f"writing {CUSTOMERS[size]:,} customers to each online store; Feast takes its time")
        found = measure(Path(folder), CUSTOMERS[size])
        fields = [
            f
            for family in all_families(load_catalogue(Path(folder) / "home" / "catalogue.toml"))
            for f in family.fields
        ]
    ours, theirs = found["Tenure, embedded"], found["Feast SQLite"]
    ratios = [f"{other / own:.0f}x" for own, other in zip(ours, theirs, strict=True)]
    table = [[name, *figures.cells()] for name, figures in found.items()]
    table.append(["Feast SQLite to ours", *ratios])
    head = ["store", "materialise s", "size MB", "one customer p50 ms", "p99 ms", "1,000 customers ms"]
    note = (
        f"{CUSTOMERS[size]:,} customers x {len(fields)} fields, all fields read; Feast through "
        f"`get_online_features`, ours through `OnlineReader`; Redis sizes are its memory. "
        f"{time.perf_counter() - start:.0f} s in all."
    )
    write_table("online", size, head, table, note)


if __name__ == "__main__":
    main()
