"""The laws that the truth states, found again in the history of a simulated bank."""

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.simulate import simulate
from features.simulate.laws import shipped
from features.simulate.potential import holding_margin
from features.simulate.step import step
from features.simulate.stored import load_world
from features.simulate.world import OFFERED, PRODUCTS

END = datetime(2026, 11, 1, tzinfo=UTC)
START = datetime(2024, 8, 1, tzinfo=UTC)
SIZE = {"customers": 8_000, "months": 27, "seed": 21, "end": END}
QUARTERS = {1, 4, 7, 10}


def quiet(line):
    """Swallow progress."""


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    home = tmp_path_factory.mktemp("laws")
    simulate(home / "out", home / "truth", **SIZE, tell=quiet)
    return home


@pytest.fixture(scope="module")
def laws(bank):
    return json.loads((bank / "truth" / "laws.json").read_text())


@pytest.fixture(scope="module")
def table(bank):
    """Any table of history or truth as a frame, with the month of its moment."""
    cache = {}

    def read(name):
        if name not in cache:
            folder = bank / ("out" if (bank / "out" / f"{name}.parquet").exists() else "truth")
            rows = pq.read_table(folder / f"{name}.parquet").to_pandas()
            column = next((c for c in ("at", "as_of", "valid_from") if c in rows), None)
            if column:
                rows["month"] = rows[column].dt.tz_localize(None).dt.to_period("M")
            cache[name] = rows
        return cache[name]

    return read


@pytest.fixture(scope="module")
def happened(table):
    """Events of one kind: the customers and the month of each."""

    def of(kind):
        rows = table("events")
        found = rows.loc[rows["event"] == kind, ["customer_id", "month"]]
        assert len(found) > 20, kind
        return found

    return of


@pytest.fixture(scope="module")
def salaries(table):
    rows = table("transactions")
    rows = rows[rows["category"] == "salary"].copy()
    rows["day"] = rows["at"].dt.day
    rows["employer"] = rows["counterparty"].str[1:].astype(int) - 5_000
    return rows


def versions(table):
    """Every version of a customer beside the one before it (suffix _before)."""
    rows = table("customers").sort_values(["customer_id", "valid_from"])
    before = rows.groupby("customer_id").shift().add_suffix("_before")
    return pd.concat([rows, before], axis=1).dropna(subset="valid_from_before")


def amounts_by_month(table, category):
    rows = table("transactions")
    rows = rows[rows["category"].isin(category)]
    return (
        rows.groupby(rows["at"].dt.month)["amount"].sum()
        / rows.groupby(rows["at"].dt.month)["month"].nunique()
    )


def test_an_employer_pays_on_its_day(salaries, laws):
    plain = salaries[salaries["month"].dt.month != 12]
    paid = np.array(laws["pay_days"])[plain["employer"] % len(laws["pay_days"])]
    assert (plain["day"] == paid).mean() > 0.99


def test_every_second_employer_pays_a_thirteenth_salary_in_december(salaries):
    december = salaries[salaries["month"].dt.month == 12]
    times = december.groupby(["customer_id", "employer", "month"]).size().reset_index(name="times")
    assert set(times.loc[times["employer"] % 2 == 0, "times"]) == {2}
    assert set(times.loc[times["employer"] % 2 == 1, "times"]) == {1}


def test_salaries_rise_once_a_year_in_the_employers_month(happened, table, laws):
    both = happened("yearly_rise").merge(versions(table), on=["customer_id", "month"])
    ratio = both["income"] / both["income_before"]
    assert ratio.mean() - 1 == pytest.approx(laws["events_by_month"]["rise"], abs=0.002)
    assert happened("yearly_rise").groupby("customer_id").size().max() <= 4


def test_a_change_of_employer_shows_in_who_pays(happened, salaries):
    changed = happened("new_employer")
    payers = salaries.groupby(["customer_id", "month"])["employer"].first()
    now = payers.reindex(pd.MultiIndex.from_frame(changed))
    before = payers.reindex(pd.MultiIndex.from_frame(changed.assign(month=changed["month"] - 1)))
    known = now.notna().to_numpy() & before.notna().to_numpy()
    assert known.sum() > 100
    assert (now.to_numpy() != before.to_numpy())[known].mean() > 0.95


