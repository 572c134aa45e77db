"""The simulated bank's state as one file on disk."""

import zlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from features.errors import CorruptError, NotReadyError
from features.home import write_whole
from features.simulate.money import Array
from features.simulate.world import Clock, People, State, World

__all__ = ["load_world", "save_world"]


def save_world(path: Path, world: World) -> None:
    """Write the state whole, as plain arrays."""
    arrays: dict[str, Any] = {"clock": np.array([getattr(world.clock, f.name) for f in fields(Clock)])}
    for part in (world.people, world.state):
        arrays.update({f.name: getattr(part, f.name) for f in fields(part)})
    with write_whole(path) as target, target.open("wb") as handle:
        np.savez_compressed(handle, **arrays)


def load_world(path: Path) -> World:
    """Read a state that `save_world` wrote.

    Raises
    ------
    NotReadyError
        If there is none.
    CorruptError
        If the file is damaged or misses an array.
    """
    if not path.is_file():
        raise NotReadyError(f"{path}: no simulated bank here; cure: run `tenure simulate` first")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: Mapping[str, Array] = {name: stored[name] for name in stored.files}
        clock = Clock(*(int(v) for v in arrays["clock"]))
        people = People(**{f.name: arrays[f.name] for f in fields(People)})
        return World(clock, people, State(**{f.name: arrays[f.name] for f in fields(State)}))
    except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise CorruptError(f"{path}: damaged; cure: run `tenure simulate` again") from error
