"""Who withdraws consent is approached no more by live answers, whatever the online features still say."""

from dataclasses import replace

import duckdb
import pandas as pd
import pytest
from starlette.testclient import TestClient

from serving.api.app import create_app
from serving.api.desk import Desk
from serving.deciding.adviser import adviser_of
from serving.live import Live, load_live
from serving.log.decisions import read_decisions
from serving.log.evidence import features_of
from serving.log.outcomes import Outcome, record_outcomes
from serving.swap import signs_of
from tests.serving.conftest import AS_OF
from tests.serving.test_live import online, views  # noqa: F401 - fixtures

CONSENTS = ("consent_marketing", "consent_profiling")


@pytest.fixture(params=["packed rows", "columns"])
def live(request, scorer, memory_reader):
    """From the real store, whose rows are decoded, and from columns."""
    if request.param == "columns":
        return Live(scorer, memory_reader())
    return load_live(request.getfixturevalue("online"))


def offered(adviser, ids, name):
    return [one.customer_id for one in adviser.answer(ids, name=name) if one.suggestions]


def history(home, frame, marketing=(), profiling=(), erased=()):
    """What history says of everybody's consents, but that some took one back, or are gone."""
    said = frame[["customer_id"]].assign(
        **{name: frame[name] == 1 for name in CONSENTS},
        valid_from=pd.Timestamp("2025-01-01", tz="UTC"),
        known_until=pd.Series([pd.NaT] * len(frame)).dt.tz_localize("UTC"),
    )
    for name, gone in zip(CONSENTS, (marketing, profiling), strict=True):
        said.loc[said["customer_id"].isin(gone), name] = False
    home.history.mkdir(parents=True, exist_ok=True)
    kept = said[~said["customer_id"].isin(erased)]
    duckdb.from_df(kept).write_parquet(str(home.history / "customers.parquet"))


def test_who_opts_out_on_the_line_is_not_offered_anything_by_the_next_answer(home, frame, live):
    adviser = adviser_of(live, home, "pepper")
    client = TestClient(create_app(Desk(lambda: adviser), lambda: AS_OF))
    ids = frame["customer_id"].tolist()
    who, other = offered(adviser, ids, "before")[:2]

    def answered(kind, customer_id):
        told = {"at": "2026-01-02T00:00:00Z", "known_at": "2026-01-02T00:00:00Z", "kind": kind}
        told |= {"outcome_id": kind, "decision_id": f"before:{customer_id}", "customer_id": who}
        return client.post("/v1/outcomes", json={"outcomes": [told]}).json()["results"][0]["status"]

    # What is about another customer's decision goes to quarantine, and says nothing of anybody.
    assert answered("opted_out", other) == "other_customer"
    assert answered("shown", who) == "new"
    assert offered(adviser, [who, other], "as yet") == [who, other]
    told = {"outcome_id": "out", "decision_id": f"before:{who}", "customer_id": who, "kind": "opted_out"}
    told |= {"at": "2026-01-02T00:00:00Z", "known_at": "2026-01-02T00:00:00Z"}
    assert client.post("/v1/outcomes", json={"outcomes": [told]}).json()["results"][0]["status"] == "new"
    body = {"customer_ids": [who, other]}
    first, second = client.post("/v1/offers", json=body).json()["results"]
    assert first["offers"] == [] and "no_marketing_consent" in first["removed"]
    assert first["status"] == "ok" and second["offers"]
    # The log holds the consent that the decision used, not the generation's.
    (made,) = (
        d for d in read_decisions(home.decisions_db, "live") if d.decision_id == first["decision_id"]
    )
    assert features_of(home, made)["consent_marketing"] == 0
    assert adviser.consents().marketing == {who}


def test_what_another_worker_was_told_counts_from_the_next_look_on(home, frame, live):
    adviser = adviser_of(live, home, "pepper")
    who = offered(adviser, frame["customer_id"].tolist(), "before")[0]
    told = {"outcome_id": "o1", "decision_id": f"before:{who}", "kind": "opted_out"}
    record_outcomes(home.decisions_db, [Outcome(**told, customer_id=who, at=AS_OF, known_at=AS_OF)])
    assert offered(adviser, [who], "unheard") == [who]
    adviser.consents.look()
    assert offered(adviser, [who], "heard") == []


def test_an_import_that_takes_consents_back_calls_for_an_adviser_who_knows(home, frame, live):
    before, first = signs_of(home), adviser_of(live, home, "pepper")
    refusing, private, erased = offered(first, frame["customer_id"].tolist(), "before")[:3]
    history(home, frame, marketing=[refusing], profiling=[private], erased=[erased])
    assert signs_of(home) != before
    adviser = adviser_of(live, home, "pepper")
    assert offered(adviser, [refusing, erased], "after") == []
    # No model touches who refuses profiling: what is offered is the same for all.
    (one,) = adviser.answer([private], name="private")
    assert one.status == "suppressed" and one.reasons == ("no_profiling_consent",)
    assert all(home_offer(adviser, s).kind == "general" for s in one.suggestions)
    (scored,) = adviser.live.answer([private], with_reasons=True)
    assert scored.status == "suppressed" and scored.values == {}


def home_offer(adviser, suggestion):
    catalogue = adviser.live.scorer.catalogue
    return catalogue.offers[catalogue.options[suggestion.place].offer]


def test_who_did_not_withdraw_is_answered_to_the_bit_as_before(home, frame, live):
    ids = frame["customer_id"].tolist()
    adviser = adviser_of(live, home, "pepper")
    gone = set(offered(adviser, ids, "before")[:5])
    adviser.consents.hear(gone)
    before = {one.customer_id: one for one in Live(live.scorer, live.reader).answer(ids, with_reasons=True)}
    after = {one.customer_id: one for one in adviser.live.answer(ids, with_reasons=True)}
    assert before == after  # marketing consent is no feature of a score
    decided = {one.customer_id: one for one in adviser.answer(ids, name="after")}
    again = {one.customer_id: one for one in adviser_of(live, home, "pepper").answer(ids, name="again")}
    for who in set(ids) - gone:
        assert replace(decided[who], decision=None) == replace(again[who], decision=None)
