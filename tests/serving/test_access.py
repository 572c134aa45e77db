"""The guard: every role, route and method; wrong, expired and revoked keys; limits; nothing leaks."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from features.errors import NotReadyError
from features.home import Home
from serving.access.door import Door
from serving.access.guard import Guard, Keyed, Local
from serving.access.keys import add_key, revoke_key
from serving.access.limits import Limits
from serving.access.table import ROLES, TABLE, roles_of
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.api.intake import Intake
from serving.api.problems import Problem
from serving.lines import JsonLines

NOW = datetime(2026, 1, 2, tzinfo=UTC)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
RATES = dict.fromkeys(ROLES, 1_000_000)
OPEN = ("/", "/docs", "/openapi.json", "/healthz", "/readyz")
# Written out once more, so that nobody opens a route by a slip of the table.
MAY = {
    "crm": {
        *(("POST", f"/v1/{name}") for name in ("profile", "scores", "offers", "outcomes", "events")),
        ("GET", "/v1/models"),
    },
    "marketer": {
        *(("POST", f"/v1/{name}") for name in ("lists", "lists/preview", "outcomes")),
        ("GET", "/v1/models"),
    },
    "analyst": {("POST", "/v1/scores"), ("GET", "/v1/models"), ("GET", "/metrics")},
}
MAY["admin"] = set().union(*MAY.values())
PATHS = sorted({path for _, path in TABLE})


class Clocks:
    """Time that a test moves: the clock's, and seconds since some moment."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return NOW + timedelta(seconds=self.seconds)

    def tick(self):
        return self.seconds


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def bank(tmp_path):
    return Home(tmp_path / "bank")


@pytest.fixture
def ask(bank, clocks):
    """Ask an app that tells whom the guard let in."""

    async def witness(request):
        principal = getattr(request.state, "principal", None)
        return JSONResponse({"id": principal.id, "role": principal.role} if principal else {})

    inner = Starlette(routes=[Route(path, witness, methods=METHODS) for path in [*PATHS, "/v1/secret"]])
    access = Keyed(Door(bank, clocks.now, clocks.tick), RATES, clocks.tick)
    client = TestClient(Guard(inner, lambda: access))

    def make(method, path, token=None, **headers):
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        return client.request(method, path, headers={**sent, **headers})

    return make


def key_of(bank, role, days=90, at=NOW):
    return add_key(bank, role, f"a {role}", days, at)[1]


@pytest.mark.parametrize("role", ROLES)
def test_every_cell_of_role_route_and_method_is_as_promised(bank, ask, role):
    token = key_of(bank, role)
    for method, path in product(METHODS, PATHS):
        answer = ask(method, path, token)
        if path in OPEN and method in ("GET", "HEAD"):
            assert answer.status_code == 200, (method, path)
        elif (method, path) in MAY[role]:
            assert answer.status_code == 200 and answer.json()["role"] == role, (method, path)
        else:
            expected = 403 if (method, path) in MAY["admin"] else 405
            assert answer.status_code == expected, (method, path)


@pytest.mark.parametrize("who", ["anonymous", "expired", "revoked", "wrong secret", "unknown id"])
def test_who_has_no_valid_key_gets_the_open_routes_only(bank, ask, who):
    tokens = {"anonymous": None, "expired": key_of(bank, "admin", 1, NOW - timedelta(days=1))}
    key, tokens["revoked"] = add_key(bank, "admin", "gone", 90, NOW)
    revoke_key(bank, key.id, NOW)
    good = key_of(bank, "admin")
    tokens["wrong secret"] = good[:-1] + ("0" if good[-1] != "0" else "1")
    tokens["unknown id"] = "tnr_" + "0" * 12 + good[16:]
    for method, path in product(METHODS, PATHS):
        answer = ask(method, path, tokens[who])
        if path in OPEN and method in ("GET", "HEAD"):
            assert answer.status_code == 200
        else:
            assert answer.status_code in ({401, 429} if "w" in who else {401}), (method, path)
        if answer.status_code == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert method == "HEAD" or answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/v1/secret", "/v1/scores/", "/V1/scores", "/v1//scores", "/v1/models/x"])
def test_a_route_that_is_not_in_the_table_is_refused_even_for_admin(bank, ask, path):
    token = key_of(bank, "admin")
    assert ask("GET", path, token).status_code == 404
    assert ask("GET", path).status_code == 401


def test_every_route_of_the_app_is_in_the_table_and_described_with_its_roles():
    def nothing():
        raise NotReadyError("nothing is loaded")

    app = create_app(Desk(nothing), lambda: NOW, intake=Intake(nothing, lambda: NOW))
    inner = app
    while not hasattr(inner, "routes"):
        inner = inner._app
    asked = {(m, r.path) for r in inner.routes for m in r.methods if m != "HEAD"}
    assert asked <= set(TABLE)
    described = TestClient(app).get("/openapi.json").json()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            if path in OPEN:
                assert "security" not in operation
            else:
                assert operation["security"] == [{"key": []}]
                assert f"Roles: {roles_of(method.upper(), path)}." in operation["description"]
                assert {"401", "403", "429"} <= set(operation["responses"])


