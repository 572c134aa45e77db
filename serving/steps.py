"""Work in steps, so that a long answer leaves room for short ones between two of them.

A step ends where the work yields: None where others may go first, or a future that it cannot go on
without, such as that of a write to disk. Steps of several works alternate in one thread, so what they
share needs no lock; but what one step found may have changed when the next begins.
"""

from collections.abc import Generator
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

__all__ = ["Step", "Steps", "run", "step"]

_T = TypeVar("_T")

Steps = Generator[Future[Any] | None, None, _T]
"""Yields what it waits for, or None; what it returns is the answer."""


class Step(NamedTuple):
    """What one step came to: the answer where the work is over, else what to wait for, or None."""

    over: bool
    found: Any


def step(steps: Steps[Any]) -> Step:
    """The next step of some work."""
    try:
        return Step(False, next(steps))
    except StopIteration as done:
        return Step(True, done.value)


def run(steps: Steps[_T]) -> _T:
    """All steps at once, in this thread; the answer."""
    while not (taken := step(steps)).over:
        if taken.found is not None:
            # Failed or not, the work itself asks for the result and says what it means.
            taken.found.exception()
    answer: _T = taken.found
    return answer
