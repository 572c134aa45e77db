"""A deadline for what is awaited, at a fraction of what asyncio.timeout costs who is in time."""

import asyncio
from types import TracebackType

__all__ = ["Deadline"]


class Deadline:
    """Raises TimeoutError out of its block if that takes longer than so many seconds.

    As asyncio.timeout: the task is cancelled, and the cancellation becomes the error; one that came from
    elsewhere stays what it is.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._late = seconds, False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for a task")
        self._task, self._cancelling = task, task.cancelling()
        self._handle = asyncio.get_running_loop().call_later(self._seconds, self._over)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._handle.cancel()
        if self._late and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _over(self) -> None:
        self._late = True
        self._task.cancel()