def test_who_loses_a_job_gets_no_salary(happened, salaries):
    lost = happened("job_lost")
    paid = set(zip(salaries["customer_id"], salaries["month"], strict=True))
    before = [(c, m - 1) in paid for c, m in lost.itertuples(index=False)]
    after = [(c, m) in paid for c, m in lost.itertuples(index=False)]
    assert np.mean(before) > 0.6
    assert not any(after)


def test_seasons_move_spending_heating_and_holidays(table, laws):
    spent = -amounts_by_month(table, ["card", "cash_out"])
    assert spent[12] / spent[2] > 0.8 * laws["season_spending"][11] / laws["season_spending"][1]
    heated = -amounts_by_month(table, ["household"])
    stated = laws["season_heating"][0] / laws["season_heating"][6]
    assert heated[1] / heated[7] == pytest.approx(stated, rel=0.1)
    cards = table("transactions").query("category == 'card'")
    abroad = (cards["currency"] != "EUR").groupby(cards["at"].dt.month).mean()
    stated = laws["season_abroad"][6] / laws["season_abroad"][1]
    assert abroad[7] / abroad[2] == pytest.approx(stated, rel=0.25)


def test_a_household_moves_together_and_its_region_says_so(happened, table):
    moved = happened("move").merge(versions(table), on=["customer_id", "month"])
    assert (moved["region"] != moved["region_before"]).mean() > 0.9
    together = moved.dropna(subset="household_id").groupby(["household_id", "month"])["region"]
    assert (together.size() > 1).sum() > 20
    assert together.nunique().max() == 1


def test_a_child_brings_an_allowance_and_dearer_living(happened, table, laws):
    born = happened("birth")
    rows = table("transactions")
    paid = rows[(rows["amount"] % laws["child_allowance_cents"] == 0) & (rows["category"] == "transfer_in")]
    got = set(zip(paid["customer_id"], paid["month"], strict=True))
    assert np.mean([pair in got for pair in born.itertuples(index=False)]) > 0.9
    living = rows[rows["category"] == "household"].groupby(["customer_id", "month"])["amount"].sum()
    year = born[born["month"].between("2025-10", "2025-12")]
    now = living.reindex(pd.MultiIndex.from_frame(year)).to_numpy()
    past = living.reindex(pd.MultiIndex.from_frame(year.assign(month=year["month"] - 12))).to_numpy()
    ratio = np.nanmedian(now / past)
    assert ratio == pytest.approx(1 + laws["child_household_share"], abs=0.1)


def test_marriage_joins_two_households_and_some_accounts(happened, table, laws):
    wed = happened("marriage").merge(versions(table), on=["customer_id", "month"])
    assert (wed["household_id"] != wed["household_id_before"]).sum() >= 0.45 * len(happened("marriage"))
    members = table("customers").groupby("household_id")["customer_id"].nunique()
    assert members.loc[wed["household_id"]].min() >= 2
    shares = table("holdings").query("role == 'co_owner'")
    shares = shares[shares["opened_at"] >= START]
    couples = len(happened("marriage")) / 2
    assert shares["customer_id"].nunique() / couples == pytest.approx(
        laws["events_by_month"]["shares_account"], abs=0.15
    )


def test_retirement_turns_the_salary_into_a_smaller_pension(happened, table, laws):
    retired = happened("retirement").merge(versions(table), on=["customer_id", "month"])
    assert set(retired["occupation"]) == {"retired"}
    ratio = (retired["income"] / retired["income_before"]).median()
    assert ratio == pytest.approx(laws["events_by_month"]["pension_share"], abs=0.01)
    rows = table("transactions").merge(happened("retirement"), on="customer_id", suffixes=("", "_event"))
    after = rows[rows["month"] >= rows["month_event"]]
    assert "salary" not in set(after["category"])
    assert "pension" in set(after["category"])


def test_after_a_death_nothing_is_spent_and_the_bank_closes_for_the_heirs(happened, table, laws):
    died = happened("death")
    accounts = table("holdings").query("product == 'current_account' and role == 'owner'")
    closed = died.merge(accounts.dropna(subset="closed_at"), on="customer_id")
    assert set(closed["close_reason"]) == {"bank"}
    waited = closed["closed_at"].dt.tz_localize(None).dt.to_period("M") - closed["month"]
    soon = np.mean([w.n == 1 for w in waited])
    assert soon == pytest.approx(laws["heirs_close"], abs=0.15)
    for name in ("transactions", "interactions"):
        rows = table(name).merge(died, on="customer_id", suffixes=("", "_death"))
        after = rows[rows["month"] > rows["month_death"]]
        words = after["category" if name == "transactions" else "kind"]
        assert not set(words) & {"salary", "pension", "card", "session", "survey", "visit"}


