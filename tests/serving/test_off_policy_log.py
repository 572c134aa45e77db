"""What other ways to decide would have earned, held to drawn truths through the decision log."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features.errors import NotReadyError
from serving.log.decisions import Decision, record_decisions
from serving.log.outcomes import Outcome, record_outcomes
from serving.results.evaluation import evaluate

DECIDED = datetime(2026, 1, 2, tzinfo=UTC)
BASE = Decision(
    decision_id="",
    campaign="P1",
    kind="plan",
    customer_id="",
    arm="random_eligible",
    arm_probability=1.0,
    option="",
    action="",
    probability=1.0,
    offer="",
    product="",
    channel="",
    expected_value=0.0,
    stake=0.0,
    contact_cost=0.0,
    basis="prior",
    currency="EUR",
    models="response/1",
    catalogue_version="c1",
    policy_version="p1",
    feature_generation="g1",
    as_of="2026-01-01T00:00:00Z",
    decided_at="2026-01-02T00:00:00Z",
)
MARGIN, COST = {"card": 70.0, "loan": 260.0}, 4.0
LOGGED = {"": 0.4, "card.call": 0.35, "loan.call": 0.25}


def chance(number, action):
    """The card is for the even, the loan for every tenth; whoever is left alone buys no less often."""
    if action == "card.call":
        return 0.30 if number % 2 == 0 else 0.05
    return 0.15 if action == "loan.call" and number % 10 == 0 else 0.05


def worth(number, action):
    product = action.split(".")[0] or "card"
    return chance(number, action) * MARGIN[product] - (COST if action else 0.0)


def logged(path, seed, customers=700):
    rng = np.random.default_rng(seed)
    actions = rng.choice(list(LOGGED), customers, p=list(LOGGED.values()))
    decisions, outcomes = [], []
    for n, action in enumerate(actions.tolist()):
        product = action.split(".")[0] or "card"
        own = {"action": action, "option": action, "product": product, "stake": MARGIN[product]}
        ids = {"decision_id": f"D{n}", "customer_id": f"C{n}", "probability": LOGGED[action]}
        decisions.append(replace(BASE, **own, **ids, contact_cost=COST if action else 0.0))
        if rng.random() < chance(n, action):
            at = DECIDED + timedelta(days=5)
            whose = {"decision_id": f"D{n}", "customer_id": f"C{n}"}
            outcomes.append(Outcome(outcome_id=f"o{n}", **whose, at=at, kind="bought", known_at=at))
    record_decisions(path, decisions)
    record_outcomes(path, outcomes)
    return path


WAYS = {
    "nobody": {},
    "card for all": {f"C{n}": "card.call" for n in range(700)},
    "who should": {f"C{n}": "loan.call" if n % 10 == 0 else "card.call" for n in range(0, 700, 2)},
}


def test_intervals_hold_what_other_ways_would_have_earned(tmp_path):
    truth = {
        name: float(np.mean([worth(n, way.get(f"C{n}", "")) for n in range(700)]))
        for name, way in WAYS.items()
    }
    hits: dict[tuple[str, str], list[bool]] = {}
    for seed in range(40):
        found = evaluate(logged(tmp_path / f"{seed}.db", seed), "P1", WAYS)
        for way in found.alternatives:
            for e in way.estimates:
                inside = e.value.low <= truth[way.name] <= e.value.high
                hits.setdefault((way.name, e.method), []).append(inside)
    assert len(hits) == 9
    # Of 40 runs at 95% fewer than 34 would be a chance of one in a thousand.
    assert min(sum(inside) for inside in hits.values()) >= 34
    assert np.mean([np.mean(inside) for inside in hits.values()]) >= 0.9


def test_nobody_is_worth_what_those_who_were_left_alone_earned(tmp_path):
    path = logged(tmp_path / "log.db", 1)
    found = evaluate(path, "P1")
    assert [way.name for way in found.alternatives] == ["nobody"]
    (nobody,) = found.alternatives
    ips, snips, _ = nobody.estimates
    alone = [d for d in found.alternatives if d.contacts == 0]
    assert alone and nobody.contacts == 0.0 and found.contacts == pytest.approx(0.6, abs=0.05)
    assert 0.3 < ips.overlap.used < 0.5 and ips.overlap.effective_rows == pytest.approx(
        700 * ips.overlap.used
    )
    assert snips.value.point >= 0 and ips.value.point >= 0
    record = found.to_dict()
    assert record["alternatives"][0]["estimates"][1]["point"] == snips.value.point
    assert record["logged"]["low"] < record["logged"]["point"] < record["logged"]["high"]


def test_decisions_whose_windows_are_open_wait_until_what_follows_is_whole(tmp_path):
    path = logged(tmp_path / "log.db", 3, customers=400)
    assert "windows of 400 decisions" in evaluate(path, "P1").cautions[0]
    months = {"campaign": "P2", "kind": "live", "probability": 1.0, "arm": "champion"}
    early = [replace(BASE, **months, decision_id=f"E{n}", customer_id=f"E{n}") for n in range(50)]
    late = [
        replace(BASE, **months, decision_id=f"L{n}", customer_id=f"E{n}", decided_at="2026-04-20T00:00:00Z")
        for n in range(30)
    ]
    record_decisions(path, early + late)
    at = datetime(2026, 5, 1, tzinfo=UTC)
    ids = {"decision_id": "L0", "customer_id": "E0"}
    record_outcomes(path, [Outcome(outcome_id="x", **ids, at=at, kind="bought", known_at=at, amount=900.0)])
    found = evaluate(path, "P2")
    assert (found.decisions, found.waiting, found.logged.point) == (50, 30, 0.0)
    assert found.cautions == ("the windows of 30 decisions go on after the last outcome: left out",)
    assert not evaluate(logged(tmp_path / "none.db", 4, 50), "P1").cautions[0].endswith("left out")


def test_a_way_that_was_never_tried_is_said_and_not_estimated(tmp_path):
    path = logged(tmp_path / "log.db", 2)
    never = {f"C{n}": "insurance.mail" for n in range(700)}
    seldom = {**never, **{f"C{n}": "card.call" for n in range(40)}}
    found = {w.name: w for w in evaluate(path, "P1", {"never": never, "seldom": seldom}).alternatives}
    assert found["never"].estimates == () and "explore" in found["never"].words[0]
    assert any("too few" in said for said in found["seldom"].words)
    with pytest.raises(NotReadyError, match="no campaign 'P9'"):
        evaluate(path, "P9")


def test_of_a_list_the_log_alone_tells_who_on_it_was_worth_a_contact(tmp_path):
    path = tmp_path / "log.db"
    option = {"kind": "list", "campaign": "L1", "option": "card.call", "product": "card", "stake": 70.0}
    decisions = [
        replace(
            BASE,
            **option,
            decision_id=f"L1:C{n}",
            customer_id=f"C{n}",
            rank=n + 1,
            arm="target" if n % 2 else "control",
            action="card.call" if n % 2 else "",
            probability=0.5,
            expected_value=float(-n),
            contact_cost=COST,
        )
        for n in range(400)
    ]
    record_decisions(path, decisions)
    at = DECIDED + timedelta(days=1)
    # Whoever was contacted in the upper half buys, and nobody else.
    bought = [
        Outcome(
            outcome_id=f"o{n}",
            decision_id=f"L1:C{n}",
            customer_id=f"C{n}",
            **{"at": at, "known_at": at},
            kind="bought",
        )
        for n in range(1, 200, 2)
    ]
    record_outcomes(path, bought)
    found = {way.name: way for way in evaluate(path, "L1").alternatives}
    value = {name: [e.value.point for e in way.estimates] for name, way in found.items()}
    assert value["nobody"] == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
    assert value["everybody on the list"][:2] == pytest.approx([35 - COST] * 2)
    assert value["the half of highest expected value"][:2] == pytest.approx([35 - COST / 2] * 2)
    assert found["the half of highest expected value"].contacts == 0.5
