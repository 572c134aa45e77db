"""A model answers in a process of its own first: what kills LightGBM must not kill whoever promotes it.

A hash tells whether the bytes are those that were written, not whether they were written well; a
LightGBM text that is cut off aborts its process or reads beyond its memory, and raises nothing.
"""

import subprocess
import sys
from pathlib import Path

from features.errors import CorruptError
from training.versions.sealed import read_sealed

__all__ = ["rehearse"]

_SECONDS = 120
_NOT_FINITE = 3
_CHILD = """
import sys
from pathlib import Path
import numpy as np
from training.artifact import load_model
model = load_model(Path(sys.argv[1]), sys.argv[2])
answers = model.predict(np.full((1, len(model.features)), np.nan))
sys.exit(0 if all(np.isfinite(answer).all() for answer in answers.values()) else 3)
"""


def rehearse(folder: Path, expected_sha256: str) -> None:
    """Load an artifact in a fresh process and let every head answer for a customer known by nothing.

    Raises
    ------
    CorruptError
        If a byte is not as written; or if that process dies, is not done in two minutes, or gives an
        answer that is no finite number.
    """
    read_sealed(folder, expected_sha256)
    words = [sys.executable, "-P", "-c", _CHILD, str(folder), expected_sha256]
    try:
        done = subprocess.run(words, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 - no shell
        what = "" if done.returncode == 0 else _told(done)
    except subprocess.TimeoutExpired:
        what = f"is not loaded after {_SECONDS} seconds"
    if what:
        raise CorruptError(f"{folder}: every byte is as written, but the model {what}; cure: train again")


def _told(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode == _NOT_FINITE:
        return "gives answers that are no finite numbers"
    if done.returncode < 0:
        return f"kills the process that loads it (signal {-done.returncode})"
    lines = done.stderr.decode(errors="replace").splitlines()
    return f"cannot be loaded ({lines[-1] if lines else 'no reason given'})"
