"""A folder of files under one hash: written whole, and read only if every byte is as written."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.errors import CorruptError
from features.home import write_whole_folder

__all__ = ["json_bytes", "manifest_of", "read_sealed", "write_sealed"]

_MANIFEST = "manifest.json"
_CURE = "cure: roll back to another version, or train again"


def write_sealed(folder: Path, files: Mapping[str, bytes]) -> str:
    """Write files (relative path -> bytes) and their manifest; return the manifest's SHA-256."""
    manifest = manifest_of(files)
    with write_whole_folder(folder) as part:
        for name, content in {**files, _MANIFEST: manifest}.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(content)
    return _sha256(manifest)


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """The manifest's bytes: each file's SHA-256 by its name."""
    return json_bytes({"files": {name: _sha256(content) for name, content in files.items()}})


def read_sealed(folder: Path, expected_sha256: str) -> dict[str, bytes]:
    """Read every listed file; the bytes that come back are the bytes that were hashed.

    Raises
    ------
    CorruptError
        If a file is missing, not listed or not as written, or the manifest is not the expected one.
    """
    path = folder / _MANIFEST
    if not path.is_file():
        raise CorruptError(f"{path}: missing; {_CURE}")
    manifest = path.read_bytes()
    if _sha256(manifest) != expected_sha256:
        raise CorruptError(f"{path}: not the manifest that was registered; {_CURE}")
    listed: dict[str, str] = json.loads(manifest)["files"]
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    strangers = sorted(found - set(listed) - {_MANIFEST})
    if strangers:
        raise CorruptError(f"{folder}: files that the manifest does not list: {strangers[:5]}; {_CURE}")
    files: dict[str, bytes] = {}
    for name, sha256 in listed.items():
        if name not in found:
            raise CorruptError(f"{folder / name}: missing; {_CURE}")
        files[name] = (folder / name).read_bytes()
        if _sha256(files[name]) != sha256:
            raise CorruptError(f"{folder / name}: not the bytes that were written; {_CURE}")
    return files


def json_bytes(content: Any) -> bytes:
    """JSON with sorted keys; a number that is not finite is refused."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
