"""Which code and which libraries made a model."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

__all__ = ["code_version", "library_versions"]

_CODE = ("training/*.py", "features/families/*.py", "features/labels/*.py")
"""What turns features and outcomes into a model; what made the features is in their fingerprint."""

_LIBRARIES = ("lightgbm", "numpy", "pandas", "scipy", "pyarrow", "duckdb", "ibis-framework", "feast")


def code_version(root: Path) -> dict[str, str]:
    """`code_version`, `code_sha256`, and `code_commit` where `root` is a git working copy."""
    found = {"code_version": version("tenure"), "code_sha256": _code_sha256(root)}
    commit = _commit(root / ".git")
    return {**found, "code_commit": commit} if commit else found


def library_versions() -> dict[str, str]:
    """Version of Python and of every library that a model's bytes may depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


def _code_sha256(root: Path) -> str:
    """SHA-256 over the name and the bytes of every file of the code that trains."""
    found = hashlib.sha256()
    for path in sorted(p for pattern in _CODE for p in root.glob(pattern)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return found.hexdigest()


def _commit(git: Path) -> str:
    head = git / "HEAD"
    if not head.is_file():
        return ""
    content = head.read_text().strip()
    if not content.startswith("ref: "):
        return content
    name = content.removeprefix("ref: ")
    if (git / name).is_file():
        return (git / name).read_text().strip()
    packed = git / "packed-refs"
    lines = packed.read_text().splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")
