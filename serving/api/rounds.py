"""Done together: what several questions want at the same moment is found in one call."""

import asyncio
from typing import Any

from serving.steps import Together

__all__ = ["Rounds"]

_Waiting = tuple[Together, "asyncio.Future[Any]"]


class Rounds:
    """Collects what questions want until the event loop has heard all that have come, then does it.

    One who asks alone is answered as soon as before; where many do, each costs a fraction.

    Parameters
    ----------
    most
        Size of what is done in one round; one that is larger by itself has its own.
    """

    def __init__(self, most: int) -> None:
        self._most, self._waiting = most, list[_Waiting]()

    async def done(self, wanted: Together) -> Any:
        """The result of one, found with those of others."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((wanted, found))
        if len(self._waiting) == 1:
            loop.call_soon(self._round, loop)
        return await found

    def _round(self, loop: asyncio.AbstractEventLoop) -> None:
        group, size = list[_Waiting](), 0
        while self._waiting:
            wanted, found = self._waiting[0]
            # What another adviser is to answer waits for the next round.
            fits = not group or (size + wanted.size <= self._most and wanted.work == group[0][0].work)
            if not fits:
                break
            self._waiting.pop(0)
            if not found.done():  # who gave up waiting is left out
                group.append((wanted, found))
                size += wanted.size
        if self._waiting:
            loop.call_soon(self._round, loop)
        if group:
            _do(group)


def _do(group: list[_Waiting]) -> None:
    """Do it for all, or where that fails for each alone, so that each has its own error."""
    work = group[0][0].work
    try:
        results = work([wanted.asked for wanted, _ in group])
    except Exception as error:
        if len(group) == 1:
            group[0][1].set_exception(error)
            return
        for one in group:
            _do([one])
        return
    for (_, found), result in zip(group, results, strict=True):
        found.set_result(result)
