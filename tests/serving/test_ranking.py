import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.vocabulary import Channel
from serving.columns import from_frame
from serving.decisions import CONTROL, TARGET
from serving.ranking import arm_of, best_channels, expected_values, rank, segments, tiers


def test_arms_follow_the_share_and_change_with_salt_and_list():
    ids = [f"C{i:06d}" for i in range(20_000)]
    arms = [arm_of("salt", "list-1", i, 0.10) for i in ids]
    assert arms == [arm_of("salt", "list-1", i, 0.10) for i in ids]
    share = arms.count(CONTROL) / len(ids)
    assert abs(share - 0.10) < 4 * np.sqrt(0.09 / len(ids))
    for salt, name in (("other", "list-1"), ("salt", "list-2")):
        other = [arm_of(salt, name, i, 0.10) for i in ids]
        both = sum(a == b == CONTROL for a, b in zip(arms, other, strict=True)) / len(ids)
        assert abs(both - 0.01) < 0.004, "the draws are independent"
    assert set(arms) == {CONTROL, TARGET}


@given(
    st.lists(st.floats(-10, 10, allow_nan=False), min_size=1, max_size=30),
    st.integers(1, 40),
)
def test_ranking_takes_the_best_with_something_to_gain(values, size):
    expected = np.array(values)
    ids = [f"C{i}" for i in range(len(values))]
    ranked = rank(expected, ids, list(range(len(values))), size)
    gaining = sorted((v for v in values if v > 0), reverse=True)
    assert [expected[row] for row in ranked.rows] == gaining[:size]
    assert ranked.without_gain + ranked.not_selected + len(ranked.rows) == len(values)


def test_even_values_go_by_customer_id():
    assert rank(np.ones(3), ["C2", "C3", "C1"], [0, 1, 2], 2).rows == [2, 0]


def test_the_channel_is_the_preference_then_the_habit_then_the_price(catalogue):
    used = {f"used_{name}_180d": [0, 0, 3, 0, None] for name in catalogue.channels}
    used["used_call_180d"] = [9, 9, 3, 0, None]
    columns = {"preferred_channel": ["mail", "atm", None, None, None], **used}
    assert best_channels(columns, catalogue) == ["mail", "call", "app", "", ""]


def test_expected_value_is_chance_times_margin_less_contact(catalogue):
    card = catalogue.products["card"]
    assert isinstance(catalogue.channels["call"], Channel)
    found = expected_values(np.array([0.1, 0.1]), ["call", "app"], card, catalogue)
    np.testing.assert_allclose(found, [0.1 * 70 - 4.5, 0.1 * 70 - 0.02])


def test_tiers_and_segments_are_the_catalogues(catalogue, frame):
    assert tiers(np.array([900.0, 899.99, 60.0, -5.0, np.nan]), catalogue) == [
        "private",
        "affluent",
        "core",
        "basic",
        "",
    ]
    columns = {"kind": ["business", "person", "person", "person"], "age_years": [None, 25, 26, None]}
    assert segments(columns, catalogue) == ["small business", "next generation", "rising middle", ""]
    assert set(segments(from_frame(frame), catalogue)) <= {s.name for s in catalogue.segments}
