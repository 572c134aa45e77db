"""Offers and outcomes over HTTP: decided as in lists and plans, logged first, and told with reasons."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest
from starlette.testclient import TestClient

from serving.api.app import create_app
from serving.api.desk import Desk
from serving.deciding.adviser import adviser_of
from serving.deciding.prices import FACTORS, PlanPrices, write_prices
from serving.live import Live
from serving.log.decisions import read_decisions, record_decisions
from tests.serving.conftest import AS_OF

SECRET = "4111111111111111"
SALT = "pepper"


def _now():
    return datetime(2026, 1, 2, tzinfo=UTC)


def limited(home, limits="budgets = { total = 50.0 }"):
    """Give the bank a policy with limits."""
    text = files("serving").joinpath("policy.toml").read_text()
    home.policy.write_text(text.replace("max_offers = 1", f"{limits}\nmax_offers = 1"))
    return home


def plan_of(catalogue, price=1.0, limit=50.0, options=None):
    """Prices of one budget, which every contact uses by its cost."""
    names = tuple(option.name for option in catalogue.options)
    return PlanPrices(
        plan_id="plan-20260101-0123abcd",
        as_of="2026-01-01T00:00:00Z",
        feature_generation="2026-01-01.1",
        catalogue=catalogue.version,
        policy="p",
        models={},
        options=options or names,
        prices={"total budget": price},
        usage={"total budget": [option.cost for option in catalogue.options]},
        group_prices={},
        group_usage=[],
        spent={"total budget": limit},
        limits={"total budget": limit},
        value=400.0,
        bound=400.0,
        gap=0.0,
        customers=400,
        demand={"total budget": [1.0 / factor for factor in FACTORS]},
        contacts=[0] * len(names),
        kept=[1.0] * len(names),
    )


@pytest.fixture
def serve(home, scorer, memory_reader):
    """A client; `clock` is the present of a bank whose time moves on."""

    def make(clock=None, **reader):
        adviser = adviser_of(Live(scorer, memory_reader(**reader), clock), home, SALT)
        return TestClient(create_app(Desk(lambda: adviser), _now), raise_server_exceptions=False)

    return make


def ask(client, ids, key=None, **more):
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    body = json.dumps({"customer_ids": list(ids), **more}).encode()
    return client.post("/v1/offers", content=body, headers=headers)


def everyone(client, frame, **more):
    answer = ask(client, frame["customer_id"], **more)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def test_what_is_told_is_what_is_logged(serve, home, frame):
    results = everyone(serve(), frame, reasons=True, limit=3)
    logged = {d.customer_id: d for d in read_decisions(home.decisions_db, "live")}
    assert len(logged) == len(frame)
    for result in results:
        decision = logged[result["customer_id"]]
        assert decision.kind == "live" and decision.as_of == "2026-01-01T00:00:00Z"
        same = {name: getattr(decision, name) for name in ("decision_id", "arm", "action", "probability")}
        assert same == {name: result[name] for name in same}
        assert json.loads(decision.removed) == result["removed"]
        assert bool(result["action"]) == bool(result["offers"]) != bool(result["nothing"])
        if result["offers"]:
            first = result["offers"][0]
            assert (first["option"], first["basis"]) == (decision.action, decision.basis)
            told = (first["probability"], first["uplift"])
            assert told == (decision.chance, decision.uplift)
            assert (first["expected_value"] or 0.0) == decision.expected_value
    assert {r["nothing"] for r in results} >= {"", "all_removed", "held_out"}
    assert {r["arm"] for r in results} > {"champion", "universal_control"}


def test_offers_follow_in_order_of_value_each_by_its_best_channel(serve, frame):
    results = everyone(serve(), frame, limit=4)
    several = [r["offers"] for r in results if len(r["offers"]) > 1]
    assert several
    for offers in several:
        net = [o["expected_value"] - o["price"] for o in offers]
        assert net == sorted(net, reverse=True) and net[-1] > 0
        assert len({o["offer"] for o in offers}) == len(offers) <= 4
    assert all(len(r["offers"]) <= 1 for r in everyone(serve(), frame, limit=1))


def test_reasons_are_for_the_customer_and_terms_carry_their_rule(serve, home, frame):
    results = everyone(serve(), frame, reasons=True)
    offers = [o for r in results for o in r["offers"]]
    because = [b for o in offers for b in o["because"]]
    assert because and all("typical" not in b["text"] and b["code"] != "age_years" for b in because)
    catalogue = adviser_of_home(home).live.scorer.catalogue
    for one in offers:
        terms = catalogue.offers[one["offer"]].terms
        assert (one["terms"] is None) == (terms is None)
        assert terms is None or one["terms"]["because"] == terms.because
    assert not any(o["because"] for r in everyone(serve(), frame) for o in r["offers"])


def adviser_of_home(home):
    from serving.champions import load_scorer

    class Nobody:
        generation, as_of = "2026-01-01.1", AS_OF

    return adviser_of(Live(load_scorer(home), Nobody()), home, SALT)


def test_without_consent_to_profiling_only_general_offers_are_made_and_no_model_looks(serve, home, frame):
    catalogue = adviser_of_home(home).live.scorer.catalogue
    general = {name for name, offer in catalogue.offers.items() if offer.kind == "general"}
    silent = frame[frame["consent_profiling"] == 0]
    results = everyone(serve(), silent, reasons=True)
    assert {r["status"] for r in results} == {"suppressed"}
    offers = [o for r in results for o in r["offers"]]
    assert offers and {o["offer"] for o in offers} <= general
    assert all(o["because"] == [] and o["basis"] == "prior" for o in offers)
    loud = everyone(serve(), frame[frame["consent_profiling"] == 1])
    assert not {o["offer"] for r in loud for o in r["offers"]} & general


def test_nobody_unknown_is_decided_for_and_an_id_that_repeats_is_decided_once(serve, home, frame):
    some = frame["customer_id"].iloc[0]
    results = ask(serve(), [some, "nobody", some]).json()["results"]
    assert results[0] == results[2]
    unknown = results[1]
    assert (unknown["status"], unknown["reasons"]) == ("abstain", ["unknown_customer"])
    assert (unknown["decision_id"], unknown["offers"], unknown["nothing"]) == ("", [], "")
    assert len(read_decisions(home.decisions_db, "live")) == 1


def test_a_question_sent_again_is_decided_once(serve, home, frame):
    ids, client = frame["customer_id"].head(5).tolist(), serve()
    first = ask(client, ids, key="visit-1")
    assert ask(client, ids, key="visit-1").text == first.text
    other = ask(client, ids[:2], key="visit-1")
    assert (other.status_code, other.json()["title"]) == (409, "Decided otherwise before")
    # After a restart the log recognises the decisions.
    again = ask(serve(), ids, key="visit-1").json()
    assert again["results"] == first.json()["results"]
    assert len(read_decisions(home.decisions_db, "live")) == 5
    assert ask(client, ids, key="visit-2").status_code == 200
    assert len(read_decisions(home.decisions_db, "live")) == 10


def test_what_cannot_be_logged_is_not_told(serve, home, frame):
    home.decisions_db.mkdir()
    answer = ask(serve(), frame["customer_id"].head(3))
    assert answer.status_code == 503
    assert "offers" not in answer.text and "C0000" not in answer.text


def test_without_a_plan_the_answer_says_so_where_the_policy_has_limits(serve, home, frame):
    ids = frame.loc[frame["consent_profiling"] == 1, "customer_id"].head(3).tolist()
    assert [r["reasons"] for r in ask(serve(), ids).json()["results"]] == [[]] * 3
    limited(home)
    body = ask(serve(), ids).json()
    assert {(r["status"], *r["reasons"]) for r in body["results"]} == {("degraded", "no_plan")}
    assert body["plan"] == ""


def test_the_last_plans_prices_count_and_a_plan_of_other_options_does_not(serve, home, scorer, frame):
    limited(home)
    plan, client = plan_of(scorer.catalogue, price=3.0, limit=1e6), serve()
    free = everyone(client, frame)
    write_prices(home, plan)
    results = everyone(client, frame)
    cost = {option.name: option.cost for option in scorer.catalogue.options}
    offers = [o for r in results for o in r["offers"]]
    assert offers and all(o["price"] == 3.0 * cost[o["option"]] for o in offers)
    assert sum(bool(r["action"]) for r in results) <= sum(bool(r["action"]) for r in free)
    assert "too_scarce" in {r["nothing"] for r in results} - {r["nothing"] for r in free}
    assert {d.prices for d in read_decisions(home.decisions_db, "live")} == {"", plan.plan_id}
    write_prices(home, replace(plan, options=plan.options[::-1]))
    assert "no_plan" in everyone(client, frame)[0]["reasons"]


def test_a_spent_budget_closes_what_would_use_it_also_after_a_restart(serve, home, scorer, frame):
    limited(home)
    write_prices(home, plan_of(scorer.catalogue, price=0.0, limit=0.5))
    cost = {option.name: option.cost for option in scorer.catalogue.options}

    def spent():
        """By everybody, once for each customer and option."""
        made = {(d.customer_id, d.action) for d in read_decisions(home.decisions_db, "live") if d.action}
        return sum(cost[action] for _, action in made)

    client = serve()
    for customer_id in frame["customer_id"].head(60):
        ask(client, [customer_id])
    first = spent()
    assert 0.4 < first <= 0.5 + 1e-9
    again = everyone(serve(), frame)
    assert spent() <= 0.5 + 1e-9
    assert "too_scarce" in {r["nothing"] for r in again}


def test_prices_go_by_what_those_who_have_not_come_would_use_and_the_answer_says_when_days_are_over(
    serve, home, scorer, frame
):
    """The plan calls everybody, for nearly twice the money that there is."""
    limited(home)
    options = [option.name for option in scorer.catalogue.options]
    call = next(o for o in scorer.catalogue.options if o.channel == "call")
    contacts = [len(frame) * (name == call.name) for name in options]
    limit = len(frame) * call.cost / 1.8
    plan = replace(plan_of(scorer.catalogue, price=0.01, limit=limit), contacts=contacts)
    write_prices(home, plan)
    everyone(serve(), frame.head(1))
    (one,) = read_decisions(home.decisions_db, "live")
    of_plan = replace(one, campaign=plan.plan_id, kind="plan", action=call.name, decided_at=plan.as_of)
    planned = [
        replace(of_plan, decision_id=f"{plan.plan_id}:{who}", customer_id=who)
        for who in frame["customer_id"]
    ]

    def price_on(day):
        results = everyone(serve(lambda: AS_OF + timedelta(days=day)), frame)
        cost = {option.name: option.cost for option in scorer.catalogue.options}
        first = next(o for r in results for o in r["offers"] if o["price"])
        return first["price"] / cost[first["option"]], {w for r in results for w in r["reasons"]}

    assert price_on(0)[0] == pytest.approx(0.01), "without its decisions nothing is known of a plan"
    home.decisions_db.unlink()
    record_decisions(home.decisions_db, planned)
    early, late = price_on(0.1), price_on(30)
    assert early[0] == pytest.approx(0.018, rel=0.01) and "plan_over" not in early[1]
    assert late[0] == pytest.approx(0.01 / 8) and "plan_over" in late[1]


def outcome(decision, **other):
    fields = {
        "outcome_id": f"o-{decision['customer_id']}",
        "decision_id": decision["decision_id"],
        "customer_id": decision["customer_id"],
        "at": "2026-01-03T10:00:00Z",
        "kind": "accepted",
        "known_at": "2026-01-03T10:00:00+01:00",
    }
    return fields | other


def tell(client, *outcomes):
    content = json.dumps({"outcomes": outcomes}).encode()
    return client.post("/v1/outcomes", content=content, headers={"Content-Type": "application/json"})


def test_outcomes_are_recorded_once_and_each_is_answered(serve, frame):
    client = serve()
    one, two, three = ask(client, frame["customer_id"].head(3)).json()["results"]
    first = tell(client, outcome(one), outcome(two, decision_id="nothing"), outcome(three, customer_id="X"))
    assert first.status_code == 200
    assert first.json()["request_id"] == first.headers["x-request-id"]
    words = [r["status"] for r in first.json()["results"]]
    assert words == ["new", "unknown_decision", "other_customer"]
    late = outcome(two, at="2027-01-03T10:00:00Z")
    early = outcome(three, at="2025-01-03T10:00:00Z")
    again = tell(client, outcome(one), outcome(one, kind="refused"), late, early).json()["results"]
    assert [(r["status"], r["flag"]) for r in again] == [
        ("known", ""),
        ("changed", ""),
        ("new", "late"),
        ("new", "early"),
    ]


def test_an_outcome_before_any_decision_is_one_of_an_unknown_decision(serve):
    answer = tell(serve(), outcome({"decision_id": "d", "customer_id": "C0001"}))
    assert answer.status_code == 200
    assert [r["status"] for r in answer.json()["results"]] == ["unknown_decision"]


DECISION = {"decision_id": "d", "customer_id": "C0001"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", "2026-01-03T10:00:00"),
        ("at", SECRET),
        ("at", 1767434400),
        ("known_at", None),
        ("kind", SECRET),
        ("amount", "5"),
        ("outcome_id", ""),
        ("decision_id", SECRET + "\x00"),
        (SECRET, SECRET),
    ],
)
def test_a_bad_outcome_is_a_problem_without_its_value(serve, field, value):
    answer = tell(serve(), outcome(DECISION) | {field: value})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] and SECRET not in answer.text


@pytest.mark.parametrize(
    "body", [{"limit": 0}, {"limit": 21}, {"limit": True}, {"limit": 1.0}, {SECRET: 1}]
)
def test_a_bad_question_is_a_problem_without_its_value(serve, body):
    answer = ask(serve(), ["C0001"], **body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert SECRET not in answer.text


@pytest.mark.parametrize("key", ["a b", "k" * 129])
def test_a_bad_key_is_refused(serve, key):
    assert ask(serve(), ["C0001"], key=key).status_code == 422


def test_the_documentation_has_examples_that_keep_their_own_schema(serve):
    from serving.api import decisions

    schemas = serve().get("/openapi.json").json()["components"]["schemas"]
    for name in ("OffersRequest", "OffersAnswer", "OutcomesRequest", "OutcomesAnswer"):
        for example in schemas[name]["examples"]:
            getattr(decisions, name).model_validate(example)
