"""Potential outcomes, retention offers, the drift switch, and truth that stays bounded."""

import hashlib
import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from features.simulate import advance, simulate
from features.simulate.campaigns import Approach
from features.simulate.currencies import exchanged
from features.simulate.laws import complain, contact_effect, opt_out
from features.simulate.leaving import (
    asleep,
    hesitant,
    leave_hazard,
    onset_hazard,
    retention_effect,
    waivable,
)
from features.simulate.output import customer_ids
from features.simulate.population import found
from features.simulate.rows import Rows, ids_of_month, numbered
from features.simulate.step import step
from features.simulate.world import CURRENT, World
from features.vocabulary import CHANNELS

END = datetime(2026, 11, 1, tzinfo=UTC)
SIZE = {"customers": 1_500, "months": 6, "seed": 9, "end": END}
BEGINS, SWITCH = 4, datetime(2026, 8, 1, tzinfo=UTC)


def quiet(line):
    """Swallow progress."""


def frame(path):
    return pq.read_table(path).to_pandas()


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    home = tmp_path_factory.mktemp("truth")
    simulate(home / "out", home / "truth", **SIZE, tell=quiet)
    return home


@pytest.fixture(scope="module")
def drifting(tmp_path_factory):
    """The same bank under each drift."""
    homes = {}
    for drift in ("economy", "channel", "product"):
        homes[drift] = tmp_path_factory.mktemp(drift)
        out, truth = homes[drift] / "out", homes[drift] / "truth"
        simulate(out, truth, **SIZE, tell=quiet, drift=drift, drift_month=BEGINS)
    return homes


def changed(world, **columns):
    """The same world with some of the state replaced."""
    state = world.state.copy()
    for name, value in columns.items():
        getattr(state, name)[:] = value
    return World(world.clock, world.people, state)


def everybody_by(world, channel):
    return np.full(world.size, CHANNELS.index(channel))


def test_potential_outcomes_agree_with_the_months_truth(bank):
    potential, monthly = (
        frame(bank / "truth" / "potential.parquet"),
        frame(bank / "truth" / "monthly.parquet"),
    )
    now = monthly[monthly["as_of"] == END].set_index("customer_id")
    assert (potential["as_of"] == END).all()
    assert not potential.duplicated(["customer_id", "product", "channel"]).any()
    for product, rows in potential.groupby("product"):
        mine = now.loc[rows["customer_id"]]
        assert (rows["leave_alone"].to_numpy() == mine["leave_hazard"].to_numpy()).all()
        if product == "current_account":
            assert rows["takeup_alone"].isna().all()
            assert (rows["leave_contacted"] != rows["leave_alone"]).any()
            continue
        assert np.array_equal(rows["takeup_alone"].to_numpy(), mine[f"takeup_{product}"].to_numpy())
        assert len(rows) == 5 * now[f"takeup_{product}"].notna().sum()
        assert (rows["leave_contacted"] == rows["leave_alone"]).all()
        assert rows["takeup_contacted"].mean() > 1.3 * rows["takeup_alone"].mean()
        assert (rows["takeup_contacted"] < rows["takeup_alone"]).any()
    assert potential.groupby("channel")["complain"].mean().idxmax() == "call"


def test_many_are_contacted_and_as_many_answer_as_the_potential_outcomes_say(tmp_path):
    size = {**SIZE, "customers": 12_000, "months": 1}
    simulate(tmp_path / "out", tmp_path / "truth", **size, tell=quiet)
    rows = frame(tmp_path / "truth" / "potential.parquet")
    rows = rows[(rows["product"] == "investment") & (rows["channel"] == "call")].reset_index(drop=True)
    contacted = np.random.default_rng(2).random(len(rows)) < 0.5
    contacts = rows[["customer_id", "product", "channel"]].assign(
        decision_id=rows["customer_id"], contacted=contacted
    )
    advance(tmp_path / "next", tmp_path / "truth", contacts, months=1, tell=quiet)
    outcomes = pd.read_csv(tmp_path / "next" / "outcomes.csv")
    for group, column in ((contacted, "takeup_contacted"), (~contacted, "takeup_alone")):
        stays = 1 - rows.loc[group, "leave_alone"]
        expected = (rows.loc[group, column] * stays).sum()
        bought = (
            outcomes.query("kind == 'bought'")["customer_id"].isin(rows.loc[group, "customer_id"]).sum()
        )
        assert abs(bought - expected) < 4 * np.sqrt(expected)
    talks = frame(tmp_path / "next" / "interactions.parquet")
    out = talks.query("response == 'opted_out'")["customer_id"].isin(rows["customer_id"]).sum()
    expected = rows.loc[contacted, "opt_out"].sum()
    assert abs(out - expected) < 4 * np.sqrt(expected)


