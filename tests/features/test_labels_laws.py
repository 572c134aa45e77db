"""What holds of every definition on any history."""

import math
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from features.compute import spine_of
from features.labels import CHURN_DEFINITIONS, churn_outcomes
from tests.features.small_bank import CATALOGUE, CLOSES, OPENS, Rows, after, booked, came, held, outcome

KNOWN = after(200)
MICROSECOND = timedelta(microseconds=1)

customers = st.sampled_from(["a", "b", "c"])
moments = st.one_of(
    st.integers(-400, 220).map(after),
    st.sampled_from([OPENS, CLOSES, after(0)]).flatmap(lambda m: st.sampled_from([m - MICROSECOND, m])),
)
delays = st.sampled_from([timedelta(0)] * 3 + [timedelta(days=1), timedelta(days=70)])


def _holding(who: str, product: str, opened: Any, ended: Any, reason: str | None, delay: timedelta) -> Rows:
    first = held(who, product, opened_at=opened)
    if ended is None or ended <= opened:
        return [first]
    return [first, first | {"closed_at": ended, "close_reason": reason, "known_at": ended + delay}]


holdings = st.lists(
    st.builds(
        _holding,
        customers,
        st.sampled_from(["current_account", "savings_account", "card", "loan"]),
        st.integers(-400, -100).map(after),
        st.one_of(st.none(), moments),
        st.sampled_from(["customer", "customer", "bank", "matured", None]),
        delays,
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda rows: rows[0]["holding_id"],
).map(lambda found: [r for rows in found for r in rows])
bookings = st.lists(
    st.builds(
        lambda who, at, delay, category, channel, euros: booked(
            who, at, known_at=at + delay, category=category, channel=channel, balance_after=euros * 100
        ),
        *(customers, moments, delays),
        st.sampled_from(["salary", "standing_order", "card", "fee"]),
        st.sampled_from(["app", "auto", None]),
        st.integers(-100, 20_000),
    ),
    max_size=25,
    unique_by=lambda r: r["transaction_id"],
)
contacts = st.lists(
    st.builds(lambda who, at, delay: came(who, at, known_at=at + delay), customers, moments, delays),
    max_size=4,
    unique_by=lambda r: r["interaction_id"],
)
banks = st.fixed_dictionaries({"holdings": holdings, "transactions": bookings, "interactions": contacts})


@settings(max_examples=12, deadline=None)
@given(banks, st.sampled_from(list(CHURN_DEFINITIONS)))
def test_everybody_is_labelled_or_told_why_not_and_late_knowledge_changes_nothing(
    bank: dict[str, Rows], name: str
) -> None:
    found = outcome(bank, known=KNOWN)
    told = churn_outcomes(found, name, CATALOGUE)
    assert list(told.customer_id) == sorted(spine_of(found.before()).to_pandas().customer_id)
    assert set(told.churn.dropna()) <= {0.0, 1.0}
    assert (told.churn.isna() == (told.excluded != "")).all()
    if CHURN_DEFINITIONS[name].monthly:
        assert (told.month.notna() == (told.churn == 1)).all()
        assert told.month.dropna().between(1, math.ceil(found.horizon_days / 30)).all()
    else:
        assert told.month.isna().all()
    known_then = {table: [r for r in rows if r["known_at"] <= KNOWN] for table, rows in bank.items()}
    assert told.equals(churn_outcomes(outcome(known_then, known=KNOWN), name, CATALOGUE))
