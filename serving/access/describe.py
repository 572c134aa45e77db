"""What the table says, in the service's own description: /openapi.json and /docs."""

from typing import Any

from fastapi import FastAPI

from serving.access.table import is_open, roles_of

__all__ = ["describe_access"]

_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `tenure keys add`, or a token of the bank's own identity provider.",
}
_REFUSALS = {
    "401": "No valid key or token",
    "403": "Not for the role of this key",
    "429": "Too many requests; see Retry-After",
}


def describe_access(app: FastAPI) -> None:
    """Add to the description of every operation who may ask, and how the guard refuses."""
    plain = app.openapi

    def guarded() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_access(plain())
        return app.openapi_schema

    app.openapi = guarded  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _with_access(openapi: dict[str, Any]) -> dict[str, Any]:
    openapi["components"]["securitySchemes"] = {"key": _SCHEME}
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            if is_open(method.upper(), path):
                continue
            operation["security"] = [{"key": []}]
            told = (operation.get("description", ""), f"Roles: {roles_of(method.upper(), path)}.")
            operation["description"] = "\n\n".join(filter(None, told))
            for status, text in _REFUSALS.items():
                content: dict[str, Any] = {"application/problem+json": {}}
                operation["responses"].setdefault(status, {"description": text, "content": content})
    return openapi
