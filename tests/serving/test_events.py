"""Events over HTTP, on a real bank: what has just happened counts in the next answer."""

import asyncio
import json
import shutil
import threading
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import assume
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from features.home import Home
from features.online.events import Events
from features.online.push import push
from features.online.recompute import Recomputer
from features.settings import read_settings
from features.snapshots import read_snapshot
from serving.access.keys import add_key
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.api.intake import Intake
from serving.api.problems import Problem
from serving.deciding.adviser import adviser_of
from serving.live import load_live
from tests.serving import test_schemathesis as fuzz

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
NOW = AS_OF + timedelta(hours=20)
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Served:
    """A bank that answers over HTTP; each test takes customers of its own."""

    home: Home
    settings: Any
    intake: Intake
    client: TestClient
    ids: Any

    def post(self, path: str, **body: Any) -> Any:
        return self.client.post(path, content=json.dumps(body), headers=JSON)

    def results(self, path: str, **body: Any) -> list[dict[str, Any]]:
        answer = self.post(path, **body)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["results"])

    def profile(self, who: str) -> dict[str, Any]:
        return self.results("/v1/profile", customer_ids=[who])[0]


@pytest.fixture(scope="module")
def served(bank: Home, tmp_path_factory: pytest.TempPathFactory) -> Served:
    home = Home(tmp_path_factory.mktemp("events") / "home")
    shutil.copytree(bank.path, home.path)
    settings = replace(read_settings({}), home=home.path, threads=1, memory="1GB")
    adviser = adviser_of(load_live(home), home, "pepper")
    intake = Intake(lambda: settings, lambda: NOW, deadline=60)
    intake.start().result()
    client = TestClient(create_app(Desk(lambda: adviser), lambda: NOW, intake=intake))
    rows = read_snapshot(home, AS_OF)
    calm = rows[(rows["consent_profiling"] == 1) & (rows["complaints_open"] == 0)]
    return Served(home, settings, intake, client, iter(calm["customer_id"].tolist()))


def complaint(event_id: str, who: str, **changes: Any) -> dict[str, Any]:
    at = (NOW - timedelta(hours=1)).isoformat()
    return {
        "event_id": event_id,
        "customer_id": who,
        "at": at,
        "kind": "complaint",
        "channel": "call",
    } | changes


def test_a_complaint_counts_in_the_next_answer_of_every_route(served: Served) -> None:
    who = next(served.ids)
    before, scores = served.profile(who), served.results("/v1/scores", customer_ids=[who])
    [told] = served.results("/v1/events", events=[complaint("A1", who)])
    assert told == {"event_id": "A1", "status": "applied", "reason": ""}
    after = served.profile(who)
    assert before["record"]["complaints"]["open"] == 0 and after["record"]["complaints"]["open"] == 1
    assert after["record"]["complaints"]["days_since_last"] == 0
    [offers] = served.results("/v1/offers", customer_ids=[who])
    assert all(offer["channel"] for offer in offers["offers"])
    again = served.results("/v1/scores", customer_ids=[who], reasons=True)
    assert again[0]["churn"] == after["churn"] and again[0]["value"] == after["value"]
    assert scores[0]["churn"]["probability"] == before["churn"]["probability"]


def test_a_large_outflow_counts_in_the_next_answer(served: Served) -> None:
    who = next(served.ids)
    holding, balance = _account(served, who)
    before = served.profile(who)["record"]["balance"]
    booking = {
        "event_id": "B1",
        "customer_id": who,
        "at": (NOW - timedelta(hours=2)).isoformat(),
        "kind": "booking",
        "holding_id": holding,
        "amount": -1234.56,
        "currency": "EUR",
        "category": "transfer_out",
        "balance_after": (balance - 123_456) / 100,
    }
    [told] = served.results("/v1/events", events=[booking])
    assert told["status"] == "applied"
    assert served.profile(who)["record"]["balance"] == pytest.approx(before - 1234.56)


def _account(served: Served, who: str) -> tuple[str, int]:
    """The holding that was booked on last, and its balance in cents."""
    with closing(Recomputer(served.home, served.settings)) as recomputer:
        found = recomputer.connection.execute(
            "SELECT holding_id, balance_after FROM transactions "
            "JOIN holdings USING (holding_id, customer_id) "
            "WHERE customer_id = ? AND product <> 'loan' AND balance_after IS NOT NULL ORDER BY seq DESC",
            [who],
        ).fetchone()
    assert found is not None
    return found


def test_sent_again_it_has_no_effect_and_otherwise_it_is_refused(served: Served) -> None:
    who = next(served.ids)
    statuses = [
        served.results("/v1/events", events=[complaint("C1", who, **changes)])[0]["status"]
        for changes in ({}, {}, {"channel": "email"}, {})
    ]
    assert statuses == ["applied", "known", "changed", "known"]
    assert served.profile(who)["record"]["complaints"]["open"] == 1


