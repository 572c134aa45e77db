"""The client that a CRM engineer copies, against the guarded app."""

from datetime import UTC, datetime

import httpx
import pytest
from starlette.testclient import TestClient

from serving.access.door import Door
from serving.access.guard import Keyed
from serving.access.keys import add_key
from serving.access.table import ROLES
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.api.example import Tenure
from serving.deciding.adviser import adviser_of
from serving.live import Live

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def client(home, scorer, reader, rate):
    adviser = adviser_of(Live(scorer, reader), home, "pepper")
    seconds = [0.0]
    access = Keyed(
        Door(home, lambda: NOW, lambda: seconds[0]), {**dict.fromkeys(ROLES, rate)}, lambda: seconds[0]
    )
    http = TestClient(create_app(Desk(lambda: adviser), lambda: NOW, lambda: access))

    def sleep(wait):
        seconds[0] += wait

    return Tenure(http, add_key(home, "crm", "desk", 1, NOW)[1], sleep=sleep), seconds


def test_it_shows_a_customer_and_tells_what_followed_waiting_where_it_is_told_to(
    home, scorer, memory_reader, frame
):
    crm, seconds = client(home, scorer, memory_reader(), rate=1)
    fine = frame.loc[frame["consent_profiling"] == 1, "customer_id"].iloc[0]
    shown = crm.profile(fine)
    assert shown["status"] in ("ok", "degraded") and shown["decision_id"]
    told = {
        "outcome_id": "crm-1",
        "decision_id": shown["decision_id"],
        "customer_id": fine,
        "at": "2026-01-02T00:00:00Z",
        "kind": "shown",
        "known_at": "2026-01-02T00:00:00Z",
    }
    assert crm.outcome(told) == "new"
    assert crm.outcome(told) == "known"
    assert seconds[0] >= 2  # one request a second: it waited for each Retry-After
    assert crm.profile("nobody")["status"] == "abstain"


def test_a_refusal_that_waiting_does_not_cure_is_raised(home, scorer, memory_reader):
    crm, _ = client(home, scorer, memory_reader(), rate=100)
    with pytest.raises(httpx.HTTPStatusError):
        crm.outcome({})
