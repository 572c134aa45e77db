"""What a snapshot depends on, as one hash: equal keys mean equal snapshots."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from importlib.resources import files
from typing import Any

from features.families.base import Family

__all__ = ["SOURCES", "declarations_hash", "snapshot_key"]

SOURCES = (
    "compute.py",
    "months.py",
    "vocabulary.py",
    "history/contract.py",
    "history/cut.py",
    "history/derive.py",
    "history/levels.py",
)
"""Modules below `features` whose code decides what a value is, beside every file of the families.

The engines are not among them: each gives the same snapshot, which a test checks field by field.
"""


def declarations_hash(families: Sequence[Family]) -> str:
    """SHA-256 over what is declared, and over the source of what computes it.

    Expressions are code, so code counts by its bytes: a comment too makes a new key, which costs a
    build and never gives a stale value.
    """
    digest = hashlib.sha256()
    for family in families:
        digest.update(json.dumps(_declared(family), sort_keys=True).encode())
    for name, content in _code():
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def snapshot_key(as_of: datetime, declarations: str, catalogue: str, manifest: Mapping[str, Any]) -> str:
    """The key of one snapshot: what was declared, for which catalogue, on which imports.

    A snapshot at as_of sees only rows with known_at <= as_of, and a version ends for it only by a
    row that was known by then. So an import that added nothing known at or before as_of cannot
    change it, and does not count: a new month leaves old snapshots as they are, and a correction
    touches those from its known_at on.

    Parameters
    ----------
    declarations
        From `declarations_hash`.
    catalogue
        Version of the bank's catalogue.
    manifest
        The history's: its `sources` in order of import, and the catalogue it was imported with.
    """
    seen = [_id(source) for source in manifest["sources"] if _touches(source, as_of)]
    parts = [as_of.isoformat(), declarations, catalogue, manifest["catalogue"], *seen]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _touches(source: Mapping[str, Any], as_of: datetime) -> bool:
    if "earliest_known_at" not in source:
        return True
    earliest = source["earliest_known_at"]
    return earliest is not None and datetime.fromisoformat(earliest) <= as_of


def _id(source: Mapping[str, Any]) -> str:
    named = source.get("id")
    return named or hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()


def _declared(family: Family) -> list[Any]:
    return [
        family.name,
        [asdict(window) for window in family.windows],
        [asdict(level) for level in family.levels],
        [asdict(field) for field in family.fields],
    ]


def _code() -> Iterator[tuple[str, bytes]]:
    root = files("features")
    families = sorted(f.name for f in (root / "families").iterdir() if f.name.endswith(".py"))
    for name in (*SOURCES, *(f"families/{family}" for family in families)):
        yield name, root.joinpath(*name.split("/")).read_bytes()