def test_what_history_holds_is_known_and_nothing_else_under_its_id(served: Served) -> None:
    with closing(Recomputer(served.home, served.settings)) as recomputer:
        rows = recomputer.connection.execute(
            'SELECT interaction_id, customer_id, "at", channel, direction, kind FROM interactions '
            "WHERE kind = 'session' AND cost IS NULL AND product IS NULL ORDER BY \"at\" DESC LIMIT 200"
        ).fetchall()
    online = set(read_snapshot(served.home, AS_OF)["customer_id"])
    id_, who, at, channel, direction, kind = next(row for row in rows if row[1] in online)
    event = {"event_id": id_, "customer_id": who, "at": at.isoformat(), "kind": kind}
    event |= {"channel": channel, "direction": direction}
    assert served.results("/v1/events", events=[event])[0]["status"] == "known"
    other = event | {"at": (at - timedelta(days=1)).isoformat()}
    assert served.results("/v1/events", events=[other])[0]["status"] == "changed"


def test_each_event_of_a_question_has_its_own_status(served: Served) -> None:
    who = next(served.ids)
    future = (NOW + timedelta(days=1)).isoformat()
    events = [
        complaint("D1", who),
        complaint("D2", "nobody"),
        complaint("D3", who, at=future),
        complaint("D4", who, product="yacht"),
        complaint("D5", who, at=(AS_OF - timedelta(days=3)).isoformat()),
    ]
    told = [(r["status"], r["reason"]) for r in served.results("/v1/events", events=events)]
    assert told == [
        ("applied", ""),
        ("unknown_customer", ""),
        ("quarantined", "in_future:at"),
        ("quarantined", "unknown_product:product"),
        ("applied", ""),
    ]
    assert served.profile(who)["record"]["complaints"]["open"] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"at": "2026-01-01T10:00:00"},
        {"at": 1767261600},
        {"kind": "seance"},
        {"channel": "telepathy"},
        {"cost": 0.005},
        {"cost": -1.0},
        {"rating": 11.0},
        {"amount": 1.0},
        {"customer_id": 7},
        {"event_id": ""},
    ],
)
def test_what_breaks_the_schema_is_refused_whole(served: Served, changes: dict[str, Any]) -> None:
    who = next(served.ids)
    answer = served.post("/v1/events", events=[complaint("E1", who), complaint("E2", who) | changes])
    assert answer.status_code == 422 and "seance" not in answer.text
    assert served.profile(who)["record"]["complaints"]["open"] == 0


def test_two_events_of_one_id_are_refused(served: Served) -> None:
    who = next(served.ids)
    assert served.post("/v1/events", events=[complaint("F1", who)] * 2).status_code == 422


def test_the_examples_of_the_documentation_are_answered(served: Served) -> None:
    schemas = served.client.get("/openapi.json").json()["components"]["schemas"]
    for path, name in (("/v1/profile", "ProfileRequest"), ("/v1/events", "EventsRequest")):
        [example] = schemas[name]["examples"]
        body = json.loads(json.dumps(example).replace("C000123", next(served.ids)))
        assert served.post(path, **body).status_code == 200


def test_an_event_of_a_slow_store_is_kept_and_counts_later(served: Served) -> None:
    who = next(served.ids)
    now_busy, go_on = threading.Event(), threading.Event()

    def slow_settings() -> Any:
        now_busy.set()
        go_on.wait()
        return served.settings

    intake = Intake(slow_settings, lambda: NOW, max_waiting=1, deadline=0.01)
    row = {"interaction_id": "G1", "customer_id": who, "at": NOW - timedelta(hours=1)}
    row |= {"kind": "complaint", "channel": "call", "direction": "in"}

    async def ask() -> list[int]:
        found = []
        for _ in range(2):  # the first is not stored in time, the second finds the queue full
            with pytest.raises(Problem) as refused:
                await intake.take([row])
            found.append(refused.value.status)
        go_on.set()
        return found

    assert asyncio.run(ask()) == [503, 503]
    intake.start().result()
    assert served.profile(who)["record"]["complaints"]["open"] == 1


def test_what_was_stored_and_not_applied_is_applied_at_the_next_start(served: Served) -> None:
    who = next(served.ids)
    row = {"interaction_id": "H1", "customer_id": who, "at": NOW - timedelta(hours=1)}
    row |= {"kind": "complaint", "channel": "call", "direction": "in"}

    def broken_off(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(served.home, [row], NOW, served.settings, journaled=broken_off)
    with closing(Events(served.home)) as stored:
        assert stored.unapplied() == {who}
    Intake(lambda: served.settings, lambda: NOW).start().result()
    assert served.profile(who)["record"]["complaints"]["open"] == 1
    with closing(Events(served.home)) as stored:
        assert stored.unapplied() == set()


@pytest.mark.parametrize("mode", fuzz.BOTH, ids=lambda mode: mode.value)
def test_no_event_breaks_the_service_or_its_description(served: Served, mode: GenerationMode) -> None:
    described = fuzz.described_by(served.home, Desk(lambda: None), served.intake)
    key = add_key(served.home, "admin", "fuzz", 1, fuzz.NOW)[1]
    ids = cycle(list(islice(served.ids, 5)))
    whole = {"$ref": "#/components/schemas/EventsRequest", "components": described.raw_schema["components"]}
    right = jsonschema_rs.validator_for(whole)

    def changed(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:
            for event in case.body["events"]:
                event["customer_id"] = next(ids)
        elif isinstance(case.body, dict):
            # A contact whose kind was changed to make it wrong may have become a right booking.
            assume(not right.is_valid(case.body))

    fuzz.ask_about(described, key, "/v1/events", mode, changed)
