"""The service as it describes itself, events included; nobody answers questions."""

from datetime import UTC, datetime

from starlette.testclient import TestClient

from features.settings import read_settings
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.api.edge import Edge
from serving.api.intake import Intake
from serving.deciding.adviser import Adviser

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def described() -> Edge:
    """The app."""
    return create_app(Desk(_nobody), lambda: NOW, None, Intake(read_settings, lambda: NOW))


def docs_text() -> str:
    """What GET /docs answers."""
    return TestClient(described()).get("/docs").text


def _nobody() -> Adviser:
    raise AssertionError("a description asks nobody")
