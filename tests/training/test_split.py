from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import RefusedError
from training.specs import CHURN, ModelSpec
from training.split import bucket, latest_rows, out_of_time, out_of_time_and_customer


def _frame(days: list[int], customers: int = 60) -> pd.DataFrame:
    start = pd.Timestamp("2024-01-01", tz="UTC")
    return pd.DataFrame(
        [(f"C{c:04d}", start + pd.Timedelta(days=d)) for d in days for c in range(customers)],
        columns=["customer_id", "as_of"],
    )


@given(
    days=st.lists(st.integers(0, 900), min_size=2, max_size=8, unique=True),
    horizon=st.integers(1, 200),
    gap=st.integers(0, 60),
    delay=st.integers(0, 30),
)
def test_no_outcome_that_was_learned_from_reaches_past_the_tests_as_of(days, horizon, gap, delay) -> None:
    spec = ModelSpec("churn", "closure", horizon, gap, delay)
    frame = _frame(days, customers=12)
    reach = pd.Timedelta(days=horizon + gap + delay)
    last = frame["as_of"].max()
    usable = frame["as_of"][frame["as_of"] + reach <= last]
    if usable.empty:
        with pytest.raises(RefusedError):
            out_of_time(frame, spec)
        return
    split = out_of_time(frame, spec)
    learned = frame.iloc[np.concatenate([split.train, split.calibrate])]
    assert len(learned) == len(usable)
    assert (learned["as_of"] + reach <= last).all()
    assert (frame["as_of"].iloc[split.test] == last).all()


def test_calibration_customers_are_never_trained_on() -> None:
    frame = _frame([0, 30, 250], customers=500)
    split = out_of_time(frame, CHURN)
    ids = frame["customer_id"]
    assert not set(ids.iloc[split.train]) & set(ids.iloc[split.calibrate])
    assert 0.15 < len(split.calibrate) / (len(split.train) + len(split.calibrate)) < 0.25


def test_unseen_customers_are_in_the_test_alone() -> None:
    frame = _frame([0, 30, 250], customers=500)
    split = out_of_time_and_customer(frame, CHURN)
    ids = frame["customer_id"]
    learned = set(ids.iloc[split.train]) | set(ids.iloc[split.calibrate])
    assert not learned & set(ids.iloc[split.test])
    assert 60 < len(split.test) < 140


def test_the_split_follows_the_customers_not_the_order_of_rows() -> None:
    frame = _frame([0, 250])
    turned = frame.sample(frac=1, random_state=1).reset_index(drop=True)
    for one, two in (
        (out_of_time(frame, CHURN).train, out_of_time(turned, CHURN).train),
        (out_of_time(frame, CHURN).test, out_of_time(turned, CHURN).test),
    ):
        assert frame.iloc[one].to_records(index=False).tolist() == (
            turned.iloc[two].to_records(index=False).tolist()
        )


def test_the_hash_is_stable_across_processes() -> None:
    assert bucket(pd.Series(["C000001"]), "calibrate")[0] == int("d8e1ccc626fb94d6", 16) / 2**64


def test_too_short_a_history_is_refused_with_the_months_it_needs() -> None:
    with pytest.raises(RefusedError, match=r"at least 13 months .* span 30 days; cure: import 6 more"):
        out_of_time(_frame([0, 30]), CHURN)


def test_a_reporting_delay_purges_more() -> None:
    frame = _frame([0, 194])
    assert len(out_of_time(frame, CHURN).train)
    with pytest.raises(RefusedError):
        out_of_time(frame, replace(CHURN, delay_days=1))


@given(
    stamps=st.lists(st.integers(0, 400), min_size=2, max_size=60).filter(lambda s: len(set(s)) > 1),
    horizon=st.integers(0, 90),
)
def test_the_latest_rows_are_the_test_and_no_moment_is_torn_apart(stamps, horizon) -> None:
    spec = replace(CHURN, horizon_days=horizon, gap_days=0)
    start = pd.Timestamp("2024-01-01", tz="UTC")
    frame = pd.DataFrame(
        {
            "customer_id": [f"C{i}" for i in range(len(stamps))],
            "as_of": pd.Series([start + pd.Timedelta(days=d) for d in stamps]).dt.as_unit("us"),
        }
    )
    try:
        split = latest_rows(frame, spec)
    except RefusedError as error:
        assert horizon > 0
        assert "cure" in str(error)
        return
    begin = frame["as_of"].iloc[split.test].min()
    learned = frame["as_of"].iloc[np.concatenate([split.train, split.calibrate])]
    assert (learned < begin).all()
    assert (learned + pd.Timedelta(days=horizon) <= begin).all()
    assert (frame["as_of"] >= begin).sum() == len(split.test)


def test_snapshots_of_equal_size_test_on_the_last_one() -> None:
    frame = _frame([0, 30, 60, 90, 120])
    split = latest_rows(frame, replace(CHURN, horizon_days=30, gap_days=0))
    assert frame["as_of"].iloc[split.test].nunique() == 1
    assert frame["as_of"].iloc[split.train].nunique() == 4


def test_one_moment_only_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"one moment only.*cure"):
        latest_rows(_frame([0]), CHURN)


def test_ids_that_are_numbers_split_as_words_do() -> None:
    words = _frame([0, 250])
    numbers = words.assign(customer_id=words["customer_id"].str[1:].astype(int))
    assert (out_of_time(words, CHURN).test == out_of_time(numbers, CHURN).test).all()
