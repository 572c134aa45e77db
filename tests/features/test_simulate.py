import hashlib
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import CorruptError, InputError, NotReadyError
from features.history.check import check_folder
from features.history.contract import BY_NAME, TABLES
from features.history.tables import arrow_schema
from features.simulate import advance, simulate
from features.simulate.laws import shipped
from features.simulate.money import convert, split
from features.simulate.output import customer_ids, first_tables, month_tables, transaction_tables
from features.simulate.population import found
from features.simulate.step import step
from features.simulate.stored import load_world, save_world
from features.simulate.world import OFFERED, PRODUCTS

END = datetime(2026, 11, 1, tzinfo=UTC)
START = datetime(2026, 3, 1, tzinfo=UTC)
SIZE = {"customers": 300, "months": 8, "seed": 5, "end": END}
NO_CONTACTS = pa.schema(
    [(c, pa.string()) for c in ("decision_id", "customer_id", "product", "channel")]
    + [("contacted", pa.bool_())]
).empty_table()


def quiet(line):
    """Swallow progress."""


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    home = tmp_path_factory.mktemp("bank")
    simulate(home / "out", home / "truth", **SIZE, tell=quiet)
    return home


def copy_of(bank, tmp_path):
    (tmp_path / "truth").mkdir()
    for path in (bank / "truth").iterdir():
        (tmp_path / "truth" / path.name).write_bytes(path.read_bytes())
    return tmp_path


def frame(folder, name):
    return pq.read_table(folder / f"{name}.parquet").to_pandas()


def last_versions(holdings):
    return holdings.sort_values("known_at").groupby(["holding_id", "customer_id"]).tail(1)


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_same_seed_same_bytes_and_another_seed_another_bank(bank, tmp_path):
    simulate(tmp_path / "out", tmp_path / "truth", **SIZE, tell=quiet)
    assert hashes(tmp_path / "out") == hashes(bank / "out")
    assert hashes(tmp_path / "truth") == hashes(bank / "truth")
    simulate(tmp_path / "other", tmp_path / "truth", **{**SIZE, "seed": 6}, tell=quiet)
    assert set(hashes(tmp_path / "other").values()).isdisjoint(
        v for k, v in hashes(bank / "out").items() if k != "rates.parquet"
    )


def test_tables_have_the_contracts_types_and_pass_its_check(bank):
    for table in TABLES:
        assert pq.read_schema(bank / "out" / f"{table.name}.parquet").equals(arrow_schema(table))
    report = check_folder(bank / "out", shipped())
    assert report.ok, report.to_text()


def test_the_truth_stays_out_of_the_history(bank):
    hidden = set(pq.read_schema(bank / "truth" / "monthly.parquet").names) - {"as_of", "customer_id"}
    assert {"leave_hazard", "takeup_card", "contacted_card", "margin_12m"} <= hidden
    for table in TABLES:
        columns = pq.read_schema(bank / "out" / f"{table.name}.parquet").names
        assert columns == [c.name for c in BY_NAME[table.name].columns]
    assert {p.name for p in (bank / "out").iterdir()} == {f"{t.name}.parquet" for t in TABLES}


def test_balances_add_up_to_the_cent(bank):
    rows = frame(bank / "out", "transactions").sort_values("transaction_id")
    assert rows["balance_after"].notna().all()
    before = rows.groupby("holding_id")[["balance_after", "currency"]].shift()
    moved = rows["balance_after"] - before["balance_after"]
    abroad = (rows["currency"] != "EUR") & (rows["category"] == "card")
    one_currency = (rows["currency"] == before["currency"]) & ~abroad
    assert one_currency.sum() > 5_000
    assert (moved == rows["amount"])[one_currency].all()
    assert rows.groupby("holding_id")["at"].is_monotonic_increasing.all()


