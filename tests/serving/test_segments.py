"""Segments by each thing a bank tells its customers apart by: alike in the check, in lists and live."""

import json
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from features.catalogue import shipped_catalogue
from features.online import OnlineReader
from features.snapshots import current_generation, read_snapshot
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.champions import load_scorer
from serving.deciding.adviser import adviser_of
from serving.lists.listing import segments
from serving.lists.sources import gather, parts
from serving.live import Live

ASKED = 300


@pytest.fixture
def told_apart(own_bank):
    """A bank whose catalogue has one segment by each of them, and their names in order."""
    home, verb = own_bank
    snapshot = read_snapshot(home, current_generation(home).as_of)
    rarest = {
        name: snapshot[name].value_counts().index[-1] for name in ("region", "occupation", "education")
    }
    income, assets = (snapshot[name].quantile(0.9) / 100 for name in ("income_month", "balance_total"))
    where = {
        "age": "age_years >= 80",
        **{name: f'{name} == "{word}"' for name, word in rarest.items()},
        "income": f"income_month > {income:.2f}",
        "assets": f"balance_total > {assets:.2f}",
        "benefit": "value_expected >= 300",
        "likely to leave": "churn >= 0.3",
        "lifecycle stage": 'lifecycle_stage in ("winding_down", "after")',
    }
    kept = shipped_catalogue().decode().split("[[segments]]")[0]
    rows = [f"[[segments]]\nname = {json.dumps(n)}\nwhere = '{w}'\n" for n, w in where.items()]
    home.catalogue.write_text(kept + "\n".join(rows))
    verb("score", "--all")
    return home, verb, list(where)


def test_a_segment_by_any_of_them_is_the_same_in_the_check_in_lists_and_live(told_apart, monkeypatch):
    home, verb, names = told_apart
    monkeypatch.setenv("TENURE_MIN_GROUP", "1")  # exact counts
    checked = {e["name"]: e for e in verb("lists", "check")["entries"] if e["kind"] == "segment"}
    assert list(checked) == names
    assert all(entry["wins"] for entry in checked.values()), checked

    in_lists = {}
    for part in parts(gather(home)):
        in_lists |= dict(zip(part.ids, segments(part, load_scorer(home).catalogue), strict=True))
    assert {name: list(in_lists.values()).count(name) for name in names} == {
        name: entry["wins"] for name, entry in checked.items()
    }

    adviser = adviser_of(Live(load_scorer(home), OnlineReader(home)), home, "pepper")
    now = current_generation(home).as_of + timedelta(hours=1)
    desk = Desk(lambda: adviser, deadline=60.0)
    client = TestClient(create_app(desk, lambda: now), raise_server_exceptions=False)
    answer = client.post("/v1/profile", json={"customer_ids": sorted(in_lists)[:ASKED]})
    assert answer.status_code == 200, answer.text
    live = {r["customer_id"]: r["relation"]["segment"] for r in answer.json()["results"] if r["relation"]}
    assert len(live) > ASKED / 2
    assert live == {customer: in_lists[customer] or None for customer in live}
    assert {"benefit", "likely to leave"} <= set(live.values())
