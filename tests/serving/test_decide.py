from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.columns import from_frame, take
from serving.deciding.arms import assign
from serving.deciding.choice import NOTHING
from serving.deciding.decide import decide, draw, weigh
from serving.deciding.effects import effects_of
from serving.deciding.prices import PlanPrices
from serving.lists.selection import Candidates, candidates, select
from serving.log.records import Occasion, records
from serving.policy import shipped_policy

AT = "2026-01-01T00:00:00Z"
OCCASION = Occasion("plan-1", "plan", {"churn": "churn/1"}, "2026-01-01.1", "plan-1", AT, AT)


@pytest.fixture
def standing(scorer, frame):
    """Columns with scores, scores, effects, catalogue and policy of every customer."""
    columns = from_frame(frame)
    scored = scorer.score(columns)
    scores = scored.values
    columns |= {name: scores[name].tolist() for name in ("churn", "value_expected")}
    policy = replace(shipped_policy(scorer.catalogue), exploration=0.3)
    return columns, scores, effects_of(scorer, scored.table), scorer.catalogue, policy


def _prices(catalogue):
    rng = np.random.default_rng(3)
    names = tuple(option.name for option in catalogue.options)
    usage = {"total budget": rng.random(len(names)).tolist()}
    return PlanPrices(
        *("plan-1", AT, "2026-01-01.1", "c", "p", {}),
        options=names,
        prices={"total budget": 0.7},
        usage=usage,
        group_prices={"M1": 0.9},
        group_usage=rng.random(len(names)).tolist(),
        spent={},
        limits={},
        value=0.0,
        bound=0.0,
        gap=0.0,
        customers=0,
        demand={},
        contacts=[],
        kept=[],
    )


def _decided(standing, prices, salt="pepper"):
    columns, _, effects, catalogue, policy = standing
    weighed = weigh(columns, effects, catalogue, policy)
    managers = ["" if name is None else name for name in columns["manager_id"]]
    return decide(columns["customer_id"], weighed, prices.of(managers), policy, salt=salt, occasion=AT)


def test_one_customer_is_decided_for_as_among_all_to_the_bit(standing, scorer, frame):
    _, _, _, catalogue, policy = standing
    prices = _prices(catalogue)
    everybody = _decided(standing, prices)
    assert len(set(everybody.action.tolist())) > 3

    @given(st.lists(st.integers(0, len(frame) - 1), min_size=1, max_size=4, unique=True))
    @settings(deadline=None, max_examples=25)
    def alone(rows):
        some = take(from_frame(frame), rows)
        scored = scorer.score(some)
        scores = scored.values
        some |= {name: scores[name].tolist() for name in ("churn", "value_expected")}
        found = _decided((some, scores, effects_of(scorer, scored.table), catalogue, policy), prices)
        wanted = everybody.of_rows(np.array(rows))
        for name in ("arm", "planned", "option", "action"):
            assert getattr(found, name).tolist() == getattr(wanted, name).tolist()
        assert found.probability.tobytes() == wanted.probability.tobytes()
        assert found.net.tobytes() == wanted.net.tobytes()
        assert found.weighed.values.tobytes() == wanted.weighed.values.tobytes()

    alone()


def test_who_refuses_profiling_gets_general_offers_only_and_no_model_touches_them(standing, frame):
    _, scores, _, catalogue, _ = standing
    flagged = (frame["consent_profiling"] == 0).to_numpy()
    kinds = np.array(["general", *(o.kind for o in catalogue.options)])
    kinds = np.roll(kinds, -1)  # the last place is that of nothing
    for salt in ("a", "b", "c"):
        decided = _decided(standing, _prices(catalogue), salt)
        acting = decided.action != NOTHING
        assert (kinds[decided.action][flagged & acting] == "general").all()
        assert (kinds[decided.action][~flagged & acting] != "general").all()
    assert all(np.isnan(values[flagged]).all() for values in scores.values())


