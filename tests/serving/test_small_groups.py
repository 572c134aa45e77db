"""Groups too small to be told: neither their counts, nor what gives them away, nor their rows."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import shipped_catalogue
from features.errors import InputError, RefusedError
from features.settings import read_settings
from serving.batch import score_all
from serving.champions import load_scorer
from serving.deciding.reach import reach
from serving.lists.pull import pull
from serving.lists.small_groups import OTHERS, folded, in_steps, told

counts = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 90), max_size=6)
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 50))
def test_no_difference_of_two_counts_is_told_that_is_below_the_least(one, other, few):
    shown = [in_steps(count, few) or 0 for count in (one, other)]
    assert abs(shown[0] - shown[1]) % few == 0
    assert all(said <= count < said + few for said, count in zip(shown, (one, other), strict=True))


@given(counts, st.integers(2, 50))
def test_folded_counts_keep_their_total_and_none_is_small_unless_all_are(given_counts, few):
    found = folded(given_counts, few)
    assert sum(found.values()) == sum(given_counts.values())
    assert all(count >= few for count in found.values()) or set(found) == {OTHERS}


def test_groups_too_small_are_not_told_and_cannot_be_worked_out():
    assert told(["a"] * 30 + ["b"] * 20 + ["c"] * 3, 10) == {"a": 30, "b": None, "c": None}
    assert told(["a"] * 30 + ["b"] * 4 + ["c"] * 3, 10) == {"a": 30, "b": None, "c": None}
    assert told(["a"] * 30 + ["b"] * 20, 10) == {"a": 30, "b": 20}
    assert told([], 10) == {}


def test_a_segment_of_few_and_its_neighbour_of_one_more_tell_nothing_of_the_one(home, scorer, frame):
    """Two segments that differ by one customer, and one that fits nobody: the check tells them alike."""
    balance = frame["balance_total"].sort_values().tolist()
    where = {
        "all but one": f"balance_total > {balance[0] / 100:.2f}",
        "all": f"balance_total >= {balance[0] / 100:.2f}",
        "the one": f"balance_total <= {balance[0] / 100:.2f}",
        "nobody": f"balance_total < {balance[0] / 100:.2f}",
    }
    kept = shipped_catalogue().decode().split("[[segments]]")[0]
    rows = [f'[[segments]]\nname = "{name}"\nwhere = "{rule}"\n' for name, rule in where.items()]
    home.catalogue.write_text(kept + "\n".join(rows))
    score_all(home, load_scorer(home), lambda _: None)
    exact = {e.name: e.allowed for e in reach(home).entries if e.kind == "segment"}
    assert exact == {"all but one": 399, "all": 400, "the one": 1, "nobody": 0}
    shown = {e.name: e for e in reach(home).told(25).entries if e.kind == "segment"}
    assert (shown["the one"].allowed, shown["the one"].wins) == (None, None)
    assert replace(shown["the one"], name="nobody") == shown["nobody"]
    assert all(e.allowed is None or e.allowed % 25 == 0 for e in reach(home).told(25).entries)


def test_a_list_of_few_is_refused_and_nothing_is_written(home, scorer, settings, frame, tmp_path):
    score_all(home, scorer, lambda _: None)
    asked = {"purpose": "t", "pulled_by": "t", "now": NOW, "tell": lambda _: None}
    out = tmp_path / "list.csv"
    with pytest.raises(InputError, match="at least 20 customers"):
        pull(home, "card", 19, out, settings=settings, **asked)
    least = replace(settings, min_group=len(frame))
    with pytest.raises(RefusedError, match="fewer than 400 customers are left for card"):
        pull(home, "card", len(frame), out, settings=least, **asked)
    assert not out.exists() and not home.decisions_db.exists()
    found = pull(home, "card", 20, out, settings=settings, **asked)
    assert all(count >= 20 for count in found.manifest.removed.values())
    assert read_settings({"TENURE_MIN_GROUP": "7"}).min_group == 7
