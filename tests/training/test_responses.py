"""Contacts drawn by chance: what history shows of them agrees with how they were truly drawn."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError, RefusedError
from features.home import Home
from features.settings import Settings, read_settings
from features.snapshots import current_generation
from training.datasets import TrainingSet
from training.specs import RESPONSE, RETENTION
from training.uplift.campaign_log import campaign_contacts
from training.uplift.responses import CHANNEL, OUTCOME, PROBABILITY, PRODUCT, TREATED, response_set

KEYS = ["customer_id", "as_of", PRODUCT]


def silent(_: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def settings(bank: Home) -> Settings:
    return replace(read_settings({}), home=bank.path, threads=1)


@pytest.fixture(scope="module")
def contacts(bank: Home, settings: Settings) -> pd.DataFrame:
    return campaign_contacts(bank, RESPONSE, settings, silent, controls=5)


@pytest.fixture(scope="module")
def examples(bank: Home, settings: Settings, contacts: pd.DataFrame) -> TrainingSet:
    return response_set(bank, RESPONSE, contacts, settings, silent)


@pytest.fixture(scope="module")
def arms(bank: Home) -> pd.DataFrame:
    """How the bank truly drew, at the snapshots."""
    table = pd.read_parquet(bank.truth / "arms.parquet")
    table = table[table["as_of"].isin(current_generation(bank).snapshots)]
    return table.rename(columns={"product": PRODUCT})


def test_contacts_are_those_that_the_bank_drew(contacts: pd.DataFrame, arms: pd.DataFrame) -> None:
    both = contacts.merge(arms[[*KEYS, "arm"]], on=KEYS, how="left")
    reached = both[both[TREATED] == 1]
    assert len(reached) > 500
    assert (reached["arm"] == reached[CHANNEL]).mean() > 0.99
    assert both.loc[both[TREATED] == 0, "arm"].dropna().eq("control").all(), "nobody reached is a control"
    drawn = arms[(arms["arm"] != "control") & (arms[PRODUCT] != "current_account")]
    last = contacts["as_of"].max()
    assert len(reached) > 0.9 * (drawn["as_of"] <= last).sum()


def test_chances_and_channels_say_nothing_of_who_was_contacted(contacts: pd.DataFrame) -> None:
    assert contacts[PROBABILITY].mean() == pytest.approx(contacts[TREATED].mean(), abs=1e-9)
    assert contacts[TREATED].mean() == pytest.approx(1 / 6, abs=0.02)
    assert contacts[CHANNEL].notna().all()
    by_arm = pd.crosstab(contacts[CHANNEL], contacts[TREATED], normalize="columns")
    assert (by_arm[0.0] - by_arm[1.0]).abs().max() < 0.05
    assert not contacts.duplicated(KEYS).any()


def test_outcomes_are_mature_and_features_are_those_of_the_snapshot(
    bank: Home, examples: TrainingSet, contacts: pd.DataFrame
) -> None:
    frame, as_of = examples.frame, current_generation(bank).as_of
    assert (frame["as_of"] + timedelta(days=RESPONSE.horizon_days) <= as_of).all()
    assert set(frame[OUTCOME].unique()) == {0.0, 1.0}
    assert len(frame) <= len(contacts)
    assert {PRODUCT, CHANNEL} <= {f.name for f in examples.fields}
    assert {"gender", "manager_id"}.isdisjoint(frame.columns)
    for product, rows in frame.groupby(PRODUCT):
        assert (rows[f"holds_{product}"] == 0).all()


def test_a_contact_raises_the_rate_of_taking_up(examples: TrainingSet) -> None:
    rates = examples.frame.groupby(TREATED)[OUTCOME].mean()
    assert rates[1.0] > rates[0.0] > 0


def test_retention_offers_go_to_those_who_hold_and_are_judged_by_who_leaves(
    bank: Home, settings: Settings
) -> None:
    contacts = campaign_contacts(bank, RETENTION, settings, silent, controls=2)
    assert contacts[PRODUCT].unique().tolist() == ["current_account"]
    frame = response_set(bank, RETENTION, contacts, settings, silent).frame
    assert (frame["holds_current_account"] > 0).all()
    assert 0 < frame[OUTCOME].mean() < 0.2


@pytest.mark.parametrize("wrong", [0.0, 1.0, np.nan])
def test_contacts_that_were_no_chance_are_refused_by_id(
    bank: Home, settings: Settings, contacts: pd.DataFrame, wrong: float
) -> None:
    some = contacts.head(5).copy()
    some.loc[some.index[1], PROBABILITY] = wrong
    with pytest.raises(InputError, match=f"probability .*: {some['customer_id'].iloc[1]}; cure:"):
        response_set(bank, RESPONSE, some, settings, silent)


def test_rows_of_another_moment_or_form_are_refused(
    bank: Home, settings: Settings, contacts: pd.DataFrame
) -> None:
    late = contacts.head(3).assign(as_of=contacts["as_of"].max() + pd.Timedelta(days=1))
    with pytest.raises(InputError, match="as_of is no snapshot"):
        response_set(bank, RESPONSE, late, settings, silent)
    with pytest.raises(InputError, match=f"no column '{CHANNEL}'"):
        response_set(bank, RESPONSE, contacts.drop(columns=CHANNEL), settings, silent)
    young = contacts[contacts["as_of"] == contacts["as_of"].max()]
    with pytest.raises(RefusedError, match="no outcome is known yet"):
        response_set(bank, replace(RESPONSE, horizon_days=600), young, settings, silent)