def test_a_fee_waiver_keeps_those_who_hesitate_and_wakes_those_asleep():
    world = found(**{**SIZE, "customers": 20_000})
    hesitating = changed(world, drift=0.5, drifting=True)
    quietly = changed(world, drift=0.0, drifting=False)
    by = everybody_by(world, "call")
    left = {}
    for offered in (False, True):
        none = np.full(world.size, -1)
        at = np.full(world.size, world.clock.start + 1_000_000)
        may = waivable(hesitating)
        approach = Approach(np.where(may, CURRENT, -1), np.where(may, by, -1), np.where(may, at, -1))
        given = approach if offered else Approach(none, none, none)
        after, rows = step(hesitating, given, np.ones(world.size, bool))
        left[offered] = rows.choices.leaving[may].sum()
        law = leave_hazard(hesitating, retention_effect(hesitating, by) if offered else 0.0)[may].sum()
        assert abs(left[offered] - law) < 4 * np.sqrt(law)
        assert (after.state.waiver > 0).sum() == (offered * (rows.choices.response == 2)).sum()
    assert left[True] < 0.5 * left[False]
    effect = retention_effect(quietly, by)
    dogs = (asleep(quietly) > 0.5) & quietly.state.live
    assert dogs.sum() > 500
    assert effect[dogs].min() > 0
    assert retention_effect(hesitating, by)[hesitant(hesitating) > 0.9].max() < 0.2


def test_a_waived_fee_is_not_charged():
    world = changed(found(**SIZE), waiver=5)
    _, rows = step(world, None, np.ones(world.size, bool))
    fee = rows.bookings["category"] == 14
    assert not fee.any()
    _, rows = step(found(**SIZE), None, np.ones(world.size, bool))
    assert (rows.bookings["category"] == 14).any()


def test_a_complaint_raises_the_hazards_more_while_open_and_less_once_settled():
    world = found(**SIZE)
    at_ease, hurt, long_open, healed = (changed(world, hurt=h) for h in (0.0, 1.0, 2.6, 0.4))
    for hazard in (leave_hazard, onset_hazard):
        levels = [hazard(w).mean() for w in (at_ease, healed, hurt, long_open)]
        assert levels == sorted(levels)
        assert levels[-1] > 2 * levels[0]
    complaining = changed(at_ease, complaint=world.clock.start - 1, complaint_number=7, hurt=1.0)
    after, rows = step(complaining, None, np.ones(world.size, bool))
    settled = np.isin(np.arange(world.size), rows.events["who"][rows.events["event"] == 10])
    assert settled.sum() > 100
    still = (after.state.complaint >= 0) & after.state.live
    assert after.state.hurt[still].min() > 1.2
    assert after.state.hurt[settled].max() < 0.6


def test_each_contact_tires():
    world = found(**SIZE)
    fresh, tired = changed(world, pressed=0.0), changed(world, pressed=2.0)
    for channel in ("app", "call"):
        by = everybody_by(world, channel)
        assert (contact_effect(tired, by) < contact_effect(fresh, by)).all()
        assert (opt_out(tired, by) > 2 * opt_out(fresh, by)).all()
        assert (complain(tired, by) > 2 * complain(fresh, by)).all()


