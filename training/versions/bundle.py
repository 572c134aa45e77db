"""A finished run as one sealed folder, kept until the tracking server has it.

It holds everything that the server is to know: the artifact, figures, numbers, recipe. So a server
that is down, or a kill, costs no training: the bundle is logged later.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from features.errors import CorruptError, InputError
from features.home import Home
from training.versions.sealed import manifest_of, read_sealed, write_sealed

__all__ = ["FACTS", "RECIPE", "SLICES", "Bundle", "discard", "keep", "open_bundle", "pending_folder"]

FACTS, RECIPE, SLICES = "facts.json", "recipe.json", "slices.json"
_NEEDED = {FACTS, RECIPE, SLICES, "signature.json", "model/manifest.json", "model/model.json"}
_SUFFIXES = {".json", ".txt", ".png", ".svg", ".html"}


@dataclass(frozen=True)
class Bundle:
    """One finished run, verified.

    sha256
        Hash of the bundle's manifest; the folder's name.
    facts
        name, definition, run_name, model_sha256, params, metrics, tags.
    """

    folder: Path
    sha256: str
    facts: Mapping[str, Any]


def pending_folder(home: Home) -> Path:
    """Where bundles wait that are not logged yet."""
    return home.artifacts / "pending"


def keep(home: Home, files: Mapping[str, bytes]) -> Bundle:
    """Write a bundle whole; equal runs are one bundle."""
    sha256 = hashlib.sha256(manifest_of(files)).hexdigest()
    folder = pending_folder(home) / sha256
    write_sealed(folder, files)
    return Bundle(folder, sha256, json.loads(files[FACTS]))


def open_bundle(folder: Path) -> Bundle:
    """A bundle whose every byte is as written; its name is its hash.

    Raises
    ------
    CorruptError
        If a file is missing, not listed or not as written.
    InputError
        If it is no bundle of a run, or holds files that no run writes.
    """
    files = read_sealed(folder, folder.name)
    strangers = sorted(name for name in files if PurePosixPath(name).suffix not in _SUFFIXES)
    if strangers or not set(files) >= _NEEDED:
        what = f"files that no run writes: {strangers[:5]}" if strangers else "not a finished run"
        raise InputError(f"{folder}: {what}; cure: train again")
    facts = json.loads(files[FACTS])
    if hashlib.sha256(files["model/manifest.json"]).hexdigest() != facts["model_sha256"]:
        raise CorruptError(f"{folder}: another model than its facts say; cure: train again")
    return Bundle(folder, folder.name, facts)


def discard(bundle: Bundle) -> None:
    """Drop a bundle that the tracking server has."""
    shutil.rmtree(bundle.folder, ignore_errors=True)
