"""Counts every answer, and logs some of them: which route, how it went and for whom's key, nothing else."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.table import TABLE
from serving.api.problems import answer, from_error
from serving.lines import EVERY
from serving.metrics import CONTENT_TYPE, Item, Metrics

__all__ = ["Tell", "Watch", "add_metrics", "asker", "teller"]

Tell = Callable[[Sequence[Item], Mapping[str, str]], None]

_LOG = logging.getLogger("tenure.requests")
_ROUTES = frozenset(path for _, path in TABLE)
_COMMON = frozenset((*range(200, 400), 429, 503))
"""Statuses of which one in EVERY is logged; all others are logged."""

_GONE = 499
"""Counted where the sender left before there was an answer."""


class Watch:
    """Sees each request from its headers to the end of its answer; the edge outside gave it its id."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics, self._number = app, metrics, count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = _GONE, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if status != _GONE:
                raise
            # Left alone, the server would answer in plain text, without an id and a way to try again.
            await answer(Request(scope), from_error(error))(scope, receive, noting)
        finally:
            self._note(scope, status, time.perf_counter() - begun)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope["path"] if scope["path"] in _ROUTES else "other"
        state = scope["state"]
        self._metrics.answered(route, status, seconds)
        if items := state.get("told"):
            self._metrics.told(route, items)
        if status in _COMMON and next(self._number) % EVERY:
            return
        principal = state.get("principal")
        facts = {
            "request_id": state["request_id"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 3),
            "key": principal.id if principal else "",
            "models": state.get("models", {}),
        }
        _LOG.log(logging.INFO if status < 500 else logging.WARNING, "answered", extra={"facts": facts})


def asker(request: Request) -> str:
    """The id of the key or token that the request came with; "" where the app is unguarded."""
    principal = getattr(request.state, "principal", None)
    return principal.id if principal else ""


def teller(request: Request) -> Tell:
    """Takes the items of an answer and the models behind them, for the watch around the app."""

    def tell(items: Sequence[Item], models: Mapping[str, str]) -> None:
        request.state.told, request.state.models = items, dict(models)

    return tell


def add_metrics(app: FastAPI, metrics: Metrics) -> None:
    """Add the route."""
    described: dict[int | str, dict[str, Any]] = {
        200: {"description": "Prometheus' text format", "content": {"text/plain": {}}}
    }

    @app.get("/metrics", response_class=Response, responses=described)
    async def text() -> Response:
        """What the service counts: requests, items, models in force, age of features, the decision log."""
        return Response(await run_in_threadpool(metrics.text), media_type=CONTENT_TYPE)
