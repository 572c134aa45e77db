"""Send questions away before they are read, where more wait already than can be answered in time."""

from collections.abc import Callable, Collection

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.api.problems import Problem, answer

__all__ = ["Pace", "Threshold"]

_PART = 1 / 64
"""Weight of the latest answer: about as many count as are written to disk together."""


class Pace:
    """How long one answer takes while others wait: the time between two that are finished.

    Parameters
    ----------
    tick
        A clock in seconds that never goes back; time.monotonic.
    """

    def __init__(self, tick: Callable[[], float]) -> None:
        self._tick, self._since = tick, 0.0
        self.waiting, self.seconds = 0, 0.0

    @property
    def expected(self) -> float:
        """Seconds that who comes now would wait for those who are there."""
        return self.waiting * self.seconds

    def begin(self) -> None:
        """One more waits."""
        if not self.waiting:
            self._since = self._tick()
        self.waiting += 1

    def end(self) -> None:
        """One less waits."""
        now = self._tick()
        self.seconds += _PART * (now - self._since - self.seconds)
        self._since = now
        self.waiting -= 1


class Threshold:
    """Answers 503 with Retry-After, at the cost of the headers, while there is no room.

    Parameters
    ----------
    room
        Whether one more can be answered in time.
    paths
        Whose questions wait for it; all others pass.
    """

    def __init__(self, app: ASGIApp, room: Callable[[], bool], paths: Collection[str]) -> None:
        self._app, self._room, self._paths = app, room, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a question on, or send it away unread."""
        if scope["type"] == "http" and scope["path"] in self._paths and not self._room():
            problem = Problem(503, "too many requests wait; try again")
            await answer(Request(scope), problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)