def test_a_guarded_app_answers_problems_with_the_requests_id(bank):
    key_of(bank, "crm")  # there are keys, but none is sent
    door = Door(bank, lambda: NOW, lambda: 0.0)
    app = create_app(Desk(lambda: None), lambda: NOW, lambda: Keyed(door, RATES, lambda: 0.0))
    answer = TestClient(app).post("/v1/scores", json={"customer_ids": ["C1"]})
    assert (answer.status_code, answer.json()["request_id"]) == (401, answer.headers["x-request-id"])
    assert answer.headers["cache-control"] == "no-store"


def test_a_revoked_key_is_refused_from_the_next_request_on_and_a_new_one_taken(bank, ask):
    key, token = add_key(bank, "crm", "desk", 90, NOW)
    for _ in range(2):
        assert ask("POST", "/v1/scores", token).json() == {"id": key.id, "role": "crm"}
        other = key_of(bank, "crm")
        assert ask("POST", "/v1/scores", other).status_code == 200
        revoke_key(bank, key.id, NOW)
        assert ask("POST", "/v1/scores", token).status_code == 401
        key, token = add_key(bank, "crm", "desk", 90, NOW)


def test_a_key_expires_while_the_service_runs(bank, ask, clocks):
    token = key_of(bank, "crm", days=1)
    clocks.seconds = 24 * 3600 - 1
    assert ask("POST", "/v1/scores", token).status_code == 200
    clocks.seconds += 1
    assert ask("POST", "/v1/scores", token).status_code == 401


SPOILT = {
    "empty": b"",
    "cut": b'{"format": 1, "keys": [{"id": "0',
    "no object": b"[]",
    "another format": b'{"format": 2, "keys": []}',
    "a key without hash": b'{"format": 1, "keys": [{"id": "000000000000", "role": "admin"}]}',
    "binary": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_keys_that_cannot_be_read_let_nobody_in(bank, ask, content):
    token = key_of(bank, "admin")
    assert ask("POST", "/v1/scores", token).status_code == 200
    good = bank.keys.read_bytes()
    bank.keys.write_bytes(content)
    for method, path in TABLE:
        status = 200 if path in OPEN and path != "/readyz" else 503
        assert {ask(method, path, t).status_code for t in (token, None, "x")} == {status}, path
    bank.keys.write_bytes(good)
    assert ask("POST", "/v1/scores", token).status_code == 200


def test_a_role_that_does_not_exist_and_a_folder_for_a_file_let_nobody_in(bank, ask):
    token = key_of(bank, "crm")
    text = bank.keys.read_text()
    bank.keys.write_text(text.replace('"crm"', '"root"'))
    assert ask("POST", "/v1/scores", token).status_code == 503
    bank.keys.unlink()
    answer = ask("POST", "/v1/scores", token)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    bank.keys.mkdir()
    assert ask("POST", "/v1/scores", token).status_code == 503


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic {}", "Bearer  {}", "{}", "Bearer {} x", "Bearer {}\x80"]
)
def test_only_one_bearer_key_is_a_key(bank, ask, header):
    sent = header.format(key_of(bank, "admin")).encode("latin-1")
    assert ask("POST", "/v1/scores", **{"Authorization": sent}).status_code == 401


def test_what_a_sender_says_about_himself_is_ignored(bank, ask):
    forged = {
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-User": "admin",
        "X-Remote-User": "admin",
        "X-Original-URL": "/healthz",
        "X-HTTP-Method-Override": "GET",
        "Forwarded": "for=127.0.0.1",
    }
    assert ask("POST", "/v1/offers", key_of(bank, "marketer"), **forged).status_code == 403
    assert ask("POST", "/v1/scores", **forged).status_code == 401


def test_two_authorizations_are_none(bank, clocks):
    async def never(scope, receive, send):
        raise RuntimeError("let in")

    token = key_of(bank, "crm").encode()
    access = Keyed(Door(bank, clocks.now, clocks.tick), RATES, clocks.tick)
    client = TestClient(Guard(never, lambda: access))
    twice = [(b"authorization", b"Bearer " + token)] * 2
    assert client.post("/v1/scores", headers=twice).status_code == 401


