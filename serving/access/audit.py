"""Who let whom in, who shut whom out, and who put which model in force: one line of JSON each, kept."""

import logging
import os

from features.errors import FullError
from features.home import Home
from serving.lines import JsonLines

__all__ = ["audit"]


def audit(home: Home, event: str, *, by: str, **facts: str | int) -> None:
    """Append one line to the bank's audit; it is on disk when this returns.

    Refusals of a running service are lines of its own log, of the logger `tenure.access`, in the same form.

    Parameters
    ----------
    event
        What was done: `issued`, `revoked`, `promoted` or `rolled back`.
    by
        Who did it.
    facts
        What it was done to: the id and role of a key, the name and version of a model. Never a secret,
        and nothing of a customer.

    Raises
    ------
    FullError
        If it cannot be written; what was done is done.
    """
    path = home.keys.with_name("audit.jsonl")
    told = {"name": "tenure.access", "levelname": "INFO", "msg": event, "facts": {"by": by, **facts}}
    record = logging.makeLogRecord(told)
    line = JsonLines().format(record).encode() + b"\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written at once behind what is there, so that lines of two processes never mix.
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "wb", buffering=0) as file:
            file.write(line)
            os.fsync(file.fileno())
    except OSError as error:
        raise FullError(
            f"{path}: cannot be written, '{event}' is done and not noted; cure: make room, check its owner"
        ) from error
