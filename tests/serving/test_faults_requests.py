"""Requests that never end, are packed, nested or torn, come too often or from who is gone."""

import asyncio
import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from features.home import Home
from serving.api.app import create_app
from serving.api.body import MAX_BYTES
from serving.api.desk import Desk
from serving.api.limits import Pace
from serving.deciding.adviser import Adviser, adviser_of
from serving.live import Live
from serving.log.decisions import open_log
from serving.scoring import Scorer
from training.versions.champions import Champions

JSON = {"Content-Type": "application/json"}


def _now() -> datetime:
    return datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def adviser(home: Any, scorer: Any, memory_reader: Any) -> Adviser:
    return adviser_of(Live(scorer, memory_reader()), home, "pepper")


@pytest.fixture
def client(adviser: Adviser) -> TestClient:
    return TestClient(create_app(Desk(lambda: adviser), _now), raise_server_exceptions=False)


class _Sender:
    """One request over bare ASGI, whose parts come when they are put; `answer` is status and headers."""

    def __init__(self, path: str = "/v1/scores") -> None:
        self.parts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.taken, self.answer = 0, (0, dict[str, str]())
        headers = [(b"content-type", b"application/json")]
        self.scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "client": None}
        self.scope |= {"query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1"}

    def put(self, body: bytes, *, more: bool = False) -> None:
        self.parts.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self) -> None:
        self.parts.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> dict[str, Any]:
        part = await self.parts.get()
        self.taken += 1
        return part

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.answer = message["status"], {k.decode(): v.decode() for k, v in message["headers"]}


@pytest.mark.parametrize("packing", ["gzip", "deflate", "br", "GZIP, identity"])
def test_a_packed_body_is_refused_before_it_is_unpacked(client: TestClient, packing: str) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    answer = client.post("/v1/scores", content=bomb, headers={**JSON, "Content-Encoding": packing})
    assert answer.status_code == 415
    assert client.post("/v1/scores", content=bomb, headers=JSON).status_code == 400


def test_a_body_in_pieces_is_dropped_as_soon_as_it_is_too_large(adviser: Adviser) -> None:
    sender = _Sender()
    for _ in range(100):
        sender.put(b" " * 100_000, more=True)
    asyncio.run(create_app(Desk(lambda: adviser), _now)(sender.scope, sender.receive, sender.send))
    assert sender.answer[0] == 413
    assert sender.taken <= MAX_BYTES // 100_000 + 1


@pytest.mark.parametrize("nested", ["[", '{"a":', '[{"a":'])
def test_a_hundred_thousand_levels_are_not_json(client: TestClient, nested: str) -> None:
    assert client.post("/v1/scores", content=nested * 100_000, headers=JSON).status_code == 400


WORDS = [
    "\x00",
    "\ud800",
    "\u202eabc\u202c",
    "e\u0301",
    "\u00e9",
    "\U0001f469\u200d\U0001f4bb",
    "\ufffe",
    "\ufeffC1",
    "=1+1",
    "'; DROP TABLE x; --",
    "../../etc/passwd",
    "x" * 1_000_000,
]


@pytest.mark.parametrize("path", ["/v1/scores", "/v1/offers", "/v1/profile"])
@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
def test_words_of_any_script_are_answered_exactly_or_refused(
    client: TestClient, path: str, word: str
) -> None:
    answer = client.post(path, content=json.dumps({"customer_ids": [word]}), headers=JSON)
    assert answer.status_code in (200, 413, 422)
    if answer.status_code == 200:
        assert answer.json()["results"][0]["customer_id"] == word
    else:
        assert word not in answer.text


def test_who_leaves_before_or_while_it_is_answered_leaves_room_for_the_next(adviser: Adviser) -> None:
    desk = Desk(lambda: adviser, max_waiting=1)
    app = create_app(desk, _now)
    many = json.dumps({"customer_ids": [f"C{n:04d}" for n in range(900)], "reasons": True}).encode()

    async def ask() -> list[int]:
        half, gone, after = _Sender(), _Sender(), _Sender()
        half.put(many[:100], more=True)
        half.leave()
        gone.put(many)
        gone.leave()
        after.put(b'{"customer_ids": ["C0001"]}')
        for sender in (half, gone, after):
            await app(sender.scope, sender.receive, sender.send)
        return [half.answer[0], gone.answer[0], after.answer[0]]

    assert asyncio.run(ask()) == [408, 408, 200]


