"""Read a request's body strictly: its type, its size, and JSON without traps."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from serving.api.deadline import Deadline
from serving.api.problems import Problem

__all__ = ["MAX_BYTES", "parse_strictly", "read_strictly", "while_connected"]

MAX_BYTES = 1_000_000

_DEADLINE_S = 5.0
"""In which a body has to be there: who sends it byte by byte holds nobody up, but a connection."""

_CLOSE = {"Connection": "close"}


async def read_strictly(request: Request) -> tuple[Any, int]:
    """The body of a request as JSON, and its length in bytes.

    Raises
    ------
    Problem
        415 if it is not application/json as it is; 413, 408 if it is too large or too slow; else as
        `parse_strictly`.
    """
    headers = request.headers
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "send the header Content-Type: application/json")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "send the body as it is, without Content-Encoding")
    body = await _read(request)
    return parse_strictly(body), len(body)


def parse_strictly(body: bytes) -> Any:
    """JSON in UTF-8, without repeated keys and without NaN or Infinity.

    Raises
    ------
    Problem
        400 if it is not JSON; 422 for a repeated key or a number that JSON does not have.
    """
    try:
        return _JSON.decode(body.decode())
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON in UTF-8") from None


async def _read(request: Request) -> bytes:
    """The body, however it is sent; it is dropped as soon as it is too large, or too slow."""
    chunks, size = [], 0
    try:
        with Deadline(_DEADLINE_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BYTES:
                    raise Problem(413, f"the body is larger than {MAX_BYTES} bytes")
                chunks.append(chunk)
    except TimeoutError:
        raise Problem(408, "the body did not come in time; try again", headers=_CLOSE) from None
    except ClientDisconnect:
        raise Problem(408, "the body did not come", headers=_CLOSE) from None
    return b"".join(chunks)


async def while_connected(request: Request, answer: Awaitable[Response]) -> Response:
    """The answer; given up as soon as nobody waits for it."""
    working, gone = asyncio.ensure_future(answer), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Problem(408, "nobody waits for the answer", headers=_CLOSE)
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Problem(422, "a key occurs twice in one object")
    return found


def _no_constant(_: str) -> None:
    raise Problem(422, "NaN and Infinity are not numbers of JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_no_repeats, parse_constant=_no_constant)
