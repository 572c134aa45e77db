"""How decisions and outcomes are handed to the log: to a `Writer`, or one after the other."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future

from features.database.address import Where
from serving.log.decisions import Decision, open_log, record_decisions
from serving.log.outcomes import Outcome, Received, check_outcomes, receive

__all__ = ["Append", "Receive", "appends", "receives"]

Append = Callable[[Sequence[Decision]], "Future[int]"]
"""Appends decisions; the future is done when they are on disk, and says how many were new."""

Receive = Callable[[Sequence[Outcome]], "Future[tuple[Received, ...]]"]
"""Appends outcomes; the future is done when they are on disk, and says what became of each."""


def appends(where: Where) -> Append:
    """As `record_decisions` does: what it gives is done already."""

    def append(decisions: Sequence[Decision]) -> "Future[int]":
        done: Future[int] = Future()
        done.set_result(record_decisions(where, decisions))
        return done

    return append


def receives(where: Where) -> Receive:
    """As `record_outcomes` does, also before any decision was logged."""

    def take(outcomes: Sequence[Outcome]) -> "Future[tuple[Received, ...]]":
        check_outcomes(outcomes)
        done: Future[tuple[Received, ...]] = Future()
        with open_log(where) as log:
            found = receive(log, outcomes)
        done.set_result(found)
        return done

    return take