def test_a_closed_holding_ends_at_zero_and_a_loan_is_never_in_credit(bank):
    holdings = last_versions(frame(bank / "out", "holdings"))
    rows = frame(bank / "out", "transactions").sort_values("transaction_id")
    last = rows.groupby("holding_id")["balance_after"].last()
    closed = holdings.loc[holdings["closed_at"].notna() & (holdings["role"] == "owner"), "holding_id"]
    assert len(closed) > 20
    assert (last.reindex(closed).dropna() == 0).all()
    loans = holdings.loc[holdings["product"] == "loan", "holding_id"]
    assert (rows.loc[rows["holding_id"].isin(loans), "balance_after"] <= 0).all()
    bare = holdings.loc[holdings["product"].isin(["card", "insurance", "standing_order"]), "holding_id"]
    assert not rows["holding_id"].isin(bare).any()


def test_bookings_lie_within_their_holding(bank):
    holdings = last_versions(frame(bank / "out", "holdings"))
    holdings = holdings[holdings["role"] == "owner"]
    rows = frame(bank / "out", "transactions").merge(holdings, on=["holding_id", "customer_id"], how="left")
    assert rows["product"].notna().all()
    assert (rows["at"] >= rows["opened_at"]).all()
    assert (rows["closed_at"].isna() | (rows["at"] < rows["closed_at"])).all()


def test_nothing_is_known_before_it_happened_or_after_the_end(bank):
    when = {"customers": "valid_from", "holdings": "opened_at", "transactions": "at", "interactions": "at"}
    for name, column in when.items():
        rows = frame(bank / "out", name)
        assert (rows["known_at"] >= rows[column]).all(), name
        assert (rows["known_at"] < END).all(), name
    holdings, talks = frame(bank / "out", "holdings"), frame(bank / "out", "interactions")
    assert (holdings["known_at"] >= holdings["closed_at"].fillna(holdings["opened_at"])).all()
    assert (talks["known_at"] >= talks["resolved_at"].fillna(talks["at"])).all()
    bookings = frame(bank / "out", "transactions")
    assert bookings["at"].min() >= START
    assert 0 < (bookings["known_at"] > bookings["at"]).mean() < 0.05


def test_closing_is_a_second_version_that_the_first_does_not_foretell(bank):
    holdings = frame(bank / "out", "holdings").sort_values("known_at")
    versions = holdings.groupby(["holding_id", "customer_id"])
    assert versions.head(1)["closed_at"].isna().all()
    assert versions.size().max() == 2
    second = holdings[holdings["closed_at"].notna()]
    assert second["close_reason"].notna().all()
    assert not holdings.duplicated(["holding_id", "customer_id", "known_at"]).any()


def test_leavers_show_signs_before_they_go(tmp_path):
    simulate(tmp_path / "out", tmp_path / "truth", **{**SIZE, "customers": 1500, "months": 10}, tell=quiet)
    holdings = frame(tmp_path / "out", "holdings")
    gone = holdings[(holdings["product"] == "current_account") & (holdings["closed_at"] >= "2026-10-01")]
    rows = frame(tmp_path / "out", "transactions")
    salary = rows[rows["category"].isin(["salary", "pension"])]
    early = salary[salary["at"] < "2026-03-01"].groupby("customer_id")["amount"].sum()
    late = salary[(salary["at"] >= "2026-08-01") & (salary["at"] < "2026-10-01")]
    ratio = (late.groupby("customer_id")["amount"].sum().reindex(early.index).fillna(0) / early).clip(
        upper=3
    )
    leaver = ratio.index.isin(gone["customer_id"])
    assert leaver.sum() >= 4
    assert ratio[leaver].mean() < 0.7 * ratio[~leaver].mean()


