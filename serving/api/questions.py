"""Questions with a body, answered straight: FastAPI describes them, and would cost more than the answer."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.api.body import read_strictly, while_connected
from serving.api.problems import Problem, answer, as_problem, broken
from serving.api.retries import KEY_PATTERN
from serving.api.schemas import Strict

__all__ = ["Questions"]

_KEY = "idempotency_key"
_LONG = 4_000
"""Bytes of a question that takes so long that it is worth asking whether anybody still waits."""


class _Question:
    """One route: what is asked, strictly read, is handed to its endpoint.

    Its parameters are `request`, one of a type of `serving.api.schemas.Strict`, and where the answer may be
    asked for again `idempotency_key`.
    """

    def __init__(self, endpoint: Callable[..., Awaitable[Response]]) -> None:
        self._endpoint, hints = endpoint, get_type_hints(endpoint)
        self._keyed = _KEY in hints
        self._name, self._type = next(
            (name, kind)
            for name, kind in hints.items()
            if isinstance(kind, type) and issubclass(kind, Strict)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answered(request)
        except Exception as error:
            # Left alone, the server would log the error's text, and with it a customer's value.
            response = answer(request, as_problem(error))
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        asked, size = await read_strictly(request)
        told: dict[str, Any] = {"request": request}
        try:
            told[self._name] = self._type.model_validate(asked)
        except ValidationError as error:
            raise broken(error.errors(include_url=False, include_input=False)) from None
        if self._keyed:
            told[_KEY] = _key(request)
        answered = self._endpoint(**told)
        return await (while_connected(request, answered) if size > _LONG else answered)


class Questions:
    """Hands the questions of an app to their endpoints, and everything else to the app."""

    def __init__(self, app: FastAPI) -> None:
        self._app: ASGIApp = app
        self._questions = {
            route.path: _Question(route.endpoint)
            for route in app.routes
            if isinstance(route, APIRoute) and "POST" in (route.methods or ())
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        asked = scope["type"] == "http" and scope["method"] == "POST"
        question = self._questions.get(scope["path"]) if asked else None
        await (question or self._app)(scope, receive, send)


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not re.fullmatch(KEY_PATTERN, key):
        raise Problem(
            422,
            "a header breaks its contract; see /docs",
            [{"where": "Idempotency-Key", "what": "1 to 128 visible ASCII characters"}],
        )
    return key
