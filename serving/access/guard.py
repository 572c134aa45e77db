"""The guard before the app: who asks, whether the table lets them, and how often. Default deny."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Protocol

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from features.errors import TenureError
from serving.access.door import Door, Principal
from serving.access.limits import Limits
from serving.access.table import check_allowed, is_open
from serving.api.problems import Problem, answer, from_error

__all__ = ["Access", "Guard", "Keyed", "Local"]

_LOCAL_NAMES = {b"localhost", b"127.0.0.1", b"[::1]"}


class Access(Protocol):
    """How a request is let in; `check` is asked by readiness."""

    async def admit(self, scope: Scope) -> Principal:
        """Who asks; raises Problem or TenureError for whom is not let in."""

    def check(self) -> None:
        """Raise TenureError where nobody can be let in."""


class Keyed:
    """Lets in by key or token, as often as the role's rate allows (requests a second, of all workers)."""

    def __init__(
        self, door: Door, rates: Mapping[str, int], tick: Callable[[], float], workers: int = 1
    ) -> None:
        self._door, self._rates, self._limits = door, rates, Limits(tick, workers)

    async def admit(self, scope: Scope) -> Principal:
        """Who asks, by the header Authorization alone: no other header says who somebody is."""
        principal = await self._door.who([v for name, v in scope["headers"] if name == b"authorization"])
        self._limits.take(principal.id, self._rates[principal.role])
        return principal

    def check(self) -> None:
        """Raise where keys cannot be read."""
        self._door.keys()


class Local:
    """Access switched off: whoever asks from this machine, by a name of this machine, may do all."""

    async def admit(self, scope: Scope) -> Principal:
        """The one principal.

        Raises
        ------
        Problem
            403 for another machine, and for a page whose name was made to point to this one.
        """
        hosts = [value.lower() for name, value in scope["headers"] if name == b"host"]
        names = {h if h in _LOCAL_NAMES else h.rpartition(b":")[0] for h in hosts}
        if not _is_loopback((scope.get("client") or ("",))[0]) or not names <= _LOCAL_NAMES:
            raise Problem(403, "without keys only this machine is answered; make keys, see /docs")
        return Principal("local", "admin")

    def check(self) -> None:
        """Nothing is needed."""


class Guard:
    """Passes on what the table lets pass, with `principal` in the request's state.

    Parameters
    ----------
    access
        Makes the access at the first question; tried again by each question until it succeeds.
    """

    def __init__(self, app: ASGIApp, access: Callable[[], Access]) -> None:
        self._app, self._make = app, access
        self._access: Access | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not; nothing but HTTP is let in."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._guarded(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def check(self) -> None:
        """Raise TenureError where nobody can be let in."""
        self._made().check()

    def _made(self) -> Access:
        if self._access is None:
            self._access = self._make()
        return self._access

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        try:
            if is_open("GET" if method == "HEAD" else method, path):
                if path == "/readyz":
                    self.check()
            else:
                principal = await self._made().admit(scope)
                scope.setdefault("state", {})["principal"] = principal
                check_allowed(method, path, principal.role)
        except (Problem, TenureError, OSError) as error:  # OSError: the process has no file left to open
            problem = error if isinstance(error, Problem) else _closed(error)
            await answer(Request(scope), problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _closed(error: TenureError | OSError) -> Problem:
    return Problem(503, from_error(error).detail)


@lru_cache(maxsize=64)
def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, or where no socket is: nobody knows from where
        return False
