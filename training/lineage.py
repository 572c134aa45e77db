"""Which code trained a model: the package's version and, in a working copy, the commit."""

from importlib.metadata import version
from pathlib import Path

__all__ = ["code_version"]


def code_version(root: Path) -> dict[str, str]:
    """`code_version`, and `code_commit` where `root` is a git working copy."""
    found = {"code_version": version("tenure")}
    commit = _commit(root / ".git")
    return {**found, "code_commit": commit} if commit else found


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