def test_a_plan_counts_for_the_champion_alone_and_the_control_logs_what_it_would_have_been(standing):
    columns, _, effects, catalogue, policy = standing
    weighed = weigh(columns, effects, catalogue, policy)
    may = weighed.removed.allowed
    planned = np.where(may.any(axis=1), may.argmax(axis=1), NOTHING)
    prices = np.zeros(len(catalogue.options))
    ids = columns["customer_id"]
    decided = decide(ids, weighed, prices, policy, salt="pepper", occasion=AT, planned=planned)
    lot = draw(ids, policy, salt="pepper", occasion=AT)
    whats = np.array([arm.what for arm in policy.arms])
    drawn = whats[assign("pepper", policy.period, policy.arms, ids)]
    assert (decided.action[lot.planned] == planned[lot.planned]).all()
    assert (drawn[lot.planned] == "champion").all()
    explores = (drawn == "champion") & ~lot.planned
    assert 0.2 < explores.sum() / (drawn == "champion").sum() < 0.4
    assert (decided.action[explores] != planned[explores]).any()
    held_out = drawn == "universal_control"
    assert held_out.any() and (decided.action[held_out] == NOTHING).all()
    assert (decided.option[held_out] == planned[held_out]).all()
    assert (decided.option[~held_out] == decided.action[~held_out]).all()


def test_every_decision_is_recorded_with_its_chance_and_what_was_removed(standing):
    columns, scores, effects, catalogue, policy = standing
    decided = _decided(standing, _prices(catalogue))
    ids = columns["customer_id"]
    said = records(
        OCCASION, [f"d{i}" for i in ids], ids, decided, effects, scores["value_expected"], catalogue, policy
    )
    assert len(said) == len(ids)
    names = [option.name for option in catalogue.options]
    for row, one in enumerate(said):
        action = int(decided.action[row])
        assert one.action == ("" if action == NOTHING else names[action])
        assert one.probability == decided.probability[row] > 0
        if one.option:
            place = names.index(one.option)
            assert decided.weighed.removed.codes[row, place] == 0
            assert one.contact_cost == catalogue.options[place].cost
            if one.offer == "fee_waiver":
                assert "100% of the fee waived for 12 months: the customer is likely" in one.terms
                assert one.uplift > 0 and one.stake == scores["value_expected"][row]
            else:
                assert one.terms == ""
    assert any(one.offer == "fee_waiver" for one in said)
    assert any('"no_profiling_consent":["savings_account.app"' in one.removed for one in said)


@given(size=st.integers(1, 60), pieces=st.integers(1, 5))
@settings(deadline=None, max_examples=20)
def test_a_list_is_the_best_of_all_however_customers_come_in_blocks(catalogue, size, pieces):
    rng = np.random.default_rng(size)
    net = rng.integers(-3, 9, 40).astype(float)
    ids = [f"C{i:02d}" for i in rng.permutation(40)]
    blocks = [
        Candidates(
            [ids[i] for i in rows],
            np.zeros(len(rows), dtype=np.int64),
            net[rows],
            ["no_gain" if net[i] <= 0 else "" for i in rows],
        )
        for rows in np.array_split(np.arange(40), pieces)
    ]

    found = select(blocks, size, shipped_policy(catalogue))
    order = sorted((-value, who) for value, who in zip(net, ids, strict=True) if value > 0)
    assert list(found.chosen) == [who for _, who in order[:size]]
    assert found.not_selected == max(0, len(order) - size)
    assert found.removed.get("no_gain", 0) == (net <= 0).sum()


def test_candidates_take_the_best_option_after_prices_and_say_why_there_is_none(standing):
    columns, _, effects, catalogue, policy = standing
    weighed = weigh(columns, effects, catalogue, policy)
    places = [i for i, option in enumerate(catalogue.options) if option.offer == "card"]
    charged = np.zeros(weighed.values.shape)
    alone = np.arange(len(weighed.values)) < 50
    found = candidates(columns["customer_id"], weighed, charged, places, alone)
    for row, (option, reason) in enumerate(zip(found.option.tolist(), found.reasons, strict=True)):
        values = np.where(weighed.removed.allowed[row, places], weighed.values[row, places], -np.inf)
        if option != NOTHING:
            assert weighed.values[row, option] == values.max() > 0
        assert (reason == "") == (option != NOTHING and not alone[row])
    dear = candidates(columns["customer_id"], weighed, charged + 1e9, places, alone)
    assert set(dear.reasons) >= {"no_gain", "universal_control"} and "" not in dear.reasons