def test_businesses_pay_vat_after_each_quarter_and_follow_their_trade(table, laws):
    vat = table("transactions").query("category == 'other'")
    firms = set(table("customers").query("kind == 'business'")["customer_id"])
    assert set(vat["at"].dt.month) == QUARTERS
    assert set(vat["customer_id"]) <= firms
    incomes = table("customers").groupby("customer_id")["income"].last()
    share = (-vat["amount"] / incomes[vat["customer_id"]].to_numpy()).quantile(0.9)
    assert share == pytest.approx(3 * laws["vat_share_of_income"], rel=0.1)
    lines = table("customers").drop_duplicates("customer_id").set_index("customer_id")["occupation"]
    rows = table("transactions").query("category == 'transfer_in'")
    rows = rows.assign(line=lines[rows["customer_id"]].to_numpy())
    shops = rows[rows["line"] == "retail_trade"].groupby(rows["at"].dt.month)["amount"].sum()
    builders = rows[rows["line"] == "construction"].groupby(rows["at"].dt.month)["amount"].sum()
    assert shops[12] / shops[2] > 1.4
    assert builders[6] / builders[1] > 1.4


def test_foreign_bookings_carry_amount_and_balance_in_their_currency(table):
    rates = table("rates").assign(month=lambda t: pd.to_datetime(t["date"]).dt.to_period("M"))
    rows = table("transactions").merge(rates[["currency", "month", "rate"]], how="left")
    rows["rate"] = rows["rate"].fillna(1.0)
    assert set(rows["currency"]) == {"EUR", "USD", "CHF"}
    current = table("holdings").query("product == 'current_account'")["holding_id"]
    rows = rows[rows["holding_id"].isin(current)].sort_values(["holding_id", "transaction_id"])
    foreign = rows["currency"] != "EUR"
    assert set(rows.loc[foreign, "category"]) == {"card"}
    assert 0.01 < foreign[rows["category"] == "card"].mean() < 0.1
    balance, amount = rows["balance_after"] * rows["rate"], rows["amount"] * rows["rate"]
    off = balance - balance.groupby(rows["holding_id"]).shift() - amount
    assert off.abs().max() <= 2.5
    invested = table("transactions").query("category == 'investment'")["currency"]
    assert {"USD", "CHF"} <= set(invested)


def test_surveys_follow_satisfaction(table):
    asked = table("interactions").query("kind == 'survey'")
    both = asked.merge(table("monthly"), on=["customer_id", "month"])
    assert both["rating"].corr(both["satisfaction"]) > 0.6


def test_people_keep_their_hours_and_their_weekends(table):
    seen = table("interactions").query("kind == 'session'")
    hour = seen["at"].dt.hour + seen["at"].dt.minute / 60
    own = hour.groupby(seen["customer_id"])
    enough = own.transform("size") >= 10
    assert own.std()[own.size() >= 10].median() < 2.5
    assert hour[enough].std() > 1.5 * own.std()[own.size() >= 10].median()
    assert seen["at"].dt.dayofweek.ge(5).mean() < 0.25
    cards = table("transactions").query("category == 'card'")
    theirs = (cards["at"].dt.hour + cards["at"].dt.minute / 60).groupby(cards["customer_id"]).mean()
    assert own.mean().corr(theirs) > 0.6
    weekend = [
        rows["at"].dt.dayofweek.ge(5).groupby(rows["customer_id"]).agg(["mean", "size"])
        for rows in (seen, cards)
    ]
    often = (weekend[0]["size"] >= 20) & (weekend[1]["size"] >= 20).reindex(weekend[0].index)
    assert weekend[0]["mean"][often].corr(weekend[1]["mean"]) > 0.3


def test_a_manager_who_leaves_hands_the_portfolio_to_one_newcomer(happened, table, laws):
    changed = happened("new_manager").merge(versions(table), on=["customer_id", "month"])
    assert (changed["manager_id"] != changed["manager_id_before"]).all()
    heirs = changed.groupby(["month", "manager_id_before"])["manager_id"].nunique()
    assert heirs.max() == 1
    early = table("customers")[table("customers")["valid_from"] < START]
    assert not set(changed["manager_id"]) & set(early["manager_id"])
    managers = table("customers")["manager_id"].nunique()
    assert len(heirs) < 4 * laws["manager_leaves"] * managers * SIZE["months"]


