"""Generations of the features: which one is served, and where its snapshots lie.

`<home>/offline/<generation>/<date>.parquet` hold the snapshots, `generation.json` beside them says
what they are, `registry.db` what Feast knows of them. `<home>/offline/current.json` names the one
that is served; writing it, whole and last, is the flip. Older generations stay, so a training set
that was joined from one can be joined again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from features.engines.base import snapshot_file
from features.errors import CorruptError, NotReadyError
from features.home import Home, read_json, write_whole_json
from features.vocabulary import CREATED

__all__ = [
    "CURE",
    "CURRENT",
    "ENTRY",
    "REGISTRY",
    "Generation",
    "Views",
    "current_generation",
    "generation_folder",
    "generation_named",
    "read_entry",
    "read_snapshot",
    "serve",
    "snapshot_path",
    "verified_registry",
    "write_generation",
]

CURE = "run `tenure features build --as-of DATE`"
CURRENT = "current.json"
ENTRY = "generation.json"
REGISTRY = "registry.db"


Views = Mapping[str, Mapping[str, str]]
"""View -> field -> type."""


@dataclass(frozen=True)
class Generation:
    """One build of the features; `snapshots` in rising order, the last one is `as_of`.

    keys
        What each snapshot depends on, as a hash (see `features.keys`).
    """

    name: str
    as_of: datetime
    snapshots: tuple[datetime, ...]
    keys: tuple[str, ...] = ()


def current_generation(home: Home) -> Generation:
    """The generation that is served; NotReadyError if none was built."""
    return generation_named(home, read_json(home.offline / CURRENT, cure=CURE)["name"])


def generation_named(home: Home, name: str) -> Generation:
    """A generation by its name, current or not; NotReadyError if there is none of that name."""
    return _generation(read_entry(home, name))


def generation_folder(home: Home, name: str) -> Path:
    """Where the files of a generation lie."""
    return home.offline / name


def read_entry(home: Home, name: str) -> dict[str, Any]:
    """What `generation.json` holds: name, as_of, snapshots, keys, views, registry_sha256."""
    entry: dict[str, Any] = read_json(generation_folder(home, name) / ENTRY, cure=CURE)
    return entry


def verified_registry(folder: Path) -> bytes:
    """Feast's registry in a generation's folder.

    Raises
    ------
    CorruptError
        If it is not the one that was built.
    """
    entry, path = read_json(folder / ENTRY, cure=CURE), folder / REGISTRY
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != entry.get("registry_sha256"):
        raise CorruptError(f"{path}: not the registry that was built with its generation; cure: {CURE}")
    return content


def write_generation(part: Path, generation: Generation, views: Views) -> None:
    """Say in a generation's folder what it holds; its registry is there already."""
    registry = part / REGISTRY
    entry = {
        "name": generation.name,
        "as_of": generation.as_of.isoformat(),
        "snapshots": [s.isoformat() for s in generation.snapshots],
        "keys": generation.keys,
        "views": views,
    }
    if registry.is_file():
        entry["registry_sha256"] = hashlib.sha256(registry.read_bytes()).hexdigest()
    write_whole_json(part / ENTRY, entry)


def serve(home: Home, generation: Generation) -> None:
    """The flip: from here on this generation is the current one."""
    write_whole_json(home.offline / CURRENT, {"name": generation.name})


def _generation(entry: dict[str, Any]) -> Generation:
    return Generation(
        entry["name"],
        datetime.fromisoformat(entry["as_of"]),
        tuple(datetime.fromisoformat(s) for s in entry["snapshots"]),
        tuple(entry["keys"]),
    )


def snapshot_path(home: Home, generation: Generation, moment: datetime) -> Path:
    """The parquet file of one snapshot: customer_id, as_of, created_at, then every field."""
    return snapshot_file(generation_folder(home, generation.name), moment)


def read_snapshot(home: Home, as_of: datetime, generation: Generation | None = None) -> pd.DataFrame:
    """Every field of every live customer at one snapshot, sorted by customer_id.

    Parameters
    ----------
    generation
        The current one if None.

    Raises
    ------
    NotReadyError
        If that snapshot was not built.
    CorruptError
        If its file is damaged.
    """
    path = snapshot_path(home, generation or current_generation(home), as_of)
    if not path.is_file():
        raise NotReadyError(f"{path}: no snapshot at {as_of:%Y-%m-%d}; cure: {CURE}")
    try:
        # Nullable integers stay integers: as float64 a cent above 2^53 would be lost.
        return pd.read_parquet(path, dtype_backend="numpy_nullable").drop(columns=CREATED)
    except (pa.ArrowInvalid, OSError, KeyError) as error:
        raise CorruptError(f"{path}: damaged; cure: move it away, and {CURE}") from error
