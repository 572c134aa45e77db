"""One worker thread that owns models and store, a bounded queue before it, and a deadline."""

import asyncio
import gc
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from features.errors import TenureError
from serving.api.problems import Problem
from serving.deciding.adviser import Adviser

__all__ = ["Desk"]

_LOG = logging.getLogger("tenure.api")
_T = TypeVar("_T")


class Desk:
    """Runs every answer in one thread, so that the event loop stays free for probes.

    Parameters
    ----------
    load
        Loads champions and online features; tried again by each question until it succeeds.
    max_waiting
        Questions that may wait; further ones are sent away with 503 and Retry-After.
    deadline
        Seconds after which a question is given up.
    """

    def __init__(self, load: Callable[[], Adviser], max_waiting: int = 64, deadline: float = 4.0) -> None:
        self._load, self._max_waiting, self._deadline = load, max_waiting, deadline
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tenure-desk")
        self._adviser: Adviser | None = None
        self._waiting = 0

    def ready(self) -> bool:
        """Whether champions and features are loaded; tries to load them where they are not."""
        try:
            self._worker.submit(self._loaded).result()
        except TenureError as error:
            _LOG.warning("not ready: %s", error)
            return False
        return True

    async def ask(self, question: Callable[[Adviser], _T]) -> _T:
        """Answer one question in the worker thread.

        Raises
        ------
        Problem
            503 if too many wait, or the deadline passed.
        NotReadyError, CorruptError
            If champions or features cannot be loaded.
        """
        if self._waiting >= self._max_waiting:
            raise Problem(503, "too many requests wait; try again")
        self._waiting += 1
        try:
            work = asyncio.get_running_loop().run_in_executor(
                self._worker, lambda: question(self._loaded())
            )
            return await asyncio.wait_for(work, self._deadline)
        except TimeoutError:
            raise Problem(503, f"no answer within {self._deadline:.0f} seconds; try again") from None
        finally:
            self._waiting -= 1

    def _loaded(self) -> Adviser:
        if self._adviser is None:
            self._adviser = self._load()
            # What is loaded now stays for good: the collector need never look at it again.
            gc.collect()
            gc.freeze()
        return self._adviser
