"""The BentoML service: it owns process, probes and metrics, and mounts our own ASGI app at "/"."""

import sys
from collections.abc import Hashable
from concurrent.futures import wait
from contextlib import suppress
from functools import cache
from itertools import count
from typing import Any

import bentoml
from _bentoml_impl.server.allocator import ResourceAllocator  # type: ignore[import-untyped]
from _bentoml_sdk import Service  # type: ignore[import-untyped]
from starlette.types import ASGIApp, Receive, Scope, Send

from features.errors import TenureError
from features.home import Home, home_of
from features.settings import quiet_environment, read_settings
from serving.access.entry import access_of
from serving.access.guard import Access
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.api.intake import Intake
from serving.cli.clock import now
from serving.connections import Connections
from serving.deciding.adviser import Adviser, adviser_of
from serving.lines import log_lines
from serving.live import load_live
from serving.log.writer import Writer
from serving.metrics import Metrics
from serving.readiness import Readiness, check_room
from serving.swap import Swapper, signs_of, warmed

__all__ = ["TenureService"]


def _load() -> Adviser:
    settings = read_settings()
    home = home_of(settings)
    # A simulated bank lives at the end of its history, not today.
    live = load_live(home, None if home.simulated else now, settings.online, rehearsed=True)
    writer = _writer()
    return warmed(adviser_of(live, home, settings.salt, writer.append, writer.receive))


@cache
def _writer() -> Writer:
    """One for the process: it outlives the advisers that come and go."""
    return Writer(home_of(read_settings()).decisions_db, watch=_METRICS.committed)


def _signs() -> Hashable:
    return signs_of(Home(read_settings().home))


@cache
def _access() -> Access:
    workers, _ = ResourceAllocator().get_worker_env(TenureService)
    return access_of(read_settings(), now, workers)


def _look() -> None:
    """Whatever changes without a request."""
    _METRICS.swapped(_SWAPPER)
    _METRICS.waiting(_DESK.waiting, _INTAKE.waiting)
    with suppress(TenureError):
        _METRICS.in_force(_SWAPPER.current(), now)
        if next(_LOOKS) % _CONSENTS_EVERY == 0:
            _SWAPPER.current().consents.look()


_METRICS = Metrics()
_SWAPPER = Swapper(_load, _signs)
_DESK = Desk(_SWAPPER.current)
_INTAKE = Intake(read_settings, now)
_READY = Readiness(
    (
        lambda: _access().check(),
        lambda: _SWAPPER.current().live.reader.read(["ready"]),
        lambda: check_room(home_of(read_settings()).decisions_db),
    )
)
_APP = create_app(_DESK, now, _access, _INTAKE, _METRICS, _READY)
_CONNECTIONS = Connections()
_LOOKS, _CONSENTS_EVERY = count(), 5
"""Of so many looks one is for who opted out: what this worker was told it knows anyway."""

_PROBES = ("/livez", "/healthz", "/readyz")
"""What BentoML answers itself. All else, its own metrics and schema too, is for the guard to refuse."""

_SWITCH_S = 0.0005
"""The log's thread needs the interpreter for microseconds at a time, and shall not wait long for it."""

_WARM_S = 10.0
"""What takes events gets warm before customers come: it would take two seconds from their answers."""


class _Hosted(Service[Any]):
    """A service of BentoML whose own layers our answers do not pass through.

    They trace, time and count each request at several times the cost of the server below, and keep it for
    the whole timeout; our app has its own deadline and its own figures. All else BentoML does as ever.
    """

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """BentoML's app behind ours."""
        hosted = super().to_asgi(is_main)

        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                _CONNECTIONS.begin()
            elif _CONNECTIONS.leaving:
                send = _CONNECTIONS.last(send)
            ours = scope["type"] == "http" and scope["path"] not in _PROBES
            await (_APP if ours else hosted)(scope, receive, send)

        return front


# BentoML keeps every finished request until the timeout is over, so the timeout is short.
@bentoml.service(
    name="tenure",
    workers=1,
    traffic={"timeout": 5},
    logging={"access": {"enabled": False}},
    service_class=_Hosted,
)
@bentoml.asgi_app(_APP, path="/")
class TenureService:
    """Scores and offers of one bank, TENURE_HOME."""

    def __init__(self) -> None:
        quiet_environment()
        log_lines()
        sys.setswitchinterval(_SWITCH_S)
        _DESK.ready()
        _SWAPPER.start()
        wait([_INTAKE.start()], _WARM_S)
        _METRICS.start(_look)

    def __is_ready__(self) -> bool:
        """Asked by /readyz: 503 while keys, models or features cannot be read, or decisions not be kept."""
        return _READY()
