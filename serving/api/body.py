"""Read a request's body strictly: its type, its size, and JSON without traps."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serving.api.problems import Problem, from_error

__all__ = ["MAX_BYTES", "StrictRoute", "parse_strictly"]

MAX_BYTES = 1_000_000

_DEADLINE_S = 5.0
"""In which a body has to be there: who sends it byte by byte holds nobody up, but a connection."""

_CLOSE = {"Connection": "close"}
_LONG = 4_000
"""Bytes of a question that takes so long that it is worth asking whether anybody still waits."""


class StrictRoute(APIRoute):
    """A route whose body is application/json, at most MAX_BYTES, parsed by `parse_strictly`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler behind the strict reading of the body."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            try:
                if request.method != "POST":
                    return await handle(request)
                checked = await _checked(request)
                asked = handle(checked)
                long = len(await checked.body()) > _LONG
                return await (_while_connected(request, asked) if long else asked)
            except (Problem, RequestValidationError, HTTPException):
                raise
            except Exception as error:
                # Left alone, the server would log the error's text, and with it a customer's value.
                raise from_error(error) from None

        return strict


async def _checked(request: Request) -> Request:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "send the header Content-Type: application/json")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "send the body as it is, without Content-Encoding")
    parsed = Request(request.scope, request.receive)
    # Starlette's own cache of body and JSON: who asks the request again gets what was checked.
    parsed._body = await _read(request)
    parsed._json = parse_strictly(parsed._body)
    return parsed


def parse_strictly(body: bytes) -> Any:
    """JSON in UTF-8, without repeated keys and without NaN or Infinity.

    Raises
    ------
    Problem
        400 if it is not JSON; 422 for a repeated key or a number that JSON does not have.
    """
    try:
        return json.loads(body.decode(), object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Problem(400, "the body is not JSON in UTF-8") from None


async def _read(request: Request) -> bytes:
    """The body, however it is sent; it is dropped as soon as it is too large, or too slow."""
    chunks, size = [], 0
    try:
        async with asyncio.timeout(_DEADLINE_S):
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


async def _while_connected(request: Request, answer: Coroutine[Any, Any, Response]) -> Response:
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
