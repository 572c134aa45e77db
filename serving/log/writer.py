"""One thread writes the decision log for all who wait: what waits together is committed together."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import perf_counter
from typing import Any

from features.database.address import Where
from features.database.backend import Log
from features.errors import NotReadyError
from serving.log.decisions import Decision, append, log_session
from serving.log.outcomes import Outcome, Received, check_outcomes, receive

__all__ = ["Writer"]

_Tell = Callable[["Future[Any]"], None]

_TOGETHER = 1_000
"""How many of those who wait are committed together at most."""


@dataclass(frozen=True)
class _Waiting:
    """Decisions, or outcomes, and who waits for them."""

    decisions: Sequence[Decision]
    outcomes: Sequence[Outcome] = ()
    done: "Future[Any]" = field(default_factory=Future)


class Writer:
    """Appends decisions and outcomes, durably: a future is done when what it stands for is on disk.

    The first of a group pays for the write to disk; those who come meanwhile share the next one. Whoever
    gives up before the writing begins (`Future.cancel`) has written nothing.

    Parameters
    ----------
    where
        The log, as `record_decisions` takes it.
    most_waiting
        How many may wait; further ones are refused at once.
    watch
        Is told of each group how many seconds it took, and whether it was written.
    """

    def __init__(
        self,
        where: Where,
        most_waiting: int = 4_096,
        watch: Callable[[float, bool], None] = lambda *_: None,
    ) -> None:
        self._session, self._watch = log_session(where), watch
        self._queue, self._most = SimpleQueue[_Waiting | None](), most_waiting
        self._closing, self._open = Lock(), True
        self._thread = Thread(target=self._run, name="tenure-log", daemon=True)
        self._thread.start()

    def append(self, decisions: Sequence[Decision]) -> "Future[int]":
        """Append decisions, all or none of them; the future says how many were new.

        Its errors are those of `record_decisions`: each only its own.

        Raises
        ------
        NotReadyError
            At once, if too many wait or the writer is closed.
        """
        return self._wait(_Waiting(tuple(decisions)))

    def receive(self, outcomes: Sequence[Outcome]) -> "Future[tuple[Received, ...]]":
        """Append outcomes; the future says what became of each, as `record_outcomes` does.

        Raises
        ------
        InputError
            At once, if an outcome breaks the contract.
        NotReadyError
            At once, if too many wait or the writer is closed.
        """
        check_outcomes(outcomes)
        return self._wait(_Waiting((), tuple(outcomes)))

    def close(self) -> None:
        """Write what waits, and stop."""
        with self._closing:
            if not self._open:
                return
            self._open = False
        self._queue.put(None)
        self._thread.join()

    def _wait(self, one: _Waiting) -> "Future[Any]":
        with self._closing:
            if not self._open:
                raise NotReadyError("the decision log is closed; cure: try again")
            if self._queue.qsize() >= self._most:
                raise NotReadyError(f"{self._most:,} writes wait for the decision log; cure: try again")
            self._queue.put(one)
        return one.done

    def _run(self) -> None:
        more = True
        while more:
            group, more = self._group()
            self._write([one for one in group if one.done.set_running_or_notify_cancel()])
        self._session.close()

    def _group(self) -> tuple[list[_Waiting], bool]:
        """Everybody who waits now, at least one; and False where nobody will come any more."""
        found = self._queue.get()
        group: list[_Waiting] = []
        while found is not None:
            group.append(found)
            if len(group) == _TOGETHER:
                return group, True
            try:
                found = self._queue.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _write(self, group: list[_Waiting]) -> None:
        if not group:
            return
        begun = perf_counter()
        try:
            with self._session.transaction() as log:
                told = self._all(log, group)
        except Exception as error:
            # Nothing of the group is written, and the next one may be.
            self._watch(perf_counter() - begun, False)
            for one in group:
                one.done.set_exception(error)
            return
        self._watch(perf_counter() - begun, True)
        for one, tell in zip(group, told, strict=True):
            tell(one.done)

    def _all(self, log: Log, group: list[_Waiting]) -> list[_Tell]:
        """Write a group as one statement, or one by one where somebody says what was said before."""
        backend = self._session.backend
        decisions = [decision for one in group for decision in one.decisions]
        log.execute("SAVEPOINT everybody")
        try:
            new = not decisions or append(log, decisions) == len(decisions)
        except Exception:
            if not backend.in_transaction(log):
                raise
            new = False
        if not new:
            log.execute("ROLLBACK TO SAVEPOINT everybody")
        return [
            partial(Future.set_result, result=len(one.decisions))
            if new and not one.outcomes
            else self._alone(log, one)
            for one in group
        ]

    def _alone(self, log: Log, one: _Waiting) -> _Tell:
        backend = self._session.backend
        log.execute("SAVEPOINT one")
        try:
            with backend.errors():
                told = receive(log, one.outcomes) if one.outcomes else append(log, one.decisions)
        except Exception as error:
            if not backend.in_transaction(log):
                raise
            log.execute("ROLLBACK TO SAVEPOINT one")
            return partial(Future.set_exception, exception=error)
        return partial(Future.set_result, result=told)
