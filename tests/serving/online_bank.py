"""The tiny bank's rows in a real online store, one generation after the other."""

from contextlib import closing
from datetime import datetime

import pandas as pd
import pyarrow as pa

from features.home import Home
from features.online.packed import View
from features.online.sqlite import SqliteStorage
from serving.columns import from_frame

_KINDS = {"O": "string", "i": "int64", "I": "int64"}
_ARROW = {"int64": pa.int64(), "string": pa.string()}


def view_of(frame: pd.DataFrame) -> View:
    """All fields of a frame as one view that never grows stale."""
    dtypes = {n: _KINDS[getattr(t, "kind", "O")] for n, t in frame.dtypes.items() if n != "customer_id"}
    return View("all", tuple(dtypes.items()))


def put_online(home: Home, frame: pd.DataFrame, name: str, as_of: datetime) -> None:
    """Write a generation beside the one that is read, and let it take its place."""
    view, columns = view_of(frame), from_frame(frame)
    stamps = {n: pa.array([as_of] * len(frame), pa.timestamp("us", "UTC")) for n in ("as_of", "created_at")}
    rows = {n: pa.array(columns[n], _ARROW[d]) for n, d in view.fields}
    batch = pa.record_batch({"customer_id": pa.array(columns["customer_id"]), **stamps, **rows})
    with closing(SqliteStorage(home.online_db)) as storage:
        generation = storage.begin(name, as_of, (view,))
        storage.load(generation, batch)
        storage.flip(generation)
        storage.sweep()
