"""The outermost layer: an id for each request, and headers that keep answers private."""

import secrets
from base64 import b32encode
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Edge", "new_id"]

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_ULID = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _CROCKFORD.encode())
_AT_ONCE = 256
_DRAWN: list[bytes] = []

_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
"""Of every answer; nothing inside sets one of them."""


class Edge:
    """Gives each request an id (in its state and in the X-Request-Id header)."""

    def __init__(self, app: ASGIApp, now: Callable[[], datetime]) -> None:
        self._app, self._now = app, now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id(self._now())

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = (b"x-request-id", request_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), *_HEADERS, own]}
            await send(message)

        state = {**scope.get("state", {}), "request_id": request_id}
        await self._app({**scope, "state": state}, receive, with_headers)


def new_id(now: datetime) -> str:
    """A ULID: 48 bits of time in milliseconds, 80 random bits, in Crockford's base 32."""
    drawn = b32encode(_random()).translate(_TO_ULID).decode()
    return _moment(int(now.timestamp() * 1000)) + drawn


def _random() -> bytes:
    """Ten random bytes; the system is asked for many at once."""
    try:
        return _DRAWN.pop()
    except IndexError:
        many = secrets.token_bytes(10 * _AT_ONCE)
        _DRAWN.extend(many[begin : begin + 10] for begin in range(10, len(many), 10))
        return many[:10]


@lru_cache(maxsize=16)
def _moment(milliseconds: int) -> str:
    return "".join(_CROCKFORD[milliseconds >> shift & 31] for shift in range(45, -1, -5))
