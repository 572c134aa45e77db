"""Whoever refused a product is left in peace with it, by one rule in plans and live."""

import json
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from serving.api.app import create_app
from serving.api.desk import Desk
from serving.batch import score_all
from serving.columns import from_frame
from serving.deciding.adviser import adviser_of
from serving.lists.plan import make_plan
from serving.live import Live
from serving.log.decisions import read_decisions

NOW = datetime(2026, 1, 2, tzinfo=UTC)
RULE = "product_refused_recently"


@pytest.fixture
def logged(home, scorer, settings, memory_reader, frame):
    """Every decision of one plan, and of the service on the same day, by customer."""
    score_all(home, scorer, lambda _: None)
    asked = {"budgets": {}, "fair": None, "settings": settings, "purpose": "test", "pulled_by": "tester"}
    plan = make_plan(home, None, **asked, now=NOW, tell=lambda _: None).manifest.plan_id
    adviser = adviser_of(Live(scorer, memory_reader()), home, settings.salt)
    client = TestClient(create_app(Desk(lambda: adviser), lambda: NOW), raise_server_exceptions=False)
    answer = client.post("/v1/offers", json={"customer_ids": frame["customer_id"].tolist()})
    assert answer.status_code == 200, answer.text
    return [{d.customer_id: d for d in read_decisions(home.decisions_db, name)} for name in (plan, "live")]


def test_a_refused_product_is_offered_to_nobody_within_its_days_in_plans_and_live(logged, frame, catalogue):
    batch, live = logged
    assert set(batch) == set(live) == set(frame["customer_id"])
    product_of = {option.name: option.product for option in catalogue.options}
    columns, removals = from_frame(frame), 0
    for place, customer in enumerate(columns["customer_id"]):
        one, other = (json.loads(log[customer].removed) for log in (batch, live))
        assert one == other
        ago = {p: columns[f"days_since_refusal_{p}"][place] for p in catalogue.products}
        cooling = {name for name, p in product_of.items() if ago[p] is not None and ago[p] < 365}
        assert set(one.get(RULE, [])) <= cooling <= {name for names in one.values() for name in names}
        assert {batch[customer].action, live[customer].action}.isdisjoint(cooling)
        removals += RULE in one
    assert removals > 20