def test_a_hazard_that_is_true_matches_how_many_leave(tmp_path):
    simulate(tmp_path / "out", tmp_path / "truth", **{**SIZE, "customers": 3000, "months": 6}, tell=quiet)
    truth = frame(tmp_path / "truth", "monthly")
    holdings = frame(tmp_path / "out", "holdings")
    mine = (holdings["product"] == "current_account") & (holdings["role"] == "owner")
    left = int((mine & holdings["closed_at"].notna()).sum())
    expected = truth.loc[truth["as_of"] < END, "leave_hazard"].sum()
    assert abs(left - expected) < 4 * np.sqrt(expected)


def test_stepwise_equals_at_once(bank, tmp_path):
    world = found(**SIZE)
    tables = [first_tables(world)]
    assert list(tables[0]) == ["customers", "holdings"]
    for month in range(SIZE["months"]):
        after, rows = step(world, None, np.zeros(world.size, bool))
        bookings = list(transaction_tables(world, after.state, rows))
        tables.append(month_tables(world, after.state, rows) | {"transactions": bookings[0]})
        assert len(bookings) == 1
        save_world(tmp_path / f"{month}.npz", after)
        world = load_world(tmp_path / f"{month}.npz")
    for table in TABLES:
        parts = [t[table.name] for t in tables if table.name in t]
        assert pa.concat_tables(parts).equals(pq.read_table(bank / "out" / f"{table.name}.parquet")), (
            table.name
        )


def test_going_on_stepwise_equals_going_on_at_once(bank, tmp_path):
    once = copy_of(bank, tmp_path)
    stepwise = tmp_path / "stepwise"
    stepwise.mkdir()
    copy_of(bank, stepwise)
    advance(once / "out", once / "truth", NO_CONTACTS, months=2, tell=quiet)
    for part in ("a", "b"):
        advance(stepwise / part, stepwise / "truth", NO_CONTACTS, months=1, tell=quiet)
    for table in TABLES:
        parts = [pq.read_table(stepwise / part / f"{table.name}.parquet") for part in ("a", "b")]
        assert pa.concat_tables(parts).equals(pq.read_table(once / "out" / f"{table.name}.parquet"))
    assert hashes(stepwise / "truth") == hashes(once / "truth")
    ids = frame(once / "out", "transactions")["transaction_id"]
    assert set(ids).isdisjoint(frame(bank / "out", "transactions")["transaction_id"])
    assert frame(once / "out", "transactions")["at"].min() >= END


def test_history_and_what_follows_add_up_together(bank, tmp_path):
    later = copy_of(bank, tmp_path)
    advance(later / "out", later / "truth", NO_CONTACTS, months=1, tell=quiet)
    rows = pd.concat([frame(bank / "out", "transactions"), frame(later / "out", "transactions")])
    before = rows.groupby("holding_id")[["balance_after", "currency"]].shift()
    abroad = (rows["currency"] != "EUR") & (rows["category"] == "card")
    one_currency = (rows["currency"] == before["currency"]) & ~abroad
    moved = rows["balance_after"] - before["balance_after"]
    assert one_currency.sum() > len(rows) / 2
    assert (moved == rows["amount"])[one_currency].all()


def decide(truth, product, share=0.5):
    """Contact a random half of all who may take the product up, leave the others as control."""
    now = frame(truth, "monthly")
    now = now[(now["as_of"] == END) & now[f"takeup_{product}"].notna()]
    contacted = np.random.default_rng(1).random(len(now)) < share
    return pd.DataFrame(
        {
            "decision_id": [f"D{i}" for i in range(len(now))],
            "customer_id": now["customer_id"].to_numpy(),
            "product": product,
            "channel": "call",
            "contacted": contacted,
        }
    ), now


