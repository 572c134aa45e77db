import json
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from features.errors import NotReadyError
from serving.api.app import create_app
from serving.api.body import MAX_BYTES
from serving.api.desk import Desk
from serving.api.edge import new_id
from serving.deciding.adviser import adviser_of
from serving.live import Live

SECRET = "4111111111111111"
JSON = {"Content-Type": "application/json"}


def _now():
    return datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def client(home, scorer, memory_reader):
    live = Live(scorer, memory_reader())
    return TestClient(
        create_app(Desk(lambda: adviser_of(live, home, "pepper")), _now), raise_server_exceptions=False
    )


def _ask(client, body, headers=JSON):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/v1/scores", content=content, headers=headers)


def test_an_answer_has_the_shape_of_the_design(client, frame):
    open_ids = frame.loc[(frame["consent_profiling"] == 1) & (frame["holds_card"] == 0), "customer_id"]
    answer = _ask(client, {"customer_ids": [open_ids.iloc[0]], "reasons": True})
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["request_id", "as_of", "feature_generation", "models", "results"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert (body["as_of"], body["feature_generation"]) == ("2026-01-01T00:00:00Z", "2026-01-01.1")
    assert all(re.fullmatch(rf"{n}/\d+ sha256:[0-9a-f]{{12}}", v) for n, v in body["models"].items())
    result = body["results"][0]
    assert list(result) == ["customer_id", "status", "reasons", "churn", "value", "propensity"]
    assert list(result["churn"]) == ["definition", "horizon_days", "probability", "survival", "because"]
    curve = result["churn"]["survival"]
    assert len(curve) == 6 and curve == sorted(curve, reverse=True)
    assert curve[-1] == 1 - result["churn"]["probability"]
    assert all(list(b) == ["code", "text", "weight"] for b in result["churn"]["because"])
    assert list(result["value"]) == ["currency", "months", "expected", "p10", "p90", "parts", "horizons"]
    assert list(result["value"]["parts"]) == ["interest_margin", "fees", "cost_to_serve", "expected_loss"]
    assert result["value"]["months"] == 12
    one, two, three = result["value"]["horizons"]
    same = ("months", "expected", "p10", "p90", "parts")
    assert one == {key: result["value"][key] for key in same} | {"missing": ""}
    assert two["months"] == 24
    assert two["expected"] == sum(two["parts"].values())
    assert two["parts"]["fees"] == 1.9 * one["parts"]["fees"]
    assert (two["p10"], two["p90"], two["missing"]) == (None, None, "")
    nothing = {"months": 36, "expected": None, "p10": None, "p90": None, "parts": {}}
    assert three == nothing | {"missing": "9 more months of history"}
    assert list(result["propensity"][0]) == ["product", "horizon_days", "probability", "basis"]


def test_a_probability_that_rests_on_all_products_takers_says_so(home, scorer, memory_reader, frame):
    model, version = scorer.models["propensity"]
    heads = tuple(replace(h, basis="pooled") if h.name == "loan" else h for h in model.heads)
    models = {**scorer.models, "propensity": (replace(model, heads=heads), version)}
    live = Live(replace(scorer, models=models), memory_reader())
    client = TestClient(
        create_app(Desk(lambda: adviser_of(live, home, "pepper")), _now), raise_server_exceptions=False
    )
    asked = frame.loc[frame["consent_profiling"] == 1, "customer_id"].head(40).tolist()
    results = _ask(client, {"customer_ids": asked}).json()["results"]
    found = {(p["product"], p["basis"]) for r in results for p in r["propensity"]}
    assert found == {("card", "own"), ("loan", "pooled"), ("savings_account", "own")}


def test_mixed_batches_answer_each_in_order(client, frame):
    silent = frame.loc[frame["consent_profiling"] == 0, "customer_id"].iloc[0]
    fine = frame.loc[frame["consent_profiling"] == 1, "customer_id"].iloc[0]
    ids = [fine, "nobody", silent, fine]
    results = _ask(client, {"customer_ids": ids}).json()["results"]
    assert [r["customer_id"] for r in results] == ids
    assert [r["status"] for r in results] == ["ok", "abstain", "suppressed", "ok"]
    assert results[1]["reasons"] == ["unknown_customer"]
    assert results[2]["reasons"] == ["no_profiling_consent"]
    for empty in results[1:3]:
        assert (empty["churn"], empty["value"], empty["propensity"]) == (None, None, [])
    assert results[0] == results[3] and results[0]["churn"]["because"] == []


def test_ids_are_stored_exact(client):
    ids = ["née", "ne\u0301e", "\u202eabc", "🙂", " C0001"]
    results = _ask(client, {"customer_ids": ids}).json()["results"]
    assert [r["customer_id"] for r in results] == ids
    assert {r["status"] for r in results} == {"abstain"}


BAD = [
    (b"{", 400),
    (b"\xff\xfe", 400),
    (b"", 400),
    (b"[" * 100_000, 400),
    (b'{"customer_ids": ["a"], "customer_ids": ["b"]}', 422),
    (b'{"customer_ids": [NaN]}', 422),
    (b'{"customer_ids": ["a"], "reasons": Infinity}', 422),
    ({"customer_ids": ["a"], SECRET: SECRET}, 422),
    ({"customer_ids": []}, 422),
    ({}, 422),
    ([SECRET], 422),
    (SECRET.encode(), 422),
    ({"customer_ids": "C1"}, 422),
    ({"customer_ids": [4111111111111111]}, 422),
    ({"customer_ids": [True]}, 422),
    ({"customer_ids": [1.0]}, 422),
    ({"customer_ids": [2**63]}, 422),
    ({"customer_ids": [None]}, 422),
    ({"customer_ids": [""]}, 422),
    ({"customer_ids": [SECRET * 9]}, 422),
    ({"customer_ids": [SECRET + "\x00"]}, 422),
    (b'{"customer_ids": ["\\ud800"]}', 422),
    ({"customer_ids": ["a"], "reasons": 1}, 422),
    ({"customer_ids": ["a"], "reasons": SECRET}, 422),
    ({"customer_ids": ["C1"] * 1001}, 422),
    (b'{"customer_ids": ["' + b"x" * MAX_BYTES + b'"]}', 413),
]


@pytest.mark.parametrize(("body", "status"), BAD, ids=range(len(BAD)))
def test_bad_input_is_a_problem_without_its_values(client, body, status):
    answer = _ask(client, body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status and problem["title"] and problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert SECRET not in answer.text


def test_the_limit_is_named(client):
    assert "1000" in _ask(client, {"customer_ids": ["C1"] * 1001}).text
    assert _ask(client, {"customer_ids": ["C1"] * 1000}).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-pickle", "multipart/form-data", ""])
def test_another_content_type_is_refused(client, kind):
    answer = _ask(client, {"customer_ids": ["C0001"]}, {"Content-Type": kind})
    assert answer.status_code == 415
    parameter = _ask(
        client, {"customer_ids": ["C0001"]}, {"Content-Type": "Application/JSON; charset=utf-8"}
    )
    assert parameter.status_code == 200


def test_unknown_addresses_and_methods_are_problems(client):
    for method, path, status in (("GET", "/v1/nothing", 404), ("GET", "/v1/scores", 405)):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_an_error_inside_leaks_neither_into_the_answer_nor_into_the_log(
    home, scorer, frame, memory_reader, caplog
):
    broken = frame.assign(tenure_days=SECRET + "!")
    live = Live(scorer, type(memory_reader())(broken))
    for load in (lambda: adviser_of(live, home, "pepper"), lambda: 1 / 0):
        client = TestClient(create_app(Desk(load), _now), raise_server_exceptions=False)
        consenting = frame.loc[frame["consent_profiling"] == 1, "customer_id"].iloc[0]
        answer = _ask(client, {"customer_ids": [consenting]})
        assert answer.status_code in (422, 500)
        assert answer.headers["content-type"] == "application/problem+json"
        for text in (answer.text, caplog.text):
            assert SECRET not in text and consenting not in text


def test_not_ready_until_loaded_and_then_without_a_restart(home, scorer, memory_reader):
    state = {}

    def load():
        if "live" not in state:
            raise NotReadyError("no champion; cure: train")
        return state["live"]

    client = TestClient(create_app(Desk(load), _now), raise_server_exceptions=False)
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    answer = _ask(client, {"customer_ids": ["C0001"]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    state["live"] = adviser_of(Live(scorer, memory_reader()), home, "pepper")
    assert client.get("/readyz").status_code == 200
    assert _ask(client, {"customer_ids": ["C0001"]}).status_code == 200


def test_too_many_and_too_slow_are_sent_away_with_retry_after(home, scorer, memory_reader):
    gate = threading.Event()

    def load():
        gate.wait(10)
        return adviser_of(Live(scorer, memory_reader()), home, "pepper")

    body = {"customer_ids": ["C0001"]}
    slow = TestClient(create_app(Desk(load, deadline=0.05), _now))
    full = TestClient(create_app(Desk(load, max_waiting=0), _now))
    for client in (slow, full):
        answer = _ask(client, body)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    gate.set()


def test_models_and_documentation(client):
    models = client.get("/v1/models").json()
    assert [m["name"] for m in models["models"]] == ["churn", "value", "propensity"]
    assert all(len(m["sha256"]) == 64 for m in models["models"])
    openapi = client.get("/openapi.json").json()
    assert {"/v1/scores", "/v1/models"} <= set(openapi["paths"])
    page = client.get("/", follow_redirects=True).text
    assert "/v1/scores" in page
    assert not re.search(r"\bsrc=|<link|<script|<iframe|href=.http|url\(", page), "fetched from outside"


def test_request_ids_are_ulids_in_order_of_time():
    first, second = new_id(_now()), new_id(_now().replace(year=2027))
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", first)
    assert first < second and new_id(_now()) != first