def test_a_websocket_is_closed():
    sent = []

    async def send(message):
        sent.append(message)

    async def never(scope, receive, send):
        raise RuntimeError("let in")

    guard = Guard(never, Local)
    asyncio.run(guard({"type": "websocket", "path": "/", "headers": []}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_role_has_a_rate_and_says_when_to_come_back(bank, clocks):
    access = Keyed(Door(bank, clocks.now, clocks.tick), {**RATES, "crm": 2}, clocks.tick)
    inner = Starlette(routes=[Route("/v1/scores", lambda _: JSONResponse({}), methods=["POST"])])
    client = TestClient(Guard(inner, lambda: access))

    def status(token):
        return client.post("/v1/scores", headers={"Authorization": f"Bearer {token}"}).status_code

    one, other = key_of(bank, "crm"), key_of(bank, "crm")
    assert [status(one) for _ in range(4)] == [200, 200, 429, 429]
    assert status(other) == 200
    clocks.seconds += 0.5
    assert [status(one) for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_a_rate_holds_for_all_workers_together(bank, clocks, workers):
    token, rate, seconds = key_of(bank, "crm"), 24, 5
    inner = Starlette(routes=[Route("/v1/scores", lambda _: JSONResponse({}), methods=["POST"])])
    doors = [Door(bank, clocks.now, clocks.tick, None, workers) for _ in range(workers)]
    accesses = [Keyed(door, {**RATES, "crm": rate}, clocks.tick, workers) for door in doors]
    clients = [TestClient(Guard(inner, lambda access=access: access)) for access in accesses]

    def let_in():
        """How many of all get in that ask each worker for the whole rate."""
        head = {"Authorization": f"Bearer {token}"}
        asked = [c.post("/v1/scores", headers=head).status_code for _ in range(rate) for c in clients]
        return asked.count(200)

    told = []
    for _ in range(seconds):
        told.append(let_in())
        clocks.seconds += 1
    assert told == [rate] * seconds


def test_wrong_secrets_wait_and_never_lock_the_owner_out(bank, ask, clocks):
    token, other = key_of(bank, "crm"), key_of(bank, "crm")
    wrong = token[:-64] + "0" * 64
    tried = [ask("POST", "/v1/scores", wrong) for _ in range(15)]
    assert [a.status_code for a in tried] == [401] * 10 + [429] * 5
    assert tried[-1].headers["retry-after"] == "6"
    assert ask("POST", "/v1/scores", token).status_code == 200
    assert ask("POST", "/v1/scores", other[:-64] + "0" * 64).status_code == 401
    for number in range(30):  # ids that do not exist share one count
        ask("POST", "/v1/scores", f"tnr_{number:012x}_{'0' * 64}")
    assert ask("POST", "/v1/scores", f"tnr_{'f' * 12}_{'0' * 64}").status_code == 429
    assert ask("POST", "/v1/scores", other).status_code == 200
    clocks.seconds += 6
    assert ask("POST", "/v1/scores", wrong).status_code == 401


def test_limits_keep_a_bounded_number_of_names():
    limits = Limits(lambda: 0.0)
    for number in range(10_050):
        limits.take(str(number), 1)
    assert len(limits._buckets) == 10_000
    limits.take("0", 1)  # dropped, so full again
    with pytest.raises(Problem) as refused:
        limits.take("10049", 1)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})


def test_no_key_and_no_customer_is_in_answers_or_logs(bank, ask, caplog):
    caplog.set_level(logging.DEBUG)
    customer, tokens = "4111111111111111", [key_of(bank, role) for role in ROLES]
    tokens += [tokens[0][:-64] + "f" * 64, "tnr_" + "e" * 12 + "_" + "d" * 64, f"Bearer {customer}"]
    texts = [
        ask(method, path, token, **{"X-Customer": customer}).text
        for token in tokens
        for method, path in (*TABLE, ("GET", f"/v1/{customer}"), (customer, "/v1/scores"))
    ]
    bank.keys.write_text(json.dumps({"format": 1, "keys": [{"id": customer}]}))
    texts.append(ask("POST", "/v1/scores", tokens[0]).text)
    ours = [JsonLines().format(r) for r in caplog.records if r.name.startswith("tenure")]
    assert any("wrong secret" in line for line in ours)
    for text in [*texts, *ours]:
        assert customer not in text
        assert not any(token[-64:] in text for token in tokens)


def test_switched_off_only_this_machine_is_answered_and_the_table_holds(bank):
    async def told(scope, receive, send):
        await JSONResponse(scope["state"]["principal"].role)(scope, receive, send)

    guard = Guard(told, Local)

    def status(client, host, path="/v1/models"):
        peer = TestClient(guard, client=(client, 5000), base_url="http://localhost")
        return peer.get(path, headers={"Host": host}).status_code

    for host in ("localhost:3000", "127.0.0.1:3000", "[::1]:3000", "localhost"):
        assert status("127.0.0.1", host) == 200
    assert status("::1", "localhost") == 200
    assert status("10.0.0.7", "localhost") == 403
    assert status("testclient", "localhost") == 403
    assert status("127.0.0.1", "evil.example:3000") == 403  # a name made to point to this machine
    assert status("127.0.0.1", "localhost", "/v1/secret") == 404
