import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files

import duckdb
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from features.errors import InputError, NotReadyError, RefusedError
from features.online.events import Event, Events
from serving.batch import score_all
from serving.cli.main import main
from serving.deciding.arms import assign
from serving.deciding.prices import read_prices
from serving.lists.allotment import Fair, allot, enter
from serving.lists.fresh import check_fresh
from serving.lists.plan import make_plan, with_budgets
from serving.lists.pull import pull
from serving.lists.sources import gather
from serving.log.decisions import read_decisions, record_decisions
from serving.log.outcomes import Outcome, record_outcomes
from serving.policy import policy_of

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def scored(home, scorer):
    score_all(home, scorer, lambda _: None)
    return home


def _plan(home, settings, out=None, budgets=(), fair=None):
    return make_plan(
        home,
        out,
        budgets=dict(budgets),
        fair=fair,
        settings=settings,
        purpose="test",
        pulled_by="tester",
        now=NOW,
        tell=lambda _: None,
    )


def _policy(home, *lines, **values):
    text = files("serving").joinpath("policy.toml").read_text()
    for name, value in values.items():
        text = text.replace(f"{name} = 1 ", f"{name} = {value} ")
    home.policy.write_text(text + "".join(f"{line}\n" for line in lines))


def test_everybody_is_decided_for_once_within_the_limits_and_only_contacts_are_listed(
    scored, settings, frame, tmp_path
):
    _policy(scored, "hours = { call = 2.0 }", "managers = { hours = 1.0, channels = ['call', 'branch'] }")
    made = _plan(scored, settings, tmp_path / "plan.csv", {"total": 40.0})
    manifest = made.manifest
    decisions = read_decisions(scored.decisions_db, manifest.plan_id)
    assert sorted(d.customer_id for d in decisions) == frame["customer_id"].tolist()
    rows = list(csv.DictReader((tmp_path / "plan.csv").open(newline="")))
    # Retention offers are among the options: every arm has the same time to leave.
    assert {d.window_days for d in decisions} == {180}
    acting = {d.customer_id for d in decisions if d.action}
    held = {d.customer_id for d in decisions if d.arm == "universal_control" and d.option}
    assert {r["customer_id"] for r in rows} == acting | held and held
    assert {r["customer_id"] for r in rows if r["arm"] == "control"} == held
    uses = {use.row: use for use in manifest.uses}
    assert uses["total budget"].plan <= 40.0 and uses["call hours"].plan <= 2.0
    assert uses["total budget"].price > 0.0
    assert 0.0 <= manifest.gap < 0.05
    spent = sum(d.contact_cost for d in decisions if d.action)
    assert uses["call hours"].plan + uses["call hours"].experiment <= 2.0 + 1e-9
    told_of = uses["total budget"].plan + uses["total budget"].experiment
    incentives = sum(1 for d in decisions if d.action and d.offer == "fee_waiver") * 0.3 * 30.0
    assert told_of == pytest.approx(spent + incentives)
    assert json.loads((tmp_path / "plan.csv.manifest.json").read_text())["plan_id"] == manifest.plan_id
    values = [float(r["expected_value"]) for r in rows]
    assert values == sorted(values, reverse=True)


def test_arms_are_drawn_as_everywhere_and_those_without_a_plan_decide_as_they_say(
    scored, settings, scorer, frame
):
    text = files("serving").joinpath("policy.toml").read_text()
    free = 'what = "no_constraints"\nshare = '
    scored.policy.write_text(
        text.replace(f"{free}0.02", f"{free}0.32").replace("share = 0.90", "share = 0.60")
    )
    made = _plan(scored, settings, budgets={"total": 5.0})
    policy = policy_of(scored, scorer.catalogue)
    places = assign("pepper", policy.period, policy.arms, frame["customer_id"])
    wanted = {who: policy.arms[p].what for who, p in zip(frame["customer_id"], places, strict=True)}
    decisions = read_decisions(scored.decisions_db, made.manifest.plan_id)
    assert {d.customer_id: d.arm for d in decisions} == wanted
    shares = {arm.what: arm.share for arm in policy.arms}
    for d in decisions:
        assert d.arm_probability == shares[d.arm]
        # What the other arms would have done with the same customer counts as well.
        assert 0.0 < d.probability <= 1.0
    use = made.manifest.uses[0]
    assert 0.0 < use.experiment <= (0.36 + 0.04 + 0.6 * policy.exploration) * 5.0 + 1e-9
    assert use.plan + use.experiment + use.before <= use.limit == 5.0
    beside = [d for d in decisions if d.arm == "no_constraints" and d.action]
    assert beside and len(beside) < sum(wanted[d.customer_id] == "no_constraints" for d in decisions)


def test_the_same_plan_again_has_the_same_rows_and_other_budgets_are_another_plan(
    scored, settings, tmp_path
):
    first = _plan(scored, settings, tmp_path / "a.csv", {"total": 20.0})
    again = _plan(scored, settings, tmp_path / "b.csv", {"total": 20.0})
    assert again.manifest == first.manifest
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    other = _plan(scored, settings, tmp_path, {"total": 21.0})
    assert other.manifest.plan_id != first.manifest.plan_id
    assert other.file == tmp_path / f"{other.manifest.plan_id}.csv" and other.file.is_file()
    assert read_prices(scored).plan_id == other.manifest.plan_id


