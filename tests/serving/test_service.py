"""The service inside BentoML, on a home without online features: alive, and honestly not ready."""

import pytest
from starlette.testclient import TestClient


@pytest.fixture
def client(home, monkeypatch):
    monkeypatch.setenv("TENURE_HOME", str(home.path))
    monkeypatch.setenv("BENTOML_DO_NOT_TRACK", "True")
    monkeypatch.setenv("TENURE_ACCESS", "off")
    from serving.service import TenureService

    here = {"base_url": "http://127.0.0.1:3000", "client": ("127.0.0.1", 50_000)}
    with TestClient(TenureService.to_asgi(), raise_server_exceptions=False, **here) as client:
        yield client


def test_bento_carries_our_app_and_is_ready_only_when_loaded(client):
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    answer = client.post("/v1/scores", json={"customer_ids": ["C0001"]})
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert client.get("/", follow_redirects=False).headers["location"] == "/docs"
    assert "POST /v1/offers" in client.get("/docs").text
    unknown = client.get("/static_content/main.js")
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")


def test_the_timeout_is_short_because_bento_keeps_requests_for_so_long():
    from serving.service import TenureService

    assert TenureService.config["traffic"]["timeout"] <= 5
