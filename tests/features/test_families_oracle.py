"""The trickiest derived features against plain Python, on rows that nobody would think of."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.compute import feature_table, spine_of
from features.families import activity, channels, lifecycle, primacy
from features.families.base import Family
from features.history.cut import cut_history
from tests.features.conftest import row
from tests.features.memory_bank import connect

AS_OF = datetime(2024, 3, 31, tzinfo=UTC)  # earlier months are shorter, and one has a leap day
# The last day of each month, where it has no 31st: written out by hand.
STARTS = [datetime(2024, m, d, tzinfo=UTC) for m, d in ((2, 29), (1, 31))] + [
    datetime(2023, m, d, tzinfo=UTC) for m, d in ((12, 31), (11, 30), (10, 31), (9, 30))
]
CUSTOMERS = [f"C{n}" for n in range(6)]


def only(family: Family, *derived: str) -> Family:
    """The family without what it derives from other families."""
    kept = tuple((field, rule) for field, rule in family.derived if field.name in derived)
    return replace(family, derived=kept)


def computed(rows: list[dict[str, Any]], table: str, *families: Family) -> dict[str, dict[str, Any]]:
    held = [row("holdings", holding_id=f"H-{c}", customer_id=c) for c in CUSTOMERS]
    cut = cut_history(connect({"holdings": held, table: rows}), AS_OF)
    found = feature_table(cut, spine_of(cut), families).to_pyarrow().to_pylist()
    return {values["customer_id"]: values for values in found}


edges = [*STARTS, *(s - timedelta(seconds=1) for s in STARTS), AS_OF - timedelta(days=365)]
salaries = st.lists(
    st.tuples(
        st.sampled_from(CUSTOMERS),
        st.one_of(
            st.sampled_from(edges),
            st.integers(0, 400 * 86_400).map(lambda s: AS_OF - timedelta(seconds=s + 1)),
        ),
        st.sampled_from([-5, 0, 1, 5, 250_000]),
        st.sampled_from(["salary", "salary", "salary", "pension", "card"]),
    ),
    max_size=60,
)


@settings(max_examples=15, deadline=None)
@given(salaries)
def test_salary_by_month_and_its_distance_equal_the_oracle(
    paid: list[tuple[str, datetime, int, str]],
) -> None:
    rows = [
        row("transactions", transaction_id=f"T{n}", customer_id=c, at=at, amount=amount, category=category)
        for n, (c, at, amount, category) in enumerate(paid)
    ]
    families = (activity.FAMILY, only(primacy.FAMILY, "months_with_salary_6m", "salary_overdue_days"))
    found = computed(rows, "transactions", *families)
    for customer in CUSTOMERS:
        own = [(at, amount) for c, at, amount, word in paid if c == customer and word != "card"]
        assert found[customer]["months_with_salary_6m"] == months_with_salary(own)
        assert found[customer]["salary_overdue_days"] == overdue(own)


def months_with_salary(paid: list[tuple[datetime, int]]) -> int:
    ends = [AS_OF, *STARTS[:-1]]
    sums = [sum(a for at, a in paid if start <= at < end) for start, end in zip(STARTS, ends, strict=True)]
    return sum(1 for total in sums if total > 0)


def overdue(paid: list[tuple[datetime, int]]) -> int | None:
    ages = [(AS_OF - at) // timedelta(seconds=1) for at, _ in paid]
    year = [age for age in ages if age <= 365 * 86_400]
    if len(year) < 3:
        return None
    days = min(ages) // 86_400
    return max(0, days - (365 - days) // len(year) - 3)


meetings = st.lists(
    st.tuples(
        st.sampled_from(CUSTOMERS),
        st.integers(0, 200),
        st.sampled_from([0, 5, 6, 11, 12, 17, 18, 23]),
        st.sampled_from([0, 59]),
        st.sampled_from(["app", "web", "branch", "call", "email", "mail", "auto"]),
    ),
    max_size=60,
)


@settings(max_examples=15, deadline=None)
@given(meetings)
def test_the_best_hours_are_the_oracles_also_in_a_tie(met: list[tuple[str, int, int, int, str]]) -> None:
    # Midnight in UTC, whatever the hour of as_of is.
    midnight = AS_OF.replace(hour=0)
    when = [midnight - timedelta(days=d + 1) + timedelta(hours=h, minutes=m) for _, d, h, m, _ in met]
    rows = [
        row("interactions", interaction_id=f"I{n}", customer_id=c, at=at, channel=channel)
        for n, ((c, _, _, _, channel), at) in enumerate(zip(met, when, strict=True))
    ]
    found = computed(rows, "interactions", only(channels.FAMILY, "best_hours"))
    for customer in CUSTOMERS:
        hours = [
            at.hour
            for (c, _, _, _, channel), at in zip(met, when, strict=True)
            if c == customer
            and channel not in ("email", "mail", "auto")
            and AS_OF - at <= timedelta(days=180)
        ]
        bands = {"morning": 0, "afternoon": 0, "evening": 0, "night": 0}
        for hour in hours:
            bands[["night", "morning", "afternoon", "evening"][hour // 6]] += 1
        best = max(bands, key=bands.__getitem__) if hours else None
        assert found[customer]["best_hours"] == best


WIDE: dict[str, st.SearchStrategy[Any]] = {
    "tenure_days": st.sampled_from([0, 89, 90, 1000]),
    "primacy_ending": st.integers(0, 1),
    "holdings_closed_90d": st.integers(0, 1),
    "holdings_opened_90d": st.integers(0, 1),
    "balance_of_peak": st.sampled_from([None, 0.2, 1 / 3, 0.9]),
    "inflow_change_3m": st.sampled_from([None, 0.49, 0.5, 1.2]),
    "days_since_opening": st.sampled_from([None, 0, 30, 31, 180, 181]),
    "interest_90d": st.integers(0, 1),
    "sessions_30d": st.sampled_from([0, 3, 4, 9]),
    "sessions_90d": st.sampled_from([9, 8, 12]),
}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.fixed_dictionaries(WIDE), min_size=30, max_size=60))
def test_the_stage_is_the_first_that_fits(rows: list[dict[str, Any]]) -> None:
    types = {n: "float64" if n in ("balance_of_peak", "inflow_change_3m") else "int64" for n in WIDE}
    table = ibis.memtable([{"n": n, **r} for n, r in enumerate(rows)], schema={"n": "int64", **types})
    rules = {field.name: rule(table) for field, rule in lifecycle.FAMILY.derived}
    found = ibis.duckdb.connect().to_pyarrow(table.select("n", **rules)).to_pylist()
    for answer in found:
        values = rows[answer["n"]]
        assert answer["leaving_signs"] == signs(values)
        assert answer["lifecycle_stage"] == stage(values)


def signs(v: dict[str, Any]) -> int:
    parts = [
        v["primacy_ending"] == 1,
        v["holdings_closed_90d"] > 0 and v["holdings_opened_90d"] == 0,
        v["balance_of_peak"] is not None and v["balance_of_peak"] * 3 < 1,
        v["inflow_change_3m"] is not None and v["inflow_change_3m"] < 0.5,
    ]
    return sum(parts)


def stage(v: dict[str, Any]) -> str:
    opened = v["days_since_opening"]
    if v["tenure_days"] < 90:
        return "new"
    if signs(v) >= 2:
        return "winding_down"
    if opened is not None and opened <= 30:
        return "during"
    if opened is not None and opened <= 180:
        return "after"
    rising = v["sessions_30d"] >= 4 and v["sessions_30d"] * 2 >= v["sessions_90d"]
    return "before" if v["interest_90d"] or rising else "settled"


@pytest.mark.parametrize("back", range(6))
def test_the_months_of_the_oracle_are_calendar_months(back: int) -> None:
    assert STARTS[back].month == (AS_OF.month - back - 2) % 12 + 1
    assert (STARTS[back] + timedelta(days=1)).day == 1 or STARTS[back].day == AS_OF.day
