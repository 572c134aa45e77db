"""The BentoML service: it owns process, probes and metrics, and mounts our own ASGI app at "/"."""

import bentoml

from features.home import Home
from features.settings import quiet_environment, read_settings
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.cli.clock import now
from serving.deciding.adviser import Adviser, adviser_of
from serving.live import load_live

__all__ = ["TenureService"]


def _load() -> Adviser:
    settings = read_settings()
    home = Home(settings.home)
    # A simulated bank lives at the end of its history, not today.
    live = load_live(home, None if home.simulated else now, settings.online)
    return adviser_of(live, home, settings.salt)


_DESK = Desk(_load)


# BentoML keeps every finished request until the timeout is over, so the timeout is short.
@bentoml.service(
    name="tenure",
    workers=1,
    traffic={"timeout": 5},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(create_app(_DESK, now), path="/")
class TenureService:
    """Scores and offers of one bank, TENURE_HOME."""

    def __init__(self) -> None:
        quiet_environment()
        _DESK.ready()

    def __is_ready__(self) -> bool:
        """Asked by /readyz: 503 until champions and features are loaded."""
        return _DESK.ready()
