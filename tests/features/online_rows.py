"""Small online rows for the tests of the storages: two views, a few customers."""

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features.online.packed import Codec, View
from features.online.storage import Online, Storage, to_us

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
MONEY = View("money", (("balance", "int64"), ("share", "float64")), ttl_days=35)
WORDS = View("words", (("region", "string"), ("visits", "int64")))
VIEWS = (MONEY, WORDS)
_KINDS = {"int64": pa.int64(), "float64": pa.float64(), "string": pa.string()}


def batch(rows: Mapping[str, Sequence[Any]], as_of: datetime = AS_OF) -> pa.RecordBatch:
    """Customer -> (balance, share, region, visits), all taken at as_of."""
    fields = [field for view in VIEWS for field in view.fields]
    stamp = pa.timestamp("us", "UTC")
    columns = {
        "customer_id": pa.array(list(rows), pa.string()),
        "as_of": pa.array([as_of] * len(rows), stamp),
        "created_at": pa.array([as_of] * len(rows), stamp),
    }
    for place, (name, dtype) in enumerate(fields):
        columns[name] = pa.array([row[place] for row in rows.values()], _KINDS[dtype])
    return pa.record_batch(columns)


def publish(
    storage: Storage, name: str, rows: Mapping[str, Sequence[Any]], as_of: datetime = AS_OF
) -> Online:
    """Make these rows the current generation."""
    online = storage.begin(name, as_of, VIEWS)
    storage.load(online, batch(rows, as_of))
    storage.flip(online)
    storage.sweep()
    return online


def money(
    customer_id: str, event: datetime, balance: int | None, created: datetime | None = None
) -> dict[str, list[tuple[str, bytes]]]:
    """One row of the view `money`, as `put` takes it."""
    row = Codec(MONEY).pack(to_us(event), to_us(created or event), [balance, None])
    return {"money": [(customer_id, row)]}


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A real Redis on a free port, as its URL; gone afterwards."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen([binary, *options], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert any("Ready to accept connections" in line for line in server.stdout or ())
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
