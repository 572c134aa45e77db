"""Errors as RFC 9457 problem details; they never repeat what was sent."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from features.errors import TenureError

__all__ = ["Problem", "answer", "as_problem", "broken", "from_error", "install"]

_LOG = logging.getLogger("tenure.api")
_TITLES = {
    400: "Not valid JSON",
    401: "Who is asking?",
    403: "Not for this role",
    404: "No such address",
    405: "Method not allowed",
    408: "The request came too slowly",
    409: "Decided otherwise before",
    413: "Request too large",
    415: "Content type must be application/json",
    422: "Request breaks its contract",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available now",
    507: "No room to keep it",
}


class Problem(Exception):
    """A refusal with its status and headers; `detail` must not hold a customer's value."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[dict[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, list(errors)
        self.headers = dict(headers or {})


def install(app: FastAPI) -> None:
    """Answer every error of the app as application/problem+json."""

    async def on_problem(request: Request, error: Exception) -> JSONResponse:
        return answer(request, as_problem(error))

    for kind in (Problem, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, on_problem)


def from_error(error: Exception) -> Problem:
    """What an error from inside becomes outside.

    The text of an error may hold a path or an id: it goes neither into the answer nor into the log.
    """
    _LOG.error("request failed: %s", type(error).__name__)
    if isinstance(error, TenureError):
        return Problem(error.http_status, "the state behind the service does not allow an answer")
    return Problem(500, "the service failed; nothing about the request was kept")


def as_problem(error: Exception) -> Problem:
    """What any error becomes outside."""
    if isinstance(error, RequestValidationError):
        return broken(error.errors())
    if isinstance(error, HTTPException):
        return Problem(error.status_code, _TITLES.get(error.status_code, "Refused"))
    return error if isinstance(error, Problem) else from_error(error)


def broken(errors: Sequence[Any]) -> Problem:
    """What errors of validation become, as Pydantic lists them."""
    return Problem(422, "the body breaks the schema; see /docs", [_place(error) for error in errors])


def _place(error: Any) -> dict[str, str]:
    """Where and what, without the input; the name of an unknown field is the sender's, so not repeated."""
    where = [str(part) for part in error["loc"] if part != "body"]
    if error["type"] == "extra_forbidden":
        return {"where": ".".join(where[:-1]) or "body", "what": "a field that the schema does not know"}
    if error["type"] == "union_tag_invalid":  # its message repeats what was sent
        return {"where": ".".join(where) or "body", "what": f"kind: one of {error['ctx']['expected_tags']}"}
    return {"where": ".".join(where) or "body", "what": str(error["msg"])}


def answer(request: Request, problem: Problem) -> JSONResponse:
    """A refusal as application/problem+json."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(problem.status, "Refused"),
        "status": problem.status,
        "detail": problem.detail,
        "request_id": getattr(request.state, "request_id", ""),
    }
    if problem.errors:
        body["errors"] = problem.errors
    headers = {**({"Retry-After": "1"} if problem.status in (503, 507) else {}), **problem.headers}
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")
