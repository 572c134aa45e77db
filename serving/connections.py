"""The server's connections: none is closed with a question on its way, none is kept that never asks.

BentoML runs uvicorn and hands few of its settings on. Told to stop, uvicorn closes at once whatever is not
being answered just then, so also what it accepted a moment ago and has not read; and it waits for the head
of a question for as long as the sender likes.
"""

import asyncio
import logging
import signal
import time
from contextlib import suppress
from typing import Any

from starlette.types import Message, Send
from uvicorn import Server

__all__ = ["Connections"]

_LOG = logging.getLogger("tenure.connections")

_HEAD_S = 10.0
"""In which the head of a question has to be there, from the connection or from the answer before."""

_EVERY_S = 1.0
"""Seconds between two looks at who has not asked."""


class Connections:
    """Keeps the connections of the server that runs this process; without such a server it does nothing.

    At SIGTERM it stops to accept, which leaves newcomers to the other workers or in the queue that all
    share. Who is connected is answered for as long as an idle connection is kept, and told that this answer
    is the last; then the server stops as ever. A second SIGTERM changes nothing, SIGINT does not wait.
    """

    def __init__(self) -> None:
        self.leaving = False
        self._told: asyncio.Event | None = None
        self._silent: dict[Any, tuple[Any, float]] = {}
        self._watching: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Take SIGTERM over from the server, in its event loop."""
        server = _running()
        if server is None:
            return
        loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        told = self._told

        def leave(_: int, __: object) -> None:
            self.leaving = True
            loop.call_soon_threadsafe(told.set)

        signal.signal(signal.SIGTERM, leave)
        self._watching = loop.create_task(self._watch(server, told))

    def last(self, send: Send) -> Send:
        """Send an answer that says that no other will come on its connection."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        return closing

    async def _watch(self, server: Server, told: asyncio.Event) -> None:
        while not (told.is_set() and server.started):
            self._close_silent(server, time.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await (asyncio.sleep(_EVERY_S) if told.is_set() else told.wait())
        for listening in server.servers:
            listening.close()
        _LOG.info("leaving: %s are connected", len(server.server_state.connections))
        until = time.monotonic() + server.config.timeout_keep_alive
        while server.server_state.connections and time.monotonic() < until:
            await asyncio.sleep(0.02)
        server.handle_exit(signal.SIGTERM, None)

    def _close_silent(self, server: Server, now: float) -> None:
        """Close who has neither asked nor been answered since the answer that was known `_HEAD_S` ago."""
        silent = {}
        for one in server.server_state.connections:
            answer = getattr(one, "cycle", None)
            if answer is None or answer.response_complete:
                before, since = self._silent.get(one, (answer, now))
                silent[one] = (answer, since if before is answer else now)
        self._silent = silent
        for one, (_, since) in silent.items():
            if now - since > _HEAD_S:
                one.transport.close()


def _running() -> Server | None:
    """The server of this process, as its handler of SIGTERM tells."""
    owner = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return owner if isinstance(owner, Server) else None
