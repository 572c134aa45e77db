"""Which data, which code and which libraries made a model."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightgbm
import pandas as pd

from features import __version__
from features.vocabulary import AS_OF, CUSTOMER_ID
from training.datasets import TrainingSet
from training.specs import ModelSpec
from training.split import Split

__all__ = ["code_version", "learned_from", "library_versions"]

_MOMENTS = 1000
"""Most moments that a model lists one by one."""

_CODE = ("training/**/*.py", "features/families/*.py", "features/labels/*.py")
"""What turns features and outcomes into a model; what made the features is in their fingerprint."""

_LIBRARIES = ("lightgbm", "numpy", "pandas", "scipy", "pyarrow", "duckdb", "ibis-framework", "feast")


def learned_from(spec: ModelSpec, training_set: TrainingSet, split: Split, seed: int) -> dict[str, Any]:
    """What a model was trained on: rows, moments, seed and parameters, as the artifact keeps them."""
    keys = training_set.frame[[AS_OF, CUSTOMER_ID]]
    learned, test = keys.iloc[split.train], keys.iloc[split.test]
    return {
        "fingerprint": training_set.fingerprint,
        "snapshots": _moments(learned[AS_OF]),
        "test_snapshots": _moments(test[AS_OF]),
        "rows": len(split.train),
        "calibration_rows": len(split.calibrate),
        "customers": int(learned[CUSTOMER_ID].nunique()),
        "seed": seed,
        "survival": list(training_set.survival),
        "horizons": [horizon.to_json() for horizon in training_set.horizons],
        "amounts": _amounts(spec, training_set, split),
        "params": dict(spec.params),
        "lightgbm": lightgbm.__version__,
    }


def _amounts(spec: ModelSpec, training_set: TrainingSet, split: Split) -> dict[str, list[float]]:
    """Of value, the least and the most of each part and of the whole that the model learned from."""
    if spec.name != "value":
        return {}
    learned = training_set.frame.iloc[split.train][list(training_set.labels)]
    return {str(name): [float(amounts.min()), float(amounts.max())] for name, amounts in learned.items()}


def _moments(times: "pd.Series[Any]") -> list[str]:
    """Every moment, or of a table without snapshots, where each row may have its own, the ends."""
    moments = times.drop_duplicates().sort_values()
    if len(moments) > _MOMENTS:
        moments = moments.iloc[:: len(moments) - 1]
    return [moment.isoformat() for moment in moments]


def code_version(root: Path) -> dict[str, str]:
    """`code_version`, `code_sha256`, and `code_commit` where `root` is a git working copy."""
    found = {"code_version": __version__, "code_sha256": _code_sha256(root)}
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
