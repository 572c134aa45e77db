"""The adviser in force, and its replacement while it answers: a promotion reaches whoever serves."""

import gc
import logging
import threading
import time
from collections.abc import Callable, Hashable
from pathlib import Path

from features.errors import NotReadyError, TenureError
from features.home import Home
from serving.champions import refuse_misfits
from serving.deciding.adviser import Adviser
from training.versions.champions import Champions

__all__ = ["EVERY_S", "Swapper", "signs_of", "warmed"]

_LOG = logging.getLogger("tenure.swap")

EVERY_S = 0.2
"""Seconds between two looks."""

_AGAIN_S, _AGAIN_WITHOUT_S = 60.0, 1.0
"""Seconds until what was refused is tried again, as files may be mended; the latter with none in force."""


class Swapper:
    """Holds the adviser in force; builds the next one beside it and changes one reference.

    Whoever asks for `current` once for an answer gets one version of every model. What cannot be loaded is
    refused: the adviser in force stays, and goes on naming its own versions.

    Parameters
    ----------
    load
        Builds an adviser from what is there now.
    signs
        Changes when there is something new to load; cheap.

    Attributes
    ----------
    swaps, refused
        How often an adviser came into force, and how often one was refused.
    """

    def __init__(self, load: Callable[[], Adviser], signs: Callable[[], Hashable]) -> None:
        self._load, self._signs = load, signs
        self._adviser: Adviser | None = None
        self._error: TenureError | None = None
        self._seen: Hashable = None
        self._again = 0.0
        self._confirmed = time.monotonic()
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self.swaps = self.refused = 0

    @property
    def age(self) -> float:
        """Seconds since what is in force was last known to be what it should be."""
        return time.monotonic() - self._confirmed

    def current(self) -> Adviser:
        """The adviser in force; the first to ask loads it.

        Raises
        ------
        TenureError
            As the last attempt to load did, where there is none yet.
        """
        if self._adviser is None:
            self.look()
        if self._adviser is None:
            error = self._error or NotReadyError("champions and features are not loaded yet")
            raise error.with_traceback(None)
        return self._adviser

    def look(self) -> None:
        """Load and swap if there is something new, or what was refused is to be tried again."""
        with self._lock:
            signs = self._signs()
            if (signs, self._generation()) == self._seen:
                if self._error is None:
                    self._confirmed = time.monotonic()
                    return
                if time.monotonic() < self._again:
                    return
            try:
                self._adviser = self._load()
            except Exception as error:
                self._refuse(error)
            else:
                self._accept()
            self._seen = (signs, self._generation())

    def start(self) -> None:
        """Look every `EVERY_S` seconds, in a thread of its own, until `stop`."""
        threading.Thread(target=self._run, name="tenure-swap", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            self.look()

    def _generation(self) -> str:
        """Which features the adviser in force read last: new ones must fit its models."""
        return self._adviser.live.generation if self._adviser else ""

    def _accept(self) -> None:
        self._error, self._confirmed = None, time.monotonic()
        self.swaps += 1
        # What is loaded stays until the next swap: the collector need not look at it before then. What came
        # before it is looked at once more, else whatever of it lies in cycles would stay for good.
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def _refuse(self, error: Exception) -> None:
        # Only our own errors are known to tell no value of a customer.
        if not isinstance(error, TenureError):
            error = NotReadyError(f"champions and features cannot be loaded ({type(error).__name__})")
        self._error = error
        self.refused += 1
        self._again = time.monotonic() + (_AGAIN_S if self._adviser else _AGAIN_WITHOUT_S)
        _LOG.warning("%s: %s", "refused, the old one serves on" if self._adviser else "not ready", error)


def signs_of(home: Home) -> Hashable:
    """What changes when a champion is moved, the catalogue or the policy edited, or customers imported."""
    customers = home.history / "customers.parquet"
    return tuple(_sign(path) for path in (Champions(home).ledger, home.catalogue, home.policy, customers))


def warmed(adviser: Adviser) -> Adviser:
    """The adviser, once every model has answered for a customer known by nothing, and prices are counted.

    Raises
    ------
    NotReadyError
        If a model does not fit the features that are online.
    """
    live = adviser.live
    rows = live.reader.read(["warm-up"])
    refuse_misfits(live.scorer, live.reader.fields)
    columns = {**rows.columns, "consent_profiling": [1]}
    live.scorer.score(columns)
    live.scorer.because(columns, "churn", "churn")
    adviser.prices.take(live.clock() if live.clock else None, 1)
    return adviser


def _sign(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
