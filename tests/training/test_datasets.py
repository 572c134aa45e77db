"""Which snapshots may teach, and what reaches a training set."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import load_catalogue
from features.eligibility import eligible
from features.errors import RefusedError
from features.home import Home
from features.settings import read_settings
from features.snapshots import Generation, current_generation, read_snapshot
from training.datasets import mature_snapshots, training_set
from training.specs import CHURN, PROPENSITY, VALUE

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


def generation(days_before: list[int]) -> Generation:
    snapshots = sorted(AS_OF - timedelta(days=d) for d in {0, *days_before})
    return Generation("2026-01-01.1", AS_OF, tuple(snapshots))


@given(
    st.lists(st.integers(1, 1500), max_size=40),
    st.integers(1, 400),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(1, 30),
)
def test_nothing_learned_from_overlaps_the_test(
    days: list[int], horizon: int, gap: int, delay: int, most: int
) -> None:
    spec = replace(CHURN, horizon_days=horizon, gap_days=gap, delay_days=delay, snapshots=most)
    window = timedelta(days=horizon + gap + delay)
    snapshots = generation(days).snapshots
    try:
        *train, test = mature_snapshots(generation(days), spec)
    except RefusedError as error:
        assert "cure:" in str(error)
        mature = [s for s in snapshots if s + window <= AS_OF]
        assert not [s for s in mature if s + window <= mature[-1]]
        return
    assert test + window <= AS_OF
    assert not [s for s in snapshots if s > test and s + window <= AS_OF], "the last mature one"
    assert 1 <= len(train) <= most
    assert all(s + window <= test for s in train)


def silent(_: str) -> None:
    """Say nothing."""


@pytest.mark.parametrize("spec", [CHURN, VALUE, PROPENSITY], ids=lambda s: s.name)
def test_a_training_set_holds_each_customer_once_a_snapshot(bank: Home, spec) -> None:
    examples = training_set(bank, spec, replace(read_settings({}), home=bank.path), silent)
    frame = examples.frame
    assert not frame.duplicated(["customer_id", "as_of"]).any()
    moments = mature_snapshots(current_generation(bank), spec)
    assert sorted(frame["as_of"].unique()) == list(moments)
    assert {"gender", "consent_marketing", "manager_id"}.isdisjoint(frame.columns)
    labels = frame[list(examples.labels)].to_numpy()
    if spec.name == "value":
        assert np.isfinite(labels).all()
        assert frame["value"].to_numpy() == pytest.approx(labels[:, :4].sum(axis=1))
    else:
        assert set(np.unique(labels[np.isfinite(labels)])) == {0.0, 1.0}
    # By month goes what balance attrition can tell; it is a fact of the set, no column of it.
    assert (len(examples.survival), "month" in frame) == (6 if spec is CHURN else 0, False)
    assert list(examples.survival) == sorted(examples.survival)
    assert not examples.survival or examples.survival[-1] == 1.0


def test_only_eligible_customers_teach_propensity(bank: Home) -> None:
    catalogue = load_catalogue(bank.catalogue)
    frame = training_set(bank, PROPENSITY, replace(read_settings({}), home=bank.path), silent).frame
    moment = frame["as_of"].max()
    snapshot = read_snapshot(bank, moment).set_index("customer_id")
    rows = frame[frame["as_of"] == moment]
    columns = {
        name: snapshot.loc[rows["customer_id"], name].to_numpy(dtype=float, na_value=np.nan)
        for name in snapshot.columns
        if name.startswith("holds_") or name == "age_years"
    }
    columns["kind"] = snapshot.loc[rows["customer_id"], "kind"].to_numpy(dtype=object)
    for product in catalogue.offered:
        assert (np.isfinite(rows[product.name]) == eligible(columns, product)).all(), product.name
