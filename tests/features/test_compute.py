"""Window aggregates against a brute-force oracle that is written apart, in plain Python."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.compute import feature_table, spine_of
from features.families import activity, balances, contacts, satisfaction
from features.families.base import Family, Window
from features.history.cut import cut_history
from features.simulate.laws import shipped
from tests.features.conftest import row
from tests.features.memory_bank import connect

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)  # the day after a leap day
MONTHS = {3: datetime(2023, 12, 1, tzinfo=UTC), 6: datetime(2023, 9, 1, tzinfo=UTC)}
moments = st.one_of(
    st.datetimes(datetime(2023, 1, 1), datetime(2024, 6, 1)).map(lambda d: d.replace(tzinfo=UTC)),
    # Edges: midnight itself, a microsecond to either side, the edges of every window.
    st.sampled_from([0, 30, 90, 180, 365]).map(lambda d: AS_OF - timedelta(days=d)),
    st.sampled_from([*MONTHS.values(), *(m - timedelta(microseconds=1) for m in MONTHS.values())]),
    st.sampled_from([0, 30, 90, 365]).map(lambda d: AS_OF - timedelta(days=d, microseconds=1)),
)
bookings = st.lists(
    st.builds(
        lambda number, at, delay, amount, category, version: row(
            "transactions",
            transaction_id=f"T{number}",
            at=at,
            known_at=at + timedelta(days=delay, seconds=version),
            amount=amount,
            category=category,
            balance_after=amount,
        ),
        st.integers(0, 4),  # few ids, so that corrections of one booking occur
        moments,
        st.sampled_from([0, 0, 0, 1, 40]),
        st.integers(-(10**12), 10**12),
        st.sampled_from(["salary", "card", "cash_out", "fee", "transfer_out"]),
        st.integers(0, 3),
    ),
    max_size=8,
    unique_by=lambda r: (r["transaction_id"], r["known_at"]),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bookings)
def test_windows_equal_the_oracle(rows: list[dict[str, Any]]) -> None:
    backend = connect(
        {"transactions": rows, "holdings": [row("holdings")], "customers": [row("customers")]}
    )
    cut = cut_history(backend, AS_OF)
    frame = feature_table(cut, spine_of(cut), [activity.FAMILY]).to_pyarrow().to_pylist()
    assert len(frame) == 1
    for window in activity.FAMILY.windows:
        assert frame[0][window.field.name] == oracle(rows, window), window.field.name


def oracle(rows: list[dict[str, Any]], window: Window) -> int | None:
    """What a clerk would count by hand at AS_OF, from what was known then."""
    known: dict[str, dict[str, Any]] = {}
    for r in sorted(rows, key=lambda r: r["known_at"]):
        if r["known_at"] <= AS_OF:
            known[r["transaction_id"]] = r
    start = MONTHS[window.months] if window.months else AS_OF - timedelta(days=window.days)
    inside = [r for r in known.values() if _floor(start) <= _floor(r["at"]) and r["at"] < AS_OF]
    for column, words in window.slice.words.items():
        inside = [r for r in inside if r[column] in words]
    if window.slice.sign:
        inside = [r for r in inside if (r["amount"] > 0) == (window.slice.sign == "+") and r["amount"] != 0]
    if window.measure == "count":
        return len(inside)
    if window.measure == "recency":
        days = [int((AS_OF.timestamp() - _floor(r["at"]).timestamp()) // 86_400) for r in inside]
        return min(days, default=None)
    amounts = [r["amount"] for r in inside]
    return sum(amounts) if window.measure == "sum" else max(amounts, default=0)


def _floor(at: datetime) -> datetime:
    return at.replace(microsecond=0)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bookings, st.lists(st.sampled_from(["H1", "H2", "L1"]), min_size=8, max_size=8))
def test_balances_equal_the_oracle(rows: list[dict[str, Any]], on: list[str]) -> None:
    rows = [r | {"holding_id": holding} for r, holding in zip(rows, on, strict=False)]
    held = [row("holdings", holding_id=h, product=p) for h, p in PRODUCTS.items()]
    cut = cut_history(connect({"transactions": rows, "holdings": held}), AS_OF)
    families = [activity.FAMILY, balances.FAMILY]  # what instalments leave of loans needs both
    (values,) = feature_table(cut, spine_of(cut), families).to_pyarrow().to_pylist()
    # Written out by hand: 1 March 2024, and the same day of earlier months.
    moments = {0: AS_OF, 1: datetime(2024, 2, 1), 3: datetime(2023, 12, 1), 12: datetime(2023, 3, 1)}
    for months, moment in moments.items():
        name = f"balance_{months}m_ago" if months else "balance_total"
        assert values[name] == level(rows, ("H1", "H2"), moment.replace(tzinfo=UTC)), name
    assert values["loan_outstanding"] == -(level(rows, ("L1",), AS_OF) or 0)


PRODUCTS = {"H1": "current_account", "H2": "savings_account", "L1": "loan"}


def level(rows: list[dict[str, Any]], holdings: tuple[str, ...], moment: datetime) -> int | None:
    """The sum of the last balances before a moment, of the versions known at AS_OF."""
    known: dict[str, dict[str, Any]] = {}
    for r in sorted(rows, key=lambda r: r["known_at"]):
        if r["known_at"] <= AS_OF:
            known[r["transaction_id"]] = r
    last: dict[str, int] = {}
    for r in sorted(known.values(), key=lambda r: r["seq"]):
        if r["at"] < moment:
            last[r["holding_id"]] = r["balance_after"]
    found = [last[h] for h in holdings if h in last]
    return sum(found) if found else None


def test_the_last_rating_is_the_latest_survey_answer() -> None:
    def contact(number: int, days: int, kind: str, rating: float | None) -> dict[str, Any]:
        at = AS_OF - timedelta(days=days)
        return row("interactions", interaction_id=f"I{number}", at=at, kind=kind, rating=rating)

    asked = [contact(1, 40, "survey", 3.0), contact(2, 20, "survey", 8.0), contact(3, 5, "survey", None)]
    never = [contact(4, 5, "session", None) | {"customer_id": "C2"}]
    held = [row("holdings"), row("holdings", holding_id="H2", customer_id="C2")]
    cut = cut_history(connect({"interactions": asked + never, "holdings": held}), AS_OF)
    found = feature_table(cut, spine_of(cut), [satisfaction.FAMILY]).to_pyarrow().to_pylist()
    first, second = sorted(found, key=lambda r: r["customer_id"])
    assert (first["rating_last"], first["days_since_survey"]) == (8.0, 20)
    assert (second["rating_last"], second["days_since_survey"]) == (None, None)


def test_a_correction_counts_only_once_it_is_known() -> None:
    first = row("transactions", amount=-100, category="card", at=AS_OF - timedelta(days=9))
    later = first | {"amount": -700, "known_at": AS_OF - timedelta(days=2)}
    backend = connect({"transactions": [first, later], "holdings": [row("holdings")]})

    def card_sum(as_of: datetime) -> int:
        cut = cut_history(backend, as_of)
        frame = feature_table(cut, spine_of(cut), [activity.FAMILY]).to_pandas()
        return int(frame.card_sum_3m[0])

    assert card_sum(AS_OF - timedelta(days=3)) == -100
    assert card_sum(AS_OF) == -700


def test_the_spine_is_who_holds_something() -> None:
    open_, closed = row("holdings"), row("holdings", holding_id="H2", customer_id="C2")
    end = closed | {"closed_at": AS_OF - timedelta(days=1), "known_at": AS_OF - timedelta(hours=2)}
    late = row("holdings", holding_id="H3", customer_id="C3", opened_at=AS_OF)
    backend = connect({"holdings": [open_, closed | {"close_reason": None}, end, late]})
    assert spine_of(cut_history(backend, AS_OF)).to_pandas().customer_id.tolist() == ["C1"]
    # One day earlier nobody knew that C2 had left.
    before = spine_of(cut_history(backend, AS_OF - timedelta(days=1))).to_pandas()
    assert sorted(before.customer_id) == ["C1", "C2"]


def test_an_empty_history_is_zeros_and_nulls() -> None:
    backend = connect({"holdings": [row("holdings")]})
    cut = cut_history(backend, AS_OF)
    families: list[Family] = [activity.FAMILY, contacts.declare(shipped()), satisfaction.FAMILY]
    (values,) = feature_table(cut, spine_of(cut), families).to_pyarrow().to_pylist()
    for field in (f for family in families for f in family.fields):
        assert values[field.name] == (None if field.null == "null" else 0), field.name


@pytest.mark.parametrize("at", [AS_OF, AS_OF + timedelta(days=1)])
def test_midnight_belongs_to_the_next_day(at: datetime) -> None:
    booking = row("transactions", at=at, known_at=at - timedelta(days=30))
    backend = connect({"transactions": [booking], "holdings": [row("holdings")]})
    cut = cut_history(backend, AS_OF)
    frame = feature_table(cut, spine_of(cut), [activity.FAMILY]).to_pandas()
    assert frame.bookings_count_365d[0] == 0
