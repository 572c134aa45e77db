"""Read a request's body strictly: its type, its size, and JSON without traps."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from serving.api.problems import Problem, from_error

__all__ = ["MAX_BYTES", "StrictRoute", "parse_strictly"]

MAX_BYTES = 1_000_000


class StrictRoute(APIRoute):
    """A route whose body is application/json, at most MAX_BYTES, parsed by `parse_strictly`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler behind the strict reading of the body."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            try:
                return await handle(await _checked(request) if request.method == "POST" else request)
            except (Problem, RequestValidationError, HTTPException):
                raise
            except Exception as error:
                # Left alone, the server would log the error's text, and with it a customer's value.
                raise from_error(error) from None

        return strict


async def _checked(request: Request) -> Request:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "send the header Content-Type: application/json")
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
    """The body, however it is sent; it is dropped as soon as it is too large."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BYTES:
            raise Problem(413, f"the body is larger than {MAX_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Problem(422, "a key occurs twice in one object")
    return found


def _no_constant(_: str) -> None:
    raise Problem(422, "NaN and Infinity are not numbers of JSON")
