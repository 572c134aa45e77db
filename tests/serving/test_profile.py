"""The screen pop: the bank's record, scores and offers of one moment in one answer."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
import pytest
from starlette.testclient import TestClient

from serving.api.app import create_app
from serving.api.desk import Desk
from serving.columns import from_frame
from serving.deciding.adviser import adviser_of
from serving.live import Live
from serving.log.decisions import read_decisions
from serving.profile import record_of, relations

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def client(home, scorer, memory_reader):
    return _client(home, scorer, memory_reader())


def _client(home, scorer, reader):
    adviser = adviser_of(Live(scorer, reader), home, "pepper")
    return TestClient(create_app(Desk(lambda: adviser), lambda: NOW), raise_server_exceptions=False)


def _ask(client, path, key=None, **body):
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    return client.post(path, content=json.dumps(body).encode(), headers=headers)


def test_it_says_what_scores_and_offers_say_of_the_same_customers(client, frame):
    ids = frame["customer_id"].head(120).tolist()
    profiles = _ask(client, "/v1/profile", customer_ids=ids, limit=3).json()
    scores = _ask(client, "/v1/scores", customer_ids=ids, reasons=True).json()
    offers = _ask(client, "/v1/offers", customer_ids=ids, limit=3, reasons=True).json()
    for name in ("as_of", "feature_generation", "models"):
        assert profiles[name] == scores[name] == offers[name]
    assert all(profiles[name] == offers[name] for name in ("catalogue", "policy", "plan", "currency"))
    statuses = set()
    for profile, score, offer in zip(
        profiles["results"], scores["results"], offers["results"], strict=True
    ):
        assert (profile["churn"], profile["value"]) == (score["churn"], score["value"])
        same = ("customer_id", "status", "reasons", "action", "nothing")
        assert {n: profile[n] for n in same} == {n: offer[n] for n in same}
        assert [{n: v for n, v in o.items() if n != "say"} for o in profile["offers"]] == offer["offers"]
        statuses.add(profile["status"])
    assert "suppressed" in statuses and len(statuses) > 1


def test_every_offer_comes_with_the_marketers_words(client, frame, catalogue):
    results = _ask(client, "/v1/profile", customer_ids=frame["customer_id"].tolist()).json()["results"]
    said = {offer["offer"]: offer["say"] for result in results for offer in result["offers"]}
    assert said and said == {name: catalogue.offers[name].say for name in said}


def test_the_decision_is_logged_under_its_id_and_a_repeat_gets_the_same_answer(client, home, frame):
    who = frame.loc[frame["consent_profiling"] == 1, "customer_id"].iloc[0]
    first = _ask(client, "/v1/profile", key="call-1", customer_ids=[who])
    again = _ask(client, "/v1/profile", key="call-1", customer_ids=[who])
    assert first.status_code == again.status_code == 200 and first.content == again.content
    other = _ask(client, "/v1/profile", key="call-1", customer_ids=[who], limit=2)
    assert other.status_code == 409
    logged = [d.decision_id for d in read_decisions(home.decisions_db, "live")]
    assert logged == [first.json()["results"][0]["decision_id"]]


def test_without_consent_only_the_banks_record_is_shown(client, frame):
    who = frame.loc[frame["consent_profiling"] == 0, "customer_id"].iloc[0]
    [result] = _ask(client, "/v1/profile", customer_ids=[who]).json()["results"]
    assert result["status"] == "suppressed" and "no_profiling_consent" in result["reasons"]
    assert (result["relation"], result["churn"], result["value"]) == (None, None, None)
    assert result["record"]["who"]["may_be_profiled"] is False
    assert {offer["offer"] for offer in result["offers"]} <= {"savings_for_all"}


def test_nobody_unknown_gets_more_than_a_reason(client, frame):
    ids = ["nobody", frame.loc[frame["consent_profiling"] == 1, "customer_id"].iloc[0]]
    unknown, known = _ask(client, "/v1/profile", customer_ids=ids).json()["results"]
    assert (unknown["status"], unknown["reasons"]) == ("abstain", ["unknown_customer"])
    shown = ("record", "relation", "churn", "value")
    assert all(unknown[name] is None for name in shown) and unknown["offers"] == []
    assert all(known[name] is not None for name in shown)


def test_a_stale_view_degrades_and_is_named(home, scorer, memory_reader, frame):
    who = frame.loc[frame["consent_profiling"] == 1, "customer_id"].iloc[0]
    client = _client(home, scorer, memory_reader(stale=frozenset({who})))
    [result] = _ask(client, "/v1/profile", customer_ids=[who]).json()["results"]
    assert result["status"] == "degraded" and "stale:balances" in result["reasons"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"customer_ids": []},
        {"customer_ids": ["C"] * 1001},
        {"customer_ids": [1]},
        {"customer_ids": ["C"], "limit": 0},
        {"customer_ids": ["C"], "fields": ["gender"]},
    ],
)
def test_a_body_that_breaks_the_contract_is_refused(client, body):
    answer = _ask(client, "/v1/profile", **body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_record_is_what_the_row_of_features_says(frame, catalogue):
    row = frame.head(1).assign(
        age_years=67, loan_outstanding=120_050, occupation="baker", income_month=1, household_id="H1"
    )
    columns = from_frame(row)
    record = record_of(columns, 0, catalogue)
    assert record.who.age_band == "65-74" and record.who.occupation == "baker"
    company = record_of(from_frame(row.assign(kind="business")), 0, catalogue)
    assert company.who.age_band is None
    assert record.loans_outstanding == 1200.50
    assert record.balance == columns["balance_total"][0] / 100
    held = {h.product: h.count for h in record.holdings}
    assert held == {p: 1 for p in catalogue.products if columns[f"holds_{p}"][0]}
    text = json.dumps(asdict(record))
    assert "gender" not in text and "household" not in text and "income" not in text and "67" not in text


def test_the_tier_says_who_serves_and_an_unknown_value_has_none(frame, catalogue):
    columns = from_frame(frame.head(3).assign(kind="person", age_years=50))
    first, second, third = relations(columns, np.array([5000.0, 400.0, np.nan]), catalogue)
    assert (first.tier, first.service, first.managers) == ("private", "team", 3)
    assert (second.tier, second.service, second.managers) == ("affluent", "one_manager", 1)
    assert (third.tier, third.service, third.managers) == (None, None, None)
    assert {first.segment, second.segment, third.segment} == {"established"}
