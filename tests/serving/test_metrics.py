"""What operators see: counted rightly, bounded, and without a customer's id or value."""

import json
import logging
import re
import sqlite3
import threading
from datetime import UTC, datetime
from io import StringIO

import pytest
from starlette.testclient import TestClient

from features.errors import CorruptError, NotReadyError
from serving.access.table import TABLE
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.deciding.adviser import adviser_of
from serving.lines import JsonLines
from serving.live import Live
from serving.metrics import Metrics
from serving.readiness import Readiness, check_room

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def client(home, scorer, memory_reader, metrics):
    adviser = adviser_of(Live(scorer, memory_reader()), home, "pepper")
    metrics.in_force(adviser, lambda: NOW)
    app = create_app(Desk(lambda: adviser), lambda: NOW, metrics=metrics)
    return TestClient(app, raise_server_exceptions=False)


def _samples(client) -> dict[str, float]:
    """Every sample by its name and labels; other tests of the same process may have counted before."""
    lines = client.get("/metrics").text.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}


def test_requests_and_items_are_counted_by_route_status_and_kind_of_reason(client, frame):
    before = _samples(client)
    fine = frame.loc[frame["consent_profiling"] == 1, "customer_id"].iloc[0]
    for path in ("/v1/scores", "/v1/offers", "/v1/profile"):
        assert client.post(path, json={"customer_ids": [fine, "nobody"]}).status_code == 200
    client.post("/v1/scores", json={})
    client.get("/v1/made-up")
    after = _samples(client)
    counted = {name: count - before.get(name, 0.0) for name, count in after.items()}
    assert counted['tenure_requests_total{route="/v1/scores",status="200"}'] == 1
    assert counted['tenure_requests_total{route="/v1/scores",status="422"}'] == 1
    assert counted['tenure_requests_total{route="other",status="404"}'] == 1
    assert counted['tenure_items_total{route="/v1/scores",status="ok"}'] == 1
    for path in ("scores", "offers", "profile"):
        assert counted[f'tenure_items_total{{route="/v1/{path}",status="abstain"}}'] == 1
    assert counted['tenure_item_reasons_total{kind="unknown_customer"}'] == 3
    assert after['tenure_model_version{model="value"}'] == 2
    assert counted['tenure_request_seconds_count{route="/v1/offers"}'] == 1


def test_no_id_of_anybody_is_in_metrics_logs_or_refusals(client, caplog):
    caplog.set_level(logging.INFO, "tenure")
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        texts = []
        for number in range(200):
            canary = f"CANARY{number:04d}X"
            path = ("scores", "offers", "profile", "outcomes", canary)[number % 5]
            body = (
                {"customer_ids": [canary]} if number % 2 else {canary: canary, "customer_ids": [canary, 1]}
            )
            answer = client.post(f"/v1/{path}?q={canary}", json=body, headers={"Idempotency-Key": canary})
            texts += [answer.text] if answer.status_code >= 400 else []
    finally:
        root.removeHandler(handler)
    assert len(texts) > 100 and "tenure.requests" in written.getvalue()
    for text in (*texts, written.getvalue(), client.get("/metrics").text):
        assert "CANARY" not in text
    routes = set(re.findall(r'route="([^"]*)"', client.get("/metrics").text))
    assert routes <= {"other", *(path for _, path in TABLE)}


def test_a_line_tells_an_exceptions_type_and_place_and_no_library_text():
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    for name in ("uvicorn.error", "bentoml", "tenure.api"):
        log = logging.Logger(name)
        log.addHandler(handler)
        try:
            raise ValueError("secret-4111")
        except ValueError:
            log.exception("failed" if name == "tenure.api" else "failed with secret-4111")
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["exception"] for line in lines] == ["ValueError"] * 3
    assert all(line["place"].rpartition(":")[2].isdigit() for line in lines)
    assert lines[2]["event"] == "failed" and "4111" not in written.getvalue()


def test_ready_only_while_every_check_holds_and_again_after_recovery(tmp_path):
    log, seconds = tmp_path / "home" / "decisions.db", [0.0]
    ready = Readiness([lambda: check_room(log)], lambda: seconds[0])
    assert not ready()  # no folder to write to
    log.parent.mkdir()
    assert ready()
    log.mkdir()  # a folder where a file should be
    assert ready()  # as a moment ago
    seconds[0] += 2
    assert not ready()
    with pytest.raises(CorruptError):
        check_room(log)
    log.rmdir()
    assert ready()


def test_not_ready_is_503(home):
    def nothing():
        raise NotReadyError("nothing is loaded")

    ready = Readiness([nothing])
    client = TestClient(create_app(Desk(nothing), lambda: NOW, ready=ready))
    assert client.get("/readyz").status_code == 503
    assert (
        TestClient(create_app(Desk(nothing), lambda: NOW, ready=lambda: True)).get("/readyz").status_code
        == 200
    )


def test_gauges_are_looked_after_again_when_a_look_failed(caplog, monkeypatch):
    monkeypatch.setattr("serving.metrics._LOOK_S", 0.001)
    looks, again = iter([sqlite3.OperationalError("C0001 is locked")]), threading.Event()

    def look():
        for error in looks:
            raise error
        again.set()

    Metrics().start(look)
    assert again.wait(30)
    assert "gauges are not current: OperationalError" in caplog.text and "C0001" not in caplog.text


def test_what_fails_before_any_route_is_a_problem_with_an_id_and_counted_as_such(caplog):
    metrics = Metrics()

    def broken():
        raise OSError(24, "C0001: too many open files")

    def failing():
        raise ZeroDivisionError("C0001")

    for made, status, retry in ((broken, 503, "1"), (failing, 500, None)):
        app = create_app(
            Desk(lambda: None), lambda: datetime(2026, 1, 1, tzinfo=UTC), made, metrics=metrics
        )
        answer = TestClient(app).post("/v1/scores", json={"customer_ids": ["C0001"]})
        assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert f'route="/v1/scores",status="{status}"'.encode() in metrics.text()
    assert "C0001" not in caplog.text
