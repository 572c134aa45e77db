"""Work in steps, so that a long answer leaves room for short ones between two of them.

A step ends where the work yields: None where others may go first, a future that it cannot go on without,
such as that of a write to disk, or something to be done together with what others want. Steps of several
works alternate in one thread, so what they share needs no lock; but what one step found may have changed
when the next begins.
"""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

__all__ = ["Step", "Steps", "Together", "run", "step"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Together:
    """What is done for several at once in hardly more time than for one; the step is sent its own result.

    work
        Takes what all of them ask, and gives a result for each, in their order.
    size
        How much of what is done at once it asks for.
    """

    work: Callable[[list[Any]], list[Any]]
    asked: Any
    size: int


Steps = Generator[Future[Any] | Together | None, Any, _T]
"""Yields what it waits for, what it wants done together with others, or None; returns the answer."""


class Step(NamedTuple):
    """What one step came to: the answer where the work is over, else what to wait for, or None."""

    over: bool
    found: Any


def step(steps: Steps[Any], told: Any = None) -> Step:
    """The next step of some work; `told` is the result of what it wanted done."""
    try:
        return Step(False, steps.send(told))
    except StopIteration as done:
        return Step(True, done.value)


def run(steps: Steps[_T]) -> _T:
    """All steps at once, in this thread; the answer."""
    told = None
    while not (taken := step(steps, told)).over:
        found, told = taken.found, None
        if isinstance(found, Together):
            [told] = found.work([found.asked])
        elif found is not None:
            # Failed or not, the work itself asks for the result and says what it means.
            found.exception()
    answer: _T = taken.found
    return answer
