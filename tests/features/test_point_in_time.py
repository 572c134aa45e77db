"""The compiled pass against the oracle: every window and level, several moments at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.features.cells import LEVELS, WINDOWS, compare
from tests.features.conftest import row

MOMENTS = (
    datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2024, 3, 1, tzinfo=UTC),
    datetime(2024, 3, 31, tzinfo=UTC),
    datetime(2025, 3, 1, tzinfo=UTC),
)
CUSTOMERS = ["C1", "C2", "C3", "C4"]
Rows = list[dict[str, Any]]

edges = st.builds(
    lambda moment, days, us: moment - timedelta(days=days, microseconds=us),
    st.sampled_from(MOMENTS),
    st.sampled_from([0, 1, 7, 29, 30, 31, 60, 90, 91, 180, 182, 365, 366, 730]),
    st.sampled_from([-1, 0, 1, 500_000]),
)
times = st.one_of(
    st.datetimes(datetime(2021, 1, 1), datetime(2025, 6, 1)).map(lambda d: d.replace(tzinfo=UTC)), edges
)
delays = st.sampled_from([timedelta(0)] * 4 + [timedelta(seconds=1), timedelta(days=1), timedelta(days=70)])
transactions = st.lists(
    st.builds(
        lambda who, number, at, delay, amount, category, channel, holding, balance, version: row(
            "transactions",
            transaction_id=f"T{number}",
            customer_id=who,
            holding_id=f"{holding}-{who}",
            at=at,
            known_at=at + delay + version * timedelta(days=9),
            amount=amount,
            category=category,
            channel=channel,
            balance_after=balance,
        ),
        st.sampled_from(CUSTOMERS[:3]),
        st.integers(0, 12),  # few ids, so that corrections of one booking occur
        times,
        delays,
        st.one_of(st.just(0), st.integers(-(10**12), 10**12)),
        st.sampled_from(["salary", "pension", "card", "cash_out", "fee", "standing_order", "household"]),
        st.sampled_from(["app", "web", "atm", "branch", "auto"]),
        st.sampled_from(["H", "S", "L"]),
        st.one_of(st.none(), st.integers(-(10**12), 10**12)),
        st.integers(0, 2),
    ),
    max_size=30,
    unique_by=lambda r: (r["transaction_id"], r["known_at"]),
)
interactions = st.lists(
    st.builds(
        lambda who, number, at, delay, kind, product, response, rating: row(
            "interactions",
            interaction_id=f"I{number}",
            customer_id=who,
            at=at,
            known_at=at + delay,
            kind=kind,
            product=product,
            response=response,
            rating=rating,
        ),
        st.sampled_from(CUSTOMERS[:3]),
        st.integers(0, 12),
        times,
        delays,
        st.sampled_from(["campaign", "call", "visit", "complaint", "survey", "session"]),
        st.sampled_from([None, "card", "loan", "mortgage"]),
        st.sampled_from([None, "none", "opened", "accepted", "refused", "opted_out"]),
        st.one_of(st.none(), st.integers(0, 100).map(lambda tenth: tenth / 10)),
    ),
    max_size=20,
    unique_by=lambda r: (r["interaction_id"], r["known_at"]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(transactions, interactions, st.sampled_from([1, 5, 10**6]))
def test_every_window_and_balance_equals_the_oracle(booked: Rows, met: Rows, most: int) -> None:
    # One booking belongs to one customer, whatever version: the id says whose it is.
    booked = [r | {"transaction_id": f"{r['transaction_id']}-{r['customer_id']}"} for r in booked]
    met = [r | {"interaction_id": f"{r['interaction_id']}-{r['customer_id']}"} for r in met]
    compared, wrong = compare(booked, met, CUSTOMERS, MOMENTS, most)
    assert compared == len(MOMENTS) * len(CUSTOMERS) * (len(WINDOWS) + len(LEVELS))
    assert wrong == []


def test_a_table_without_rows_gives_zeros_and_nulls() -> None:
    compared, wrong = compare([], [], CUSTOMERS, MOMENTS[:1], 10)
    assert (compared, wrong) == (len(CUSTOMERS) * (len(WINDOWS) + len(LEVELS)), [])
