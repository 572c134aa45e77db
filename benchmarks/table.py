"""Write a benchmark's table beside it, with machine, versions and date."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
_LIBRARIES = ("duckdb", "feast", "lightgbm", "numba", "pandas", "polars", "pyarrow", "scikit-learn")


def peak_gb() -> float:
    """The most memory that this process held, in GB. Not ru_maxrss: a child starts with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def write_table(
    name: str, size: str, head: Sequence[str], rows: Sequence[Sequence[str]], note: str
) -> Path:
    """Print the table and write it to results/<name>-<size>.md."""
    lines = [" | ".join(head), " | ".join("---" for _ in head), *(" | ".join(r) for r in rows)]
    table = "\n".join(f"| {line} |" for line in lines)
    versions = ", ".join(f"{library} {version(library)}" for library in _LIBRARIES)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    text = f"{table}\n\n{note}\n{machine}; {versions}; {datetime.now(UTC):%Y-%m-%d}.\n"
    path = RESULTS / f"{name}-{size}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    print(text)
    return path
