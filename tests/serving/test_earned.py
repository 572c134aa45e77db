"""What campaigns earned, held to hand-made logs and to a drawn truth."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features.errors import NotReadyError, RefusedError
from serving.log.decisions import Decision, record_decisions
from serving.log.outcomes import Outcome, record_outcomes
from serving.results.campaigns import earned_by_arm, earned_by_campaign, earned_by_models, report
from serving.results.comparison import newcombe_difference, welch_difference
from serving.results.followed import followed

DECIDED = datetime(2026, 1, 2, tzinfo=UTC)
LIST = Decision(
    decision_id="",
    campaign="L1",
    kind="list",
    customer_id="",
    arm="target",
    arm_probability=0.9,
    option="card.call",
    action="card.call",
    probability=0.9,
    offer="card",
    product="card",
    channel="call",
    expected_value=9.5,
    stake=70.0,
    contact_cost=4.5,
    incentive=10.0,
    basis="prior",
    currency="EUR",
    models="propensity/1",
    catalogue_version="c1",
    policy_version="p1",
    feature_generation="g1",
    as_of="2026-01-01T00:00:00Z",
    decided_at="2026-01-02T00:00:00Z",
)
CONTROL = replace(LIST, arm="control", arm_probability=0.1, action="", probability=0.1)


def of(decision, number, **fields):
    campaign = fields.get("campaign", decision.campaign)
    own = {"decision_id": f"{campaign}:C{number}", "customer_id": f"C{number}"}
    return replace(decision, **{**own, **fields})


def came(decision, kind, days=10.0, **fields):
    at = DECIDED + timedelta(days=days)
    return Outcome(
        outcome_id=f"{decision.decision_id}-{kind}-{days}-{fields.get('product', '')}",
        decision_id=decision.decision_id,
        customer_id=decision.customer_id,
        **{"at": at, "kind": kind, "known_at": at, **fields},
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "decisions.db"


def logged(path, decisions, outcomes):
    record_decisions(path, decisions)
    assert {r.status for r in record_outcomes(path, outcomes)} <= {"new"}
    return path


def test_a_list_earned_what_can_be_reckoned_by_hand(path):
    target, control = [of(LIST, n) for n in range(180)], [of(CONTROL, n) for n in range(180, 200)]
    outcomes = [came(d, "shown") for d in target[:170]]
    outcomes += [came(d, "bought") for d in (*target[:36], *control[:6])]
    outcomes += [came(target[0], "bought", days=11), came(target[0], "accepted")]  # one taker, one grant
    outcomes += [
        came(target[1], "complained"),
        came(target[2], "opted_out"),
        came(control[9], "complained"),
    ]
    outcomes += [came(target[50], "bought", days=-0.5), came(target[51], "bought", days=90)]
    outcomes += [came(target[52], "bought", product="loan")]  # something else, of no stated worth
    e = report(logged(path, [*target, *control], outcomes), "L1")
    assert (e.target, e.target_takers, e.control, e.control_takers) == (180, 36, 20, 6)
    assert (e.difference, e.difference_low, e.difference_high) == newcombe_difference(36, 180, 6, 20)
    assert (e.contacts, e.contact_cost) == (180, pytest.approx(170 * 4.5 + 10))
    assert (e.complaints, e.opt_outs, e.control_complaints, e.control_opt_outs) == (1, 1, 1, 0)
    a = np.array([70.0 * (n < 36) - 4.5 * (n < 170) - 10 * (n == 0) for n in range(180)])
    b = np.array([70.0 * (n < 6) for n in range(20)])
    assert (e.profit, e.profit_low, e.profit_high) == pytest.approx(
        [180 * x for x in welch_difference(a, b)]
    )
    assert e.sample_ratio_p == pytest.approx(1.0) and (e.early, e.late) == (1, 1)
    assert len(e.cautions) == 2 and "before" in e.cautions[0] and "after" in e.cautions[1]
    # An outcome after the window is heard of too: by then all windows were over.
    assert e.outcomes_until == (DECIDED + timedelta(days=11)).isoformat(timespec="microseconds")
    assert e.to_dict()["rate_power"]["smallest"] == e.rate_power.smallest > 0


def test_a_campaign_that_tells_of_no_contact_pays_for_all_that_it_made(path):
    decisions = [of(LIST, 1), of(LIST, 2), of(CONTROL, 3)]
    rows = followed(logged(path, decisions, [came(decisions[0], "bought")]), "L1")
    assert rows["profit"].tolist() == [70 - 4.5, -4.5, 0]


def test_who_leaves_costs_what_the_customer_was_worth(path):
    keep = {"offer": "fee_waiver", "option": "fee_waiver.app", "product": "current_account", "stake": 300.0}
    decisions = [
        of(LIST, 1, **keep, action="fee_waiver.app", value=300.0),
        of(CONTROL, 2, **keep, value=None),
        of(CONTROL, 3, option="", offer="", product="", stake=0.0, value=120.0),
    ]
    outcomes = [came(d, "left") for d in decisions] + [came(decisions[0], "accepted")]
    rows = followed(logged(path, decisions, outcomes), "L1")
    assert rows["profit"].tolist() == [-300 - 4.5 - 10, -300, -120]


def test_arms_that_are_not_as_planned_are_not_to_be_trusted(path):
    target, control = [of(LIST, n) for n in range(100)], [of(CONTROL, n) for n in range(100, 150)]
    e = report(logged(path, [*target, *control], [came(target[0], "bought")]), "L1")
    assert e.sample_ratio_p < 0.001 and "not as planned" in e.cautions[0] and "rough" in e.cautions[1]


def test_a_report_says_how_many_windows_were_still_open_when_the_last_outcome_came(path):
    late = {"decided_at": "2026-03-02T00:00:00Z"}
    decisions = [of(LIST, 1), of(LIST, 2, **late), of(LIST, 3, window_days=180), of(CONTROL, 4)]
    logged(path, decisions, [came(decisions[0], "bought", days=84)])
    assert followed(path, "L1")["open"].tolist() == [False, True, True, False]
    (open_,) = [words for words in report(path, "L1").cautions if "windows" in words]
    assert open_.startswith("the windows of 2 decisions go on after the last outcome")
    # What is heard of any other campaign tells how far outcomes are in as well.
    other = of(LIST, 5, campaign="L2")
    logged(path, [other], [came(other, "shown", days=173)])
    assert not followed(path, "L1")["open"].any()


def test_reports_that_cannot_be_given_say_why(path, tmp_path):
    with pytest.raises(NotReadyError, match="tenure lists pull"):
        report(tmp_path / "none.db", "L1")
    with pytest.raises(NotReadyError, match="tenure lists pull"):
        earned_by_campaign(tmp_path / "none.db", lambda _: None)
    alone = of(LIST, 1)
    record_decisions(path, [alone])
    with pytest.raises(NotReadyError, match="no outcomes yet"):
        report(path, "L1")
    record_outcomes(path, [came(alone, "bought", days=-1)])
    with pytest.raises(NotReadyError, match="no outcomes yet"):
        report(path, "L1")
    record_outcomes(path, [came(alone, "bought")])
    for told in (report, earned_by_arm):
        with pytest.raises(RefusedError, match="0 control"):
            told(path, "L1")
    with pytest.raises(NotReadyError, match="no campaign 'L9'"):
        report(path, "L9")
    said = []
    with pytest.raises(NotReadyError, match="no campaign can be told"):
        earned_by_models(path, said.append)
    assert len(said) == 1 and "0 control" in said[0]


ARMS = {"universal_control": 0.2, "propensity_only": 0.2, "champion": 0.6}


def plan(seed, name="P1", customers=4_000, models="response/1"):
    """A plan whose arms differ in truth: purchases of card and loan of whoever is left alone too."""
    rng = np.random.default_rng(seed)
    arm = rng.choice(list(ARMS), customers, p=list(ARMS.values()))
    base = replace(LIST, campaign=name, kind="plan", incentive=0.0, models=models)
    decisions, outcomes = [], []
    for n in range(customers):
        acts = {"universal_control": False, "propensity_only": True, "champion": n % 2 == 0}[arm[n]]
        nothing = {
            "option": "",
            "offer": "",
            "product": "",
            "channel": "",
            "stake": 0.0,
            "contact_cost": 0.0,
        }
        of_arm = {
            "arm": str(arm[n]),
            "arm_probability": ARMS[arm[n]],
            "action": LIST.option if acts else "",
        }
        d = of(base, n, **of_arm, **({} if acts else nothing), value=500.0)
        decisions.append(d)
        if acts:
            outcomes.append(came(d, "shown"))
        # The contact works for the even alone, whom the champion finds.
        if rng.random() < (0.25 if acts and n % 2 == 0 else 0.10):
            outcomes.append(came(d, "bought", product="card", amount=None if acts else 70.0))
        if rng.random() < 0.03:
            outcomes.append(came(d, "bought", days=20, product="loan", amount=200.0))
        if rng.random() < 0.01:
            outcomes.append(came(d, "left"))
    return decisions, outcomes


def test_arms_of_a_plan_are_compared_over_everybody_drawn_into_them(path):
    decisions, outcomes = plan(3)
    found = {(e.arm, e.against): e for e in earned_by_arm(logged(path, decisions, outcomes), "P1")}
    assert set(found) == {
        ("champion", "universal_control"),
        ("propensity_only", "universal_control"),
        ("champion", "propensity_only"),
    }
    champion = found["champion", "universal_control"]
    assert champion.target + champion.control < len(decisions)
    assert champion.contacts < champion.target and champion.product == ""
    assert report(path, "P1") == champion


# The contact of the even is worth 0.15 x 70, each one costs 4.5; the champion contacts the even alone.
TRUTH = {
    ("champion", "universal_control"): 3.0,
    ("propensity_only", "universal_control"): 0.75,
    ("champion", "propensity_only"): 2.25,
}


def test_intervals_of_the_profit_hold_the_truth(tmp_path):
    hits = []
    for seed in range(30):
        path = logged(tmp_path / f"{seed}.db", *plan(seed, customers=800))
        hits += [
            e.profit_low <= TRUTH[e.arm, e.against] * e.target <= e.profit_high
            for e in earned_by_arm(path, "P1")
        ]
    assert len(hits) == 90
    assert np.mean(hits) >= 0.9


def test_models_are_told_by_the_sum_of_their_campaigns(path):
    for seed, name, models in ((1, "P1", "response/1"), (2, "P2", "response/1"), (3, "P3", "response/2")):
        logged(path, *plan(seed, name, 600, models))
    record_decisions(path, [of(LIST, 1, campaign="L9")])
    said = []
    one, two, three = earned_by_campaign(path, said.append)
    assert [e.campaign for e in (one, two, three)] == ["P1", "P2", "P3"] and "L9" in said[0]
    first, second = earned_by_models(path, said.append)
    assert (first.models, first.campaigns) == ("response/1", ("P1", "P2"))
    assert first.profit == pytest.approx(one.profit + two.profit)
    both = (one.profit_high - one.profit) ** 2 + (two.profit_high - two.profit) ** 2
    assert first.profit_high - first.profit == pytest.approx(both**0.5)
    assert (second.target, second.profit) == (three.target, pytest.approx(three.profit))


def test_a_customer_who_is_asked_often_counts_once(path):
    live = replace(LIST, campaign="live", kind="live", arm="champion", arm_probability=0.9)
    alone = replace(live, arm="universal_control", arm_probability=0.1, action="")
    decisions = [of(live, n, decision_id=f"{n}-{i}") for n in range(20) for i in range(3)]
    decisions += [of(alone, n, decision_id=f"{n}-0") for n in range(20, 24)]
    outcomes = [came(d, "bought") for d in decisions[:6]]
    e = report(logged(path, decisions, outcomes), "live")
    assert (e.target, e.target_takers, e.control, e.contacts) == (20, 2, 4, 60)
    assert e.profit == pytest.approx(6 * 70 - 60 * 4.5)