def test_the_contacted_take_up_more_than_the_control_in_truth_and_in_what_happens(tmp_path):
    simulate(tmp_path / "out", tmp_path / "truth", **{**SIZE, "customers": 6000, "months": 1}, tell=quiet)
    contacts, now = decide(tmp_path / "truth", "standing_order")
    true_uplift = now["contacted_standing_order"].mean() / now["takeup_standing_order"].mean()
    assert 1.3 < true_uplift < 4
    assert (now["contacted_standing_order"] < now["takeup_standing_order"]).any()
    advance(tmp_path / "next", tmp_path / "truth", contacts, months=2, tell=quiet)
    outcomes = pd.read_csv(tmp_path / "next" / "outcomes.csv")
    bought = outcomes.loc[outcomes["kind"] == "bought", "decision_id"]
    takers = (
        contacts.assign(bought=contacts["decision_id"].isin(bought)).groupby("contacted")["bought"].mean()
    )
    assert takers[True] > takers[False] > 0
    shown = set(outcomes.loc[outcomes["kind"] == "shown", "decision_id"])
    assert shown == set(contacts.loc[contacts["contacted"], "decision_id"])
    said = outcomes["kind"].isin(["accepted", "refused", "opted_out"])
    assert set(outcomes.loc[said, "decision_id"]) <= shown
    assert outcomes["outcome_id"].is_unique
    assert (pd.to_datetime(outcomes["at"], utc=True) >= END).all()
    assert (
        pd.to_datetime(outcomes["known_at"], utc=True) >= pd.to_datetime(outcomes["at"], utc=True)
    ).all()
    first = pd.to_datetime(outcomes.loc[outcomes["kind"] == "shown", "at"], utc=True)
    assert (first < END + pd.Timedelta(days=4)).all()


def test_contacts_change_the_chance_of_nobody_else(tmp_path):
    simulate(tmp_path / "out", tmp_path / "truth", **{**SIZE, "customers": 2000, "months": 1}, tell=quiet)
    contacts, _ = decide(tmp_path / "truth", "standing_order")
    lived = {}
    for name, made in (("some", contacts), ("none", contacts.assign(contacted=False))):
        home = tmp_path / name
        home.mkdir()
        copy_of(tmp_path, home)
        advance(home / "next", home / "truth", made, months=4, tell=quiet)
        lived[name] = load_world(home / "truth" / "state.npz")
    some, none = (lived[name].state for name in ("some", "none"))
    ids = pd.Index(customer_ids(np.arange(2000), 2000).to_pylist())
    reached = ids.get_indexer(contacts.loc[contacts["contacted"], "customer_id"])
    apart = {
        name: np.flatnonzero(np.atleast_2d((getattr(some, name) != getattr(none, name)).T).any(axis=0))
        for name in ("balance", "opened", "mood", "hurt", "drift", "income", "live")
    }
    assert len(apart["balance"]) > 0, "contacts change something"
    for name, who in apart.items():
        assert set(who) <= set(reached), name


def test_purchases_in_outcomes_are_holdings_in_history(bank, tmp_path):
    later = copy_of(bank, tmp_path)
    contacts, _ = decide(later / "truth", "savings_account", share=1.0)
    advance(later / "out", later / "truth", contacts, months=4, tell=quiet)
    outcomes = pd.read_csv(later / "out" / "outcomes.csv")
    bought = outcomes[outcomes["kind"] == "bought"]
    holdings = frame(later / "out", "holdings")
    opened = holdings[(holdings["product"] == "savings_account") & (holdings["opened_at"] >= END)]
    assert len(bought) > 0
    assert set(bought["customer_id"]) == set(opened["customer_id"]) & set(contacts["customer_id"])
    campaigns = frame(later / "out", "interactions").query("kind == 'campaign' and channel == 'call'")
    assert set(contacts["customer_id"]) <= set(campaigns["customer_id"])


