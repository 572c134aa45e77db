"""What the manifest says of one import: its files, what it added, set aside, and from when it counts."""

import hashlib
from pathlib import Path
from typing import Any

from features.history.check import Inspection
from features.history.contract import TABLES
from features.history.tables import find_files
from features.home import sha256_of

__all__ = ["source_entry"]


def source_entry(inspection: Inspection, folder: Path, number: int, *, append: bool) -> dict[str, Any]:
    """The entry of one import, `number` from 0, for `manifest["sources"]`.

    `id` is the SHA-256 over the sorted (file name, SHA-256) pairs and the number; `added` counts the
    rows that were not stored before, by table; `quarantined` the rows set aside, by table and
    reason. `earliest_known_at` is the earliest known_at among the added rows, null if there are none.

    A snapshot at as_of is touched by the import if and only if earliest_known_at <= as_of: an added
    row is visible from its known_at, and ends an older version only from then. This covers the
    conversion of stored bookings too: a rate counts from the later of its date and its known_at, so
    an added one changes only bookings after its known_at, which are visible only after it.
    """
    sieves = inspection.sieves.items()
    files = {path.name: sha256_of(path) for table in TABLES for path in find_files(folder, table)}
    digest = hashlib.sha256("".join(f"{name}\0{held}\n" for name, held in sorted(files.items())).encode())
    digest.update(str(number).encode())
    added, earliest = {}, []
    for table in TABLES:
        [(rows, known)] = inspection.connection.execute(
            f"SELECT count(*), min(known_at) FROM added_{table.name}"
        ).fetchall()
        added[table.name] = rows
        earliest += [known] if known else []
    return {
        "id": digest.hexdigest(),
        "append": append,
        "files": files,
        "added": added,
        "quarantined": {name: sieve.reasons() for name, sieve in sieves if sieve.quarantined},
        "earliest_known_at": min(earliest).isoformat() if earliest else None,
    }
