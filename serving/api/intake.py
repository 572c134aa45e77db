"""Events on their way into the online features: a thread of their own, a bounded queue, a deadline."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from features.home import home_of
from features.settings import Settings
from serving.api.problems import Problem

if TYPE_CHECKING:
    from features.online.push import Pushed
    from features.online.recompute import Recomputer

__all__ = ["Intake"]

_LOG = logging.getLogger("tenure.api")


class Intake:
    """Takes events in one thread, so that neither the event loop nor the desk waits for features.

    Parameters
    ----------
    settings
        Read when the first event comes.
    now
        The present, after which no event can lie.
    max_waiting
        Questions that may wait; further ones are sent away with 503 and Retry-After.
    deadline
        Seconds after which a question is answered with what is certain by then.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        now: Callable[[], datetime],
        max_waiting: int = 32,
        deadline: float = 3.0,
    ) -> None:
        self._settings, self._now = settings, now
        self._max_waiting, self._deadline = max_waiting, deadline
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tenure-intake")
        self._recomputer: Recomputer | None = None
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many questions wait for their events to be stored and applied."""
        return self._waiting

    def start(self) -> "Future[None]":
        """Get warm, and apply what an earlier process stored and did not apply; in the thread."""
        return self._worker.submit(self._warm)

    async def take(self, events: Sequence[Mapping[str, Any]]) -> tuple["Pushed", bool]:
        """Store events and bring the features of their customers up to date.

        Returns
        -------
        tuple
            What became of each event, and whether the features count them already. Where they do not,
            the events are stored all the same: the thread goes on with them, and what it cannot apply
            is applied with the customer's next event, at the next start, or by the next materialisation.

        Raises
        ------
        Problem
            503 if too many wait, or the deadline passed before the events were stored. To send them
            again is safe.
        FullError
            If there is no room to store them; then none is stored.
        NotReadyError, CorruptError
            If nothing is online, or it cannot be read.
        """
        if self._waiting >= self._max_waiting:
            raise Problem(503, "too many events wait; try again")
        self._waiting += 1
        loop, stored = asyncio.get_running_loop(), Future["Pushed"]()
        work = self._worker.submit(self._push, events, stored)
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.shield(asyncio.wrap_future(work)), True
        except TimeoutError:
            if not stored.done():
                raise Problem(503, f"not stored within {self._deadline:.0f} seconds; try again") from None
        except Exception as error:
            if not stored.done():
                raise
            _LOG.error("events are stored and not applied yet: %s", type(error).__name__)
        return stored.result(), False

    def _done(self) -> None:
        self._waiting -= 1

    def _warm(self) -> None:
        # Here, as below, because the process would start a second later otherwise.
        from features.catalogue import load_catalogue
        from features.online.push import catch_up
        from features.online.query import feature_query

        settings = self._settings()
        home = home_of(settings)
        try:
            recomputer = self._opened(settings)
            feature_query(load_catalogue(home.catalogue))
            catch_up(home, settings, recomputer)
        except Exception as error:  # the first event tries again, and says what is wrong
            _LOG.warning("events cannot be taken yet: %s", type(error).__name__)
            self._close()

    def _push(self, events: Sequence[Mapping[str, Any]], stored: "Future[Pushed]") -> "Pushed":
        from features.online.push import push

        settings = self._settings()
        try:
            recomputer = self._opened(settings)
            return push(home_of(settings), events, self._now(), settings, recomputer, stored.set_result)
        except Exception:
            # Whatever it was: the next one begins with a sound connection.
            self._close()
            raise

    def _opened(self, settings: Settings) -> "Recomputer":
        from features.online.recompute import Recomputer

        if self._recomputer is None:
            self._recomputer = Recomputer(home_of(settings), settings)
        return self._recomputer

    def _close(self) -> None:
        if self._recomputer is not None:
            self._recomputer.close()
            self._recomputer = None
