"""A model answers in a process of its own first: what kills LightGBM must not kill whoever uses it.

A hash tells whether the bytes are those that were written, not whether they were written well; a
LightGBM text that is cut off aborts its process or reads beyond its memory, and raises nothing.
"""

import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from features.errors import CorruptError
from features.home import write_whole_json
from training.versions.sealed import read_sealed

__all__ = ["rehearse", "rehearse_once"]

_SECONDS = 120
_NOT_FINITE = 3
_CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
from training.artifact import load_model
for folder, sha256 in zip(sys.argv[2::2], sys.argv[3::2]):
    sys.stdout.write("model\\n")
    sys.stdout.flush()
    model = load_model(Path(folder), sha256)
    answers = model.predict(np.full((1, len(model.features)), np.nan))
    if not all(np.isfinite(answer).all() for answer in answers.values()):
        sys.exit(3)
"""


def rehearse(artifacts: Mapping[Path, str]) -> None:
    """Load artifacts (folder -> SHA-256) in one fresh process; every head answers for a customer
    known by nothing.

    Raises
    ------
    CorruptError
        If a byte is not as written; or if that process dies, is not done in two minutes, or gives an
        answer that is no finite number.
    """
    for folder, sha256 in artifacts.items():
        read_sealed(folder, sha256)
    # The child runs the code that this process runs, wherever that was imported from.
    code = str(Path(__file__).resolve().parents[2])
    pairs = [word for folder, sha256 in artifacts.items() for word in (str(folder), sha256)]
    words = [sys.executable, "-P", "-c", _CHILD, code, *pairs]
    try:
        done = subprocess.run(words, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 - no shell
        what, said = "" if done.returncode == 0 else _told(done), done.stdout
    except subprocess.TimeoutExpired as late:
        what, said = f"is not loaded after {_SECONDS} seconds", late.stdout or b""
    if what:
        last = list(artifacts)[max(said.count(b"model\n") - 1, 0)]
        raise CorruptError(f"{last}: every byte is as written, but the model {what}; cure: train again")


def rehearse_once(artifacts: Mapping[Path, str], notes: Path) -> None:
    """Rehearse those that were not rehearsed before under this hash, with this software.

    `notes` is a folder with one file for each hash that passed. A hash stands for every byte, and whoever
    loads a model hashes it again, so a note never vouches for bytes that changed after it was written.

    Raises
    ------
    CorruptError
        As `rehearse` says.
    """
    software = {"lightgbm": version("lightgbm"), "machine": platform.machine(), "numpy": version("numpy")}
    stamp = "-".join(software.values())
    new = {
        folder: sha for folder, sha in artifacts.items() if not (notes / f"{sha}-{stamp}.json").is_file()
    }
    if not new:
        return
    rehearse(new)
    for sha256 in new.values():
        # A home that cannot be written is rehearsed again each time.
        with suppress(OSError):
            write_whole_json(notes / f"{sha256}-{stamp}.json", {"sha256": sha256, **software})


def _told(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode == _NOT_FINITE:
        return "gives answers that are no finite numbers"
    if done.returncode < 0:
        return f"kills the process that loads it (signal {-done.returncode})"
    lines = done.stderr.decode(errors="replace").splitlines()
    return f"cannot be loaded ({lines[-1] if lines else 'no reason given'})"
