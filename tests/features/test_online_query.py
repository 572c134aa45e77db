"""The query that is compiled once is, at every moment, the query that a build compiles for it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.catalogue import load_catalogue
from features.families import all_families
from features.online.query import _compiled, _fact, _literal, _names, feature_query

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "features" / "catalogue.toml")
MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2099, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


_MADE = re.compile(r"MAKE_TIMESTAMPTZ\([^()]*\)")


@settings(max_examples=2)
@given(MOMENTS)
@example(datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC))
def test_with_the_moment_put_in_it_is_the_compiled_text(moment: datetime) -> None:
    compiled = _compiled(all_families(CATALOGUE), moment)
    filled = feature_query(CATALOGUE).at(moment)
    assert filled == _MADE.sub(lambda made: _literal(_fact(made[0])), compiled)


def test_distances_that_the_two_moments_do_not_tell_apart_are_refused() -> None:
    assert _names((1, 2, 3, 18))
    with pytest.raises(ValueError, match="do not tell them apart"):
        _names((48,))