def test_who_sends_slowly_takes_nobodys_place_and_is_given_up(adviser: Adviser) -> None:
    app = create_app(Desk(lambda: adviser, max_waiting=1), _now)

    async def ask() -> tuple[list[int], int]:
        slow = [_Sender() for _ in range(50)]
        for sender in slow:
            sender.put(b'{"customer_ids"', more=True)
        reading = [asyncio.create_task(app(s.scope, s.receive, s.send)) for s in slow]
        while any(not sender.taken for sender in slow):
            await asyncio.sleep(0)
        quick = _Sender()
        quick.put(b'{"customer_ids": ["C0001"]}')
        await app(quick.scope, quick.receive, quick.send)
        await asyncio.gather(*reading)
        return [sender.answer[0] for sender in slow], quick.answer[0]

    assert asyncio.run(ask()) == ([408] * 50, 200)


def test_a_burst_is_answered_as_far_as_it_has_room_and_the_rest_is_not_even_read(adviser: Adviser) -> None:
    app = create_app(Desk(lambda: adviser, max_waiting=3), _now)
    many = json.dumps({"customer_ids": [f"C{n:04d}" for n in range(250)]}).encode()

    async def burst() -> list[_Sender]:
        senders = [_Sender() for _ in range(20)]
        for sender in senders:
            sender.put(many)
        await asyncio.gather(*(app(s.scope, s.receive, s.send) for s in senders))
        return senders

    senders = asyncio.run(burst())
    refused = [sender for sender in senders if sender.answer[0] != 200]
    assert len(refused) == 17
    assert all(s.answer[0] == 503 and s.answer[1]["retry-after"] == "1" and not s.taken for s in refused)


def test_who_would_wait_too_long_is_sent_away_and_a_short_question_is_not() -> None:
    moment = [0.0]
    pace = Pace(lambda: moment[0])
    for _ in range(500):
        pace.begin()
        moment[0] += 0.2
        pace.end()
        moment[0] += 1_000  # nobody waits: that is not slow
    assert pace.seconds == pytest.approx(0.2, rel=0.01)
    for _ in range(10):
        pace.begin()
    assert pace.expected == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_jumps_by_a_day_fails_nobody(adviser: Adviser, jump: int) -> None:
    moments = iter([1_767_312_000, 1_767_312_000 + jump] * 3)
    clock: Callable[[], datetime] = lambda: datetime.fromtimestamp(next(moments), UTC)  # noqa: E731
    client = TestClient(create_app(Desk(lambda: adviser), clock))
    answers = [client.post("/v1/scores", json={"customer_ids": ["C0001"]}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({answer.json()["request_id"] for answer in answers}) == 6


@pytest.mark.parametrize("jump", [-1, 1])
def test_what_is_recorded_while_the_clock_jumps_by_a_day_keeps_its_order(
    home: Home, scorer: Scorer, memory_reader: Any, jump: int
) -> None:
    true = datetime(2026, 1, 2, tzinfo=UTC)
    moments, shown = [true, true + timedelta(days=jump), true], [true]
    adviser = adviser_of(Live(scorer, memory_reader(), lambda: shown[0]), home, "pepper")
    client = TestClient(create_app(Desk(lambda: adviser), lambda: shown[0]))
    champions, told = Champions(home), []
    for number, moment in enumerate(moments, 10):
        shown[0] = moment
        answer = client.post("/v1/offers", json={"customer_ids": ["C0001"]})
        assert answer.status_code == 200
        told.append(answer.json()["results"][0]["decision_id"])
        version = replace(champions.champion("churn"), version=number)
        champions.move("promote", version, ("test",), who="ada", at=moment)
        assert champions.champion("churn").version == number, "the latest is the one that was said last"
    with open_log(home.decisions_db, only_read=True) as log:
        rows = log.execute("SELECT decision_id, decided_at FROM decisions ORDER BY rowid").fetchall()
    assert [row[0] for row in rows] == told
    assert [datetime.fromisoformat(row[1]) for row in rows] == moments
    outcome = {"outcome_id": "o1", "decision_id": told[1], "customer_id": "C0001", "kind": "shown"}
    outcome |= {"at": true.isoformat(), "known_at": true.isoformat()}
    [received] = client.post("/v1/outcomes", json={"outcomes": [outcome]}).json()["results"]
    assert received == {"outcome_id": "o1", "status": "new", "flag": "early" if jump > 0 else ""}