def test_the_truth_reaches_the_end_and_goes_on_after_it(bank, tmp_path):
    truth = frame(bank / "truth", "monthly")
    assert truth["as_of"].nunique() == SIZE["months"] + 1
    assert truth["as_of"].max() == END
    odds = truth.filter(regex="hazard|takeup|contacted")
    assert ((odds.isna()) | ((odds >= 0) & (odds <= 1))).all().all()
    later = copy_of(bank, tmp_path)
    advance(later / "out", later / "truth", NO_CONTACTS, months=1, tell=quiet)
    longer = frame(later / "truth", "monthly")
    assert not longer.duplicated(["as_of", "customer_id"]).any()
    pd.testing.assert_frame_equal(longer[longer["as_of"] <= END].reset_index(drop=True), truth)
    assert longer["as_of"].nunique() == SIZE["months"] + 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"customer_id": "nobody"}, "customer_id"),
        ({"product": "yacht"}, "product"),
        ({"product": "current_account"}, "not offered"),
        ({"channel": "pigeon"}, "channel"),
        ({"customer_id": "C000001"}, "twice"),
    ],
)
def test_contacts_that_cannot_be_are_refused_and_nothing_is_written(bank, tmp_path, change, named):
    later = copy_of(bank, tmp_path)
    before = hashes(later / "truth")
    contacts = pd.DataFrame(
        {
            "decision_id": ["D1", "D2"],
            "customer_id": ["C000001", "C000002"],
            "product": "card",
            "channel": "email",
            "contacted": True,
        }
    ).assign(**change)
    with pytest.raises(InputError, match=named):
        advance(later / "out", later / "truth", contacts, months=1, tell=quiet)
    with pytest.raises(InputError, match="decision_id"):
        advance(later / "out", later / "truth", contacts.drop(columns="decision_id"), months=1, tell=quiet)
    assert hashes(later / "truth") == before
    assert not (later / "out").exists()


def test_a_missing_or_damaged_state_is_named(bank, tmp_path):
    with pytest.raises(NotReadyError, match="simulate"):
        advance(tmp_path / "out", tmp_path / "truth", NO_CONTACTS, months=1, tell=quiet)
    later = copy_of(bank, tmp_path)
    whole = (later / "truth" / "state.npz").read_bytes()
    (later / "truth" / "state.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptError, match="damaged"):
        advance(tmp_path / "out", later / "truth", NO_CONTACTS, months=1, tell=quiet)


@pytest.mark.parametrize(
    "wrong", [{"customers": 0}, {"months": 0}, {"end": datetime(2026, 1, 1)}, {"end": END.replace(hour=5)}]
)
def test_impossible_banks_are_refused(tmp_path, wrong):
    with pytest.raises(InputError, match="cure"):
        simulate(tmp_path / "out", tmp_path / "truth", **{**SIZE, **wrong}, tell=quiet)
    assert not (tmp_path / "out").exists()


def test_every_product_is_held_and_the_words_of_the_history_are_used(bank):
    held = set(frame(bank / "out", "holdings")["product"])
    assert held == set(PRODUCTS)
    kinds = set(frame(bank / "out", "interactions")["kind"])
    assert kinds == {"campaign", "call", "visit", "complaint", "survey", "session"}
    assert len(OFFERED) == len(shipped().offered)


@given(
    st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 6)), max_size=8),
    st.integers(0, 2**32 - 1),
)
def test_splitting_loses_no_cent(sums, seed):
    totals = np.array([t for t, _ in sums], np.int64)
    counts = np.array([c for _, c in sums], np.int64)
    weights = np.random.default_rng(seed).random(counts.sum()) + 1e-6
    parts = split(totals, counts, weights)
    assert (parts >= 0).all()
    back = np.zeros(len(totals), np.int64)
    np.add.at(back, np.repeat(np.arange(len(totals)), counts), parts)
    assert (back == np.where(counts > 0, totals, 0)).all()


@given(st.lists(st.integers(-(10**12), 10**12), max_size=20), st.floats(0.05, 20))
def test_changing_money_is_right_to_half_a_cent(cents, rate):
    changed = convert(np.array(cents, np.int64), rate)
    assert changed.dtype == np.int64
    assert all(abs(a * rate - c) <= rate * 0.5 + 1e-3 for a, c in zip(changed.tolist(), cents, strict=True))