def test_without_the_switch_nothing_differs_and_with_it_nothing_before_its_month(bank, drifting, tmp_path):
    simulate(tmp_path / "out", tmp_path / "truth", **SIZE, tell=quiet, drift="none", drift_month=2)
    for path in (*(bank / "out").iterdir(), *(bank / "truth").iterdir()):
        same = tmp_path / path.parent.name / path.name
        assert hashlib.sha256(same.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest()
    for drift, home in drifting.items():
        stated = json.loads((home / "truth" / "laws.json").read_text())
        assert stated["drift"] == drift
        since = pd.Timestamp(stated["drift_since"])
        assert since == SWITCH
        for name in ("transactions", "interactions"):
            rows, plain = (frame(h / "out" / f"{name}.parquet") for h in (home, bank))
            pd.testing.assert_frame_equal(rows[rows["known_at"] < since], plain[plain["known_at"] < since])
            assert name == "interactions" or not rows.equals(plain)


def at_the_switch(home):
    monthly = frame(home / "truth" / "monthly.parquet")
    return monthly[monthly["as_of"] == SWITCH].set_index("customer_id")


def test_the_economy_costs_income_and_unsettles_people(bank, drifting):
    plain, worse = at_the_switch(bank), at_the_switch(drifting["economy"])
    odds = [t["attrition_hazard"] / (1 - t["attrition_hazard"]) for t in (plain, worse)]
    stated = json.loads((drifting["economy"] / "truth" / "laws.json").read_text())["drift_effects"]
    ratio = (odds[1] / odds[0])[odds[0] > 0]
    assert np.allclose(ratio, np.exp(stated["unrest_log_odds"]))
    assert (worse["leave_hazard"] >= plain["leave_hazard"]).all()
    incomes = [
        frame(home / "out" / "customers.parquet").groupby("customer_id")["income"].last().sum()
        for home in (bank, drifting["economy"])
    ]
    assert incomes[1] / incomes[0] == pytest.approx(stated["income_factor"], abs=0.01)
    events = [
        frame(h / "truth" / "events.parquet")
        .query("event == 'job_lost'")
        .loc[lambda t: t["as_of"] >= SWITCH]
        for h in (bank, drifting["economy"])
    ]
    assert len(events[1]) > 2 * len(events[0])


def test_the_app_takes_the_branchs_place(bank, drifting):
    plain, moved = (
        frame(h / "out" / "interactions.parquet").loc[lambda t: t["at"] >= SWITCH, "kind"].value_counts()
        for h in (bank, drifting["channel"])
    )
    assert moved["visit"] < 0.75 * plain["visit"]
    assert moved["session"] > 1.15 * plain["session"]


def test_appetite_for_the_card_halves_and_for_nothing_else(bank, drifting):
    plain, less = at_the_switch(bank), at_the_switch(drifting["product"])
    for column in ("takeup_card", "contacted_card", "takeup_loan"):
        odds = [t[column].dropna() / (1 - t[column].dropna()) for t in (plain, less)]
        assert np.allclose(odds[1] / odds[0], 0.5 if "card" in column else 1.0)


def test_truth_stays_bounded_by_the_number_of_months_asked_for(bank, tmp_path):
    simulate(tmp_path / "out", tmp_path / "truth", **SIZE, tell=quiet, truth_months=2)
    few, all_of_them = (frame(h / "truth" / "monthly.parquet") for h in (tmp_path, bank))
    assert few["as_of"].nunique() == 3
    last = all_of_them[all_of_them["as_of"] >= few["as_of"].min()].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, last)
    assert (tmp_path / "out" / "transactions.parquet").read_bytes() == (
        bank / "out" / "transactions.parquet"
    ).read_bytes()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"drift": "weather"}, "weather"),
        ({"drift": "economy", "drift_month": 7}, "outside history"),
        ({"truth_months": 0}, "truth months"),
    ],
)
def test_impossible_switches_are_refused(tmp_path, wrong, named):
    with pytest.raises(InputError, match=named):
        simulate(tmp_path / "out", tmp_path / "truth", **SIZE, **wrong, tell=quiet)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("offer", "product", "named"),
    [
        ("yacht", "card", "offer"),
        ("fee_waiver", "card", "not offered"),
        ("", "current_account", "not offered"),
    ],
)
def test_a_retention_offer_names_the_current_account(bank, tmp_path, offer, product, named):
    (tmp_path / "truth").mkdir()
    state = (bank / "truth" / "state.npz").read_bytes()
    (tmp_path / "truth" / "state.npz").write_bytes(state)
    rows = {"decision_id": ["D"], "customer_id": ["C000001"], "channel": ["call"], "contacted": [True]}
    contacts = pd.DataFrame({**rows, "product": product, "offer": offer})
    with pytest.raises(InputError, match=named):
        advance(tmp_path / "out", tmp_path / "truth", contacts, months=1, tell=quiet)
    right = contacts.assign(product="current_account", offer="fee_waiver")
    advance(tmp_path / "out", tmp_path / "truth", right, months=1, tell=quiet)
    assert pd.read_csv(tmp_path / "out" / "outcomes.csv")["kind"].iloc[0] == "shown"
    talks = frame(tmp_path / "out" / "interactions.parquet").query("kind == 'campaign'")
    assert "current_account" in set(talks.loc[talks["customer_id"] == "C000001", "product"])


@given(st.lists(st.integers(-1, 10**14), max_size=20), st.integers(1, 12))
def test_ids_are_written_as_text_of_one_width(numbers, width):
    ids = numbered("T", np.array(numbers, np.int64), width).to_pylist()
    wide = max([width, *(len(str(n)) for n in numbers if n >= 0)])
    assert ids == [None if n < 0 else f"T{n:0{wide}d}" for n in numbers]


def test_ids_keep_six_digits_up_to_a_million_and_widen_beyond():
    assert customer_ids(np.array([0, 999_999]), 1_000_000).to_pylist() == ["C000000", "C999999"]
    assert customer_ids(np.array([7]), 1_000_001).to_pylist() == ["C0000007"]
    for customers in (1, 1_000_000, 1_000_001, 30_000_000):
        ranges = [ids_of_month(customers, month, tenth) for month in range(3) for tenth in range(10)]
        assert np.diff(ranges).min() >= customers
    assert ids_of_month(20_000, 3) == 30_000_000


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 2)), max_size=20))
def test_only_foreign_bookings_are_exchanged(rows):
    cents = np.array([c for c, _ in rows], np.int64)
    currency = np.array([k for _, k in rows], np.int8)
    rates = np.array([1.0, 0.9, 1.1])
    out = exchanged(cents, currency, rates)
    assert (np.abs(out * rates[currency] - cents) <= 0.56).all()
    assert (out[currency == 0] == cents[currency == 0]).all()


def test_rows_keep_the_types_of_their_defaults():
    rows = Rows(code=np.int8(-1), at=0)
    rows.add(np.array([3, 4]), at=np.array([5, 6]))
    columns = rows.columns()
    assert columns["who"].dtype == np.int32
    assert columns["code"].tolist() == [-1, -1]
    assert columns["code"].dtype == np.int8
