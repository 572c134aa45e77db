"""Answers one question after the other: a bounded queue, a deadline, and no step that holds up a probe."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

from features.errors import TenureError
from serving.api.deadline import Deadline
from serving.api.limits import Pace
from serving.api.problems import Problem
from serving.api.rounds import Rounds
from serving.deciding.adviser import Adviser
from serving.live import AT_ONCE
from serving.steps import Steps, Together, run, step

__all__ = ["Desk"]

_LOG = logging.getLogger("tenure.api")
_T = TypeVar("_T")

_ALWAYS = 8
"""Questions that may wait however slow the latest were: a short one is answered beside long ones."""


class Desk:
    """Runs the steps of answers in the event loop, and everything that may wait in one worker thread.

    A step takes a millisecond or a few, less than to hand it to a thread and back costs under load. What
    reads from another machine may take longer, so there the worker thread runs the steps.

    Parameters
    ----------
    current
        The adviser in force; each question asks for it once, and may find another than the one before.
    max_waiting
        Questions that may wait; further ones are sent away with 503 and Retry-After. So is, beyond the
        first few, who would wait for a quarter of the deadline, by the pace of the latest answers.
    deadline
        Seconds after which a question is given up.
    tick
        A clock in seconds that never goes back.
    """

    def __init__(
        self,
        current: Callable[[], Adviser],
        max_waiting: int = 64,
        deadline: float = 4.0,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._current, self._max_waiting, self._deadline = current, max_waiting, deadline
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tenure-desk")
        self._loaded = False
        self._pace = Pace(tick)
        self._rounds = Rounds(AT_ONCE)

    def ready(self) -> bool:
        """Whether there is an adviser: champions and features are loaded."""
        try:
            self._worker.submit(self._current).result()
        except TenureError as error:
            _LOG.warning("not ready: %s", error)
            return False
        return True

    @property
    def waiting(self) -> int:
        """How many questions wait for their answers."""
        return self._pace.waiting

    def room(self) -> bool:
        """Whether one more question can be answered in time."""
        pace = self._pace
        if pace.waiting >= self._max_waiting:
            return False
        return pace.waiting < _ALWAYS or pace.expected < self._deadline / 4

    async def ask(self, question: Callable[[Adviser], _T]) -> _T:
        """Answer one question that may wait, for a disk or another machine, in the worker thread.

        Raises
        ------
        Problem
            503 if too many wait, or the deadline passed.
        NotReadyError, CorruptError
            If champions or features are not loaded.
        """
        return await self._in_time(self._in_thread(lambda: question(self._current())))

    async def answer(self, question: Callable[[Adviser], Steps[_T]]) -> _T:
        """Answer one question step by step, all steps by one adviser; raises as `ask` does."""
        return await self._in_time(self._steps(question))

    async def _in_time(self, answer: Coroutine[Any, Any, _T]) -> _T:
        if not self.room():
            answer.close()
            raise Problem(503, "too many requests wait; try again")
        self._pace.begin()
        try:
            with Deadline(self._deadline):
                return await answer
        except TimeoutError:
            raise Problem(503, f"no answer within {self._deadline:.0f} seconds; try again") from None
        finally:
            self._pace.end()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    async def _steps(self, question: Callable[[Adviser], Steps[_T]]) -> _T:
        # The first to ask may have to load; who comes later finds it loaded.
        adviser = self._current() if self._loaded else await self._in_thread(self._current)
        self._loaded = True
        if not adviser.local:
            return await self._in_thread(lambda: run(question(adviser)))
        told = None
        with closing(question(adviser)) as steps:
            while not (taken := step(steps, told)).over:
                told = await self._found(taken.found)
        answer: _T = taken.found
        return answer

    async def _found(self, wanted: Future[Any] | Together | None) -> Any:
        """What a step ended with: waited for, done together with what others want, or nothing."""
        if isinstance(wanted, Together):
            return await self._rounds.done(wanted)
        await (asyncio.sleep(0) if wanted is None else _over(wanted))
        return None


async def _over(work: Future[Any]) -> None:
    """Wait until it is done, well or not; to give up waiting leaves it alone."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    work.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
    await done.wait()