def test_arms_are_drawn_with_the_stated_chances_and_move_nothing_else(table, laws):
    arms = table("arms")
    shares = arms["arm"].value_counts(normalize=True)
    for arm, stated in laws["campaign_arms"].items():
        assert shares[arm] == pytest.approx(stated, abs=4 * np.sqrt(stated / len(arms))), arm
        assert (arms.loc[arms["arm"] == arm, "p_arm"] == stated).all()
    card = arms.query("product == 'card'").merge(table("monthly"), on=["customer_id", "as_of"])
    means = card.groupby(card["arm"] == "control")["takeup_card"]
    gap = means.mean()[True] - means.mean()[False]
    assert abs(gap) < 4 * np.sqrt((means.var() / means.size()).sum())
    contacts = table("interactions").query("kind == 'campaign' and response == 'none'")
    met = arms.merge(contacts, on=["customer_id", "month", "product"], how="left")
    assert met.loc[met["arm"] == "control", "channel"].isna().all()
    assert (met["channel"] == met["arm"])[met["arm"] != "control"].all()


def test_the_drawn_are_as_many_as_stated(table, laws):
    monthly, arms = table("monthly"), table("arms")
    consenting = table("customers").groupby("customer_id")["consent_marketing"].min()
    eligible = monthly[monthly["takeup_loan"].notna() & (monthly["as_of"] < END)]
    eligible = eligible[consenting[eligible["customer_id"]].to_numpy()]
    drawn = arms[(arms["product"] == "loan") & consenting[arms["customer_id"]].to_numpy()]
    assert len(drawn) / len(eligible) == pytest.approx(laws["campaign_drawn"]["product"], rel=0.05)


def test_contacts_lately_bring_more_opting_out_as_the_law_says(table):
    contacts = table("interactions").query("kind == 'campaign'").groupby("interaction_id").last()
    both = contacts.merge(table("monthly"), on=["customer_id", "month"])
    out = both["response"] == "opted_out"
    tired = both["pressed"] > 0.7
    assert tired.sum() > 500
    assert out[tired].mean() > 1.3 * out[~tired].mean()


def test_complaints_cause_leaving_and_more_so_the_longer_they_stay_open(table):
    monthly = table("monthly")[table("monthly")["as_of"] < END]
    accounts = table("holdings").query("product == 'current_account' and role == 'owner'")
    closed = accounts.dropna(subset="closed_at")
    closed = closed.assign(month=closed["closed_at"].dt.tz_localize(None).dt.to_period("M"))
    both = monthly.merge(closed[["customer_id", "month"]], how="left", indicator="left")
    both["left"] = both["left"] == "both"
    rates = both.groupby(pd.cut(both["hurt"], [-1, 0.05, 0.9, 1.6, 3]), observed=True)["left"].mean()
    assert rates.is_monotonic_increasing, rates
    assert rates.iloc[-1] > 3 * rates.iloc[0]


def test_the_stated_margin_of_a_new_holding_is_what_takers_bring_in_a_year(bank):
    world, nobody = load_world(bank / "truth" / "state.npz"), np.ones(SIZE["customers"], bool)
    stated, taken, earned = [], [], []
    for _ in range(15):
        stated.append(holding_margin(world))
        world, rows = step(world, None, nobody)
        taken.append(rows.choices.bought >= 0)
        earned.append([_monthly(world.state, slot) for slot in OFFERED])
    for place, slot in enumerate(OFFERED):
        told, found = [], []
        for month in range(4):
            who = np.flatnonzero(taken[month][:, slot])
            told += stated[month][who, slot].tolist()
            found += np.sum([e[place][who] for e in earned[month : month + 12]], axis=0).tolist()
        assert len(told) > 30
        assert np.mean(told) == pytest.approx(np.mean(found), rel=0.3, abs=4.0), PRODUCTS[slot]


def _monthly(state, slot):
    """What each open holding of a product earns this month, in major units."""
    product, balance = shipped().products[PRODUCTS[slot]], np.abs(state.balance[:, slot]) / 100.0
    earned = balance * (product.balance_margin - product.loss_rate) / 12
    return (state.opened[:, slot] >= 0) * (earned + product.monthly_margin - product.monthly_cost)
