"""A real uvicorn whose connections are kept: who never asks is closed, who asks late is answered."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from serving.connections import Connections

HEAD = b"GET / HTTP/1.1\r\nHost: bank\r\n"
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def _server(http: str) -> AsyncIterator[tuple[uvicorn.Server, Callable[[], Any]]]:
    config = uvicorn.Config(_app, port=0, log_level="warning", lifespan="off", http=http)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    lines: list[Line] = []

    async def line() -> Line:
        lines.append(await asyncio.open_connection("127.0.0.1", port))
        many = len(lines)
        while len(server.server_state.connections) < many:
            await asyncio.sleep(0)
        return lines[-1]

    try:
        yield server, line
    finally:
        server.should_exit = True
        for _, writer in lines:
            writer.close()
        await running


async def _is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:  # what had come was not read
        return True


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_a_head_that_never_ends_is_given_up_and_a_slow_one_is_not(http: str) -> None:
    async def run() -> None:
        async with _server(http) as (server, line):
            connections, now = Connections(), time.monotonic()
            (never, _), (torn, half), (asked, whole) = [await line() for _ in range(3)]
            connections._close_silent(server, now)
            half.write(HEAD)
            whole.write(HEAD)
            connections._close_silent(server, now + 9)
            whole.write(b"\r\n")
            assert (await asked.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
            connections._close_silent(server, now + 11)
            assert await _is_closed(never) and await _is_closed(torn)
            whole.write(HEAD + b"\r\n")
            assert (await asked.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
            whole.write(HEAD)
            connections._close_silent(server, now + 12)
            connections._close_silent(server, now + 23)
            assert await _is_closed(asked)

    asyncio.run(run())


def test_without_a_server_of_its_own_no_signal_is_taken_over() -> None:
    before, connections = signal.getsignal(signal.SIGTERM), Connections()
    connections.begin()
    assert signal.getsignal(signal.SIGTERM) is before and not connections.leaving