def test_what_the_month_until_now_used_is_left_out_of_the_next_plan_of_it(scored, settings):
    """A plan that nobody carried out uses nothing up; contacts that were shown do, and live ones."""
    first = _plan(scored, settings, budgets={"total": 20.0})
    assert first.manifest.uses[0].before == 0.0
    made = [d for d in read_decisions(scored.decisions_db, first.manifest.plan_id) if d.action]
    shown = [
        Outcome(
            outcome_id=f"o{n}",
            decision_id=d.decision_id,
            customer_id=d.customer_id,
            at=NOW,
            kind="shown",
            known_at=NOW,
        )
        for n, d in enumerate(made[:9])
    ]
    record_outcomes(scored.decisions_db, shown)
    live = replace(made[9], decision_id="x", campaign="live", kind="live", prices="")
    twice = replace(live, decision_id="y")
    record_decisions(scored.decisions_db, [live, twice])
    again = _plan(scored, settings, budgets={"total": 20.0})
    use, prices = again.manifest.uses[0], read_prices(scored)
    costs = dict(zip(prices.options, prices.usage["total budget"], strict=True))
    assert use.before == pytest.approx(sum(costs[d.action] for d in made[:10])) and use.before > 0.0
    assert use.plan + use.experiment + use.before <= use.limit == 20.0
    assert again.manifest.plan_id != first.manifest.plan_id


def test_a_list_goes_by_the_prices_of_the_last_plan(scored, settings, tmp_path):
    def listed(name):
        asked = {"settings": settings, "purpose": "", "pulled_by": "", "now": NOW, "tell": lambda _: None}
        return pull(scored, "card", 400, tmp_path / name, **asked)

    before = listed("before.csv")
    assert before.manifest.prices == ""
    made = _plan(scored, settings, budgets={"total": 8.0})
    price = next(use.price for use in made.manifest.uses)
    after = listed("after.csv")
    assert after.manifest.prices == made.manifest.plan_id
    assert len(after.rows) < len(before.rows)
    costs = {"app": 0.02, "email": 0.05, "mail": 1.10, "call": 4.50}
    assert all(row.expected_value > price * costs[row.channel] for row in after.rows)


def test_more_than_one_offer_goes_to_a_customer_where_the_policy_says_so(scored, settings):
    _policy(scored, max_offers=2)
    made = _plan(scored, settings)
    decisions = read_decisions(scored.decisions_db, made.manifest.plan_id)
    frame = pd.DataFrame([(d.customer_id, d.offer, d.arm, d.probability) for d in decisions if d.action])
    frame.columns = ["customer", "offer", "arm", "probability"]
    twice = frame[frame.duplicated("customer", keep=False)]
    assert len(twice) and (twice["arm"] == "champion").all()
    assert not frame.duplicated(["customer", "offer"]).any()
    assert frame["probability"].between(0, 1, inclusive="right").all()
    assert made.manifest.contacted == len(frame)


@pytest.mark.parametrize("of", ["benefit", "contacts"])
def test_a_fairness_rule_costs_something_and_says_what(scored, settings, of):
    budget = {"total": 6.0}
    free = _plan(scored, settings, budgets=budget)
    fair = _plan(scored, settings, budgets=budget, fair=Fair("region", 0.01, of))
    assert fair.manifest.value <= free.manifest.bound + 1e-6
    assert any(f"the fairness rule '{of} of region" in line for line in fair.manifest.words)
    assert (fair.manifest.fairness["delta"], fair.manifest.fairness["of"]) == (0.01, of)


def test_a_fairness_rule_is_about_the_group_furthest_behind_and_holds_for_its_benefit(scored, settings):
    """Counted from the values and the choices, not taken from what the plan says of itself."""
    sources, rule = gather(scored), Fair("region", 0.02)
    policy = with_budgets(sources.policy, {"total": 6.0}, sources.catalogue)
    book = enter(sources, settings.salt, rule)
    found = allot(book, policy.plan, sources.catalogue, rule)

    def gap(plan, name):
        taken = plan.chosen[:, 0].astype(int)
        got = np.where(taken >= 0, book.values[np.arange(len(taken)), np.maximum(taken, 0)], 0.0)
        return got[book.labels != name].mean() - got[book.labels == name].mean()

    gaps = {name: gap(found.free, name) for name in set(book.labels)}
    assert found.group == max(gaps, key=gaps.get) and gaps[found.group] > 0.02
    assert gap(found.plan, found.group) <= 0.02 + 1e-5
    assert found.plan.value < found.free.value


