"""Put the current generation of features online: from its snapshot, in pieces, then in one step."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq

from features.catalogue import load_catalogue
from features.errors import CorruptError, NotReadyError
from features.families import all_families
from features.home import Home
from features.online.packed import views_of
from features.online.push import apply_pending
from features.online.storage import Online, Storage, open_storage, writing
from features.settings import Settings, read_settings
from features.snapshots import Generation, current_generation, snapshot_path

__all__ = ["materialize", "put_online"]

_BATCH = 16_384


def materialize(home: Home, tell: Callable[[str], None], settings: Settings | None = None) -> Generation:
    """Write the current generation into the online storage, whole: all views or none flip.

    What is written is the snapshot at the generation's own as_of, so no end can lie in the future
    or before a start. Pushed events that the snapshot does not know are applied again on top
    before anybody reads it. A kill at any moment leaves the generation before; an embedded file
    that is damaged, or of another edition, is written anew.

    Parameters
    ----------
    settings
        Where the storage is, and what DuckDB may use; the defaults if None.

    Returns
    -------
    Generation
        The one that is now online.

    Raises
    ------
    NotReadyError
        If no features were built, or their snapshot is not there.
    CorruptError
        If the snapshot's columns are not the declared ones, or rows were lost on the way.
    """
    settings = settings or read_settings({})
    generation = current_generation(home)
    path = snapshot_path(home, generation, generation.as_of)
    if not path.is_file():
        raise NotReadyError(f"{path}: no snapshot; cure: run `tenure features build --as-of DATE`")
    tell(f"materialising {generation.name} into the online store")
    try:
        _publish(home, path, generation, settings, tell)
    except (_Unreadable, sqlite3.DatabaseError) as error:
        # Subclasses are other faults: a full disk, a lock. Those leave a sound file.
        if type(error) not in (_Unreadable, sqlite3.DatabaseError):
            raise
        # All that the file holds comes from the snapshot and from the events: nothing is lost.
        tell("the online store cannot be read and is written anew")
        home.online_db.unlink(missing_ok=True)
        _publish(home, path, generation, settings, tell)
    return generation


def _publish(
    home: Home, path: Path, generation: Generation, settings: Settings, tell: Callable[[str], None]
) -> None:
    try:
        storage = open_storage(home, settings.online)
    except CorruptError as error:
        raise _Unreadable from error
    with closing(storage):
        online = put_online(storage, home, path, generation.name, generation.as_of, tell)
        with writing(home):
            apply_pending(home, storage, online, generation, settings, tell)
            tell(f"{generation.name} becomes current")
            storage.flip(online)
        tell("dropping the generation before it")
        storage.sweep()


class _Unreadable(Exception):
    """The storage's file is not one that we wrote."""


def put_online(
    storage: Storage, home: Home, path: Path, name: str, as_of: datetime, tell: Callable[[str], None]
) -> Online:
    """Write one snapshot file as a new generation that nobody reads yet.

    Raises
    ------
    CorruptError
        If not every row arrived.
    """
    views = views_of(all_families(load_catalogue(home.catalogue)))
    online = storage.begin(name, as_of, views)
    file = pq.ParquetFile(path)
    total, done = file.metadata.num_rows, 0
    for batch in file.iter_batches(batch_size=_BATCH):
        storage.load(online, batch)
        done += batch.num_rows
        tell(f"{done:,} of {total:,} customers written")
    if (stored := storage.count(online)) != total:
        raise CorruptError(f"{path}: {total} customers went in and {stored} came out; cure: run it again")
    return online
