"""Who serves a customer in person: what a plan may ask of one manager, of a team, and of nobody."""

from dataclasses import replace

import numpy as np
import pytest

from features.vocabulary import Tier
from serving.batch import score_all
from serving.columns import words
from serving.deciding.served import served_by, team_sizes
from serving.lists.allotment import allot, enter
from serving.lists.sources import gather, parts
from serving.policy.nouns import Managers


def test_customers_of_a_self_service_tier_take_nobodys_time_and_unknown_value_keeps_the_manager(catalogue):
    value = np.array([2_000.0, 400.0, 100.0, 100.0, np.nan])
    named = served_by(["M1", "M2", "M1", "", "M3"], value, catalogue)
    assert named == ["M1", "M2", "", "", "M3"]
    assert served_by(["", ""], value[:2], catalogue) == ["", ""]
    assert team_sizes(named, value, ["M1", "M2", "M3", "M4"], catalogue) == [3, 1, 1, 1]


@pytest.mark.parametrize(
    ("service", "size", "most"), [("one_manager", 1, 2), ("team", 3, 6), ("self_service", 0, None)]
)
def test_a_team_can_do_its_size_times_what_one_manager_can_and_self_service_takes_nobodys_time(
    home, scorer, settings, service, size, most
):
    score_all(home, scorer, lambda _: None)
    catalogue = replace(scorer.catalogue, tiers=(Tier("all", -1e12, service, size),))
    sources = replace(gather(home), scorer=replace(scorer, catalogue=catalogue))
    each = Managers(2.0, "contacts", tuple(catalogue.channels))
    plan = replace(sources.policy.plan, managers=each)
    book = enter(sources, settings.salt, None)
    found = allot(book, plan, catalogue, None)
    took = found.plan.chosen[:, 0] >= 0
    if most is None:
        # Those of unknown value alone keep their manager: nobody knows their tier.
        (part,) = parts(sources)
        unknown = np.isnan(part.scores["value_expected"])
        led = np.array([bool(name) for name in words(part.columns, "manager_id")])
        assert (book.groups >= 0).sum() <= (led & unknown).sum() < led.sum()
        return
    made = np.bincount(book.groups[took & (book.groups >= 0)], minlength=len(book.managers))
    tried = book.trials.draws < found.kept[book.trials.options]
    made += np.bincount(book.trials.groups[tried & (book.trials.groups >= 0)], minlength=len(book.managers))
    assert made.max() == most