def test_minimum_volumes_beyond_the_budget_are_refused_with_what_would_do_and_nothing_is_written(
    scored, settings, tmp_path
):
    _policy(scored, "offers = { card = { min = 60 } }")
    with pytest.raises(RefusedError, match=r"'least card' cannot be met.*raise 'total budget' from 0.1 to"):
        _plan(scored, settings, tmp_path / "plan.csv", {"total": 0.1})
    assert not scored.decisions_db.exists() and not (tmp_path / "plan.csv").exists()
    assert not scored.plans.exists()
    for wrong in ({"wire": 5.0}, {"total": -1.0}, {"total": float("nan")}):
        with pytest.raises(InputError, match="budget '"):
            _plan(scored, settings, budgets=wrong)


def test_who_withdrew_consent_since_the_features_were_built_is_left_out(scored, settings, frame, tmp_path):
    before = _plan(scored, settings)
    chosen = [row.customer_id for row in before.rows if row.arm == "champion"]
    pushed, imported, erased, answered = chosen[:4]
    events = Events(scored)
    row = {"interaction_id": "i1", "customer_id": pushed, "response": "opted_out"}
    events.add([Event("interactions", "i1", pushed, row)])
    events.close()
    told = {"outcome_id": "o1", "decision_id": f"{before.manifest.plan_id}:{answered}", "kind": "opted_out"}
    record_outcomes(scored.decisions_db, [Outcome(**told, customer_id=answered, at=NOW, known_at=NOW)])
    said = frame[["customer_id"]].assign(
        consent_marketing=frame["consent_marketing"] == 1,
        consent_profiling=frame["consent_profiling"] == 1,
        valid_from=pd.Timestamp("2025-01-01", tz="UTC"),
        known_until=pd.Series([pd.NaT] * len(frame)).dt.tz_localize("UTC"),
    )
    later = said[said["customer_id"] == imported].assign(
        consent_marketing=False, valid_from=pd.Timestamp("2026-01-02", tz="UTC")
    )
    known = pd.concat([said[said["customer_id"] != erased], later])
    scored.history.mkdir(parents=True)
    duckdb.from_df(known).write_parquet(str(scored.history / "customers.parquet"))
    after = _plan(scored, settings)
    assert gather(scored).withdrawn.marketing == {pushed, imported, erased, answered}
    assert after.manifest.consent_withdrawn == 4
    assert after.manifest.plan_id != before.manifest.plan_id
    left = {row.customer_id for row in after.rows}
    assert not left & {pushed, imported, erased, answered}
    found = {d.customer_id: d for d in read_decisions(scored.decisions_db, after.manifest.plan_id)}
    assert "no_marketing_consent" in found[pushed].removed and found[pushed].action == ""


def test_the_verb_plans_and_says_what_the_limits_are_worth(scored, tmp_path):
    asked = ("lists", "plan", "--budget", "total=6", "--budget", "call=3", "--out", str(tmp_path))
    done = CliRunner().invoke(main, [*asked, "--home", str(scored.path)])
    assert done.exit_code == 0, done.output
    assert "one more EUR of 'total budget' is worth" in done.stdout
    heading = next(line for line in done.stdout.splitlines() if line.startswith("limit"))
    assert heading.split() == ["limit", "unit", "most", "plan", "experiment", "before", "price"]
    assert len(list(tmp_path.glob("plan-*.csv"))) == 1
    refused = CliRunner().invoke(main, ["lists", "plan", "--budget", "total", "--home", str(scored.path)])
    assert refused.exit_code == InputError.exit_code and "total=20000" in refused.stderr


def _history_until(home, last):
    home.history.mkdir(parents=True, exist_ok=True)
    manifest = {"tables": {"transactions": {"last": last}}}
    (home.history / "manifest.json").write_text(json.dumps(manifest))


def test_a_simulated_bank_that_lived_on_plans_and_pulls_only_on_new_features(scored, settings, tmp_path):
    scored.truth.mkdir()
    asked = {"settings": settings, "purpose": "t", "pulled_by": "t", "now": NOW, "tell": lambda _: None}
    _history_until(scored, "2025-12-31T23:59:00+00:00")
    assert _plan(scored, settings, budgets={"total": 5.0}).rows
    recorded = scored.decisions_db.read_bytes()
    _history_until(scored, "2026-01-01T00:00:00+00:00")
    for decide in (
        lambda: _plan(scored, settings, tmp_path / "plan.csv"),
        lambda: pull(scored, "card", 40, tmp_path / "list.csv", **asked),
    ):
        with pytest.raises(NotReadyError, match="goes on to 2026-01-02; cure: run `tenure features"):
            decide()
    assert scored.decisions_db.read_bytes() == recorded and not list(tmp_path.glob("*.csv"))


@pytest.mark.parametrize(("last", "outrun"), [("2026-01-30", False), ("2026-01-31", True)])
def test_a_real_bank_is_told_that_history_has_outrun_the_features(scored, last, outrun):
    _history_until(scored, f"{last}T12:00:00+00:00")
    told = []
    check_fresh(scored, datetime(2026, 1, 1, tzinfo=UTC), told.append)
    assert [("features are of 2026-01-01" in line) for line in told] == [True] * outrun
