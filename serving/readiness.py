"""Whether requests should come here: models, features and keys can be read, and decisions be kept."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from features.database.address import Where
from features.errors import CorruptError, FullError, TenureError

__all__ = ["Readiness", "check_room"]

_LOG = logging.getLogger("tenure.ready")
_FOR_S = 1.0
"""For so long a good answer holds: anybody may ask, and a check writes to disk."""

_PROBE = bytes(65_536)


class Readiness:
    """Runs checks until one raises; what has recovered is ready again.

    Parameters
    ----------
    tick
        A clock in seconds that never goes back.
    """

    def __init__(
        self, checks: Sequence[Callable[[], object]], tick: Callable[[], float] = time.monotonic
    ) -> None:
        self._checks, self._tick, self._until = checks, tick, -1.0

    def __call__(self) -> bool:
        """Whether all is well, or was a moment ago."""
        if self._tick() < self._until:
            return True
        try:
            for check in self._checks:
                check()
        except (TenureError, OSError) as error:
            _LOG.warning("not ready: %s", error if isinstance(error, TenureError) else type(error).__name__)
            return False
        self._until = self._tick() + _FOR_S
        return True


def check_room(log: Where) -> None:
    """Refuse a decision log in a file that could not grow; a server says so itself when it is written to.

    Raises
    ------
    FullError
        If its folder takes no more.
    CorruptError
        If it is not a file.
    """
    if not isinstance(log, Path):
        return
    if log.exists() and not log.is_file():
        raise CorruptError(f"{log}: is not a file; cure: move it away")
    try:
        with TemporaryFile(dir=log.parent) as probe:
            probe.write(_PROBE)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise FullError(f"{log.parent}: nothing can be written; cure: make room") from error
