"""Every entry of the catalogue can win for somebody, or the check says why it cannot."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from click.testing import CliRunner

from features.catalogue import shipped_catalogue, terms_of
from features.selling.parsing import parse_expression
from serving.batch import read_scores, score_all
from serving.champions import load_scorer
from serving.cli import main
from serving.deciding.reach import reach, reach_of
from serving.policy import Lever, shipped_policy


@pytest.fixture
def scored(home, scorer):
    score_all(home, scorer, lambda _: None)
    return home


def _entry(found, name):
    return next(entry for entry in found.entries if entry.name == name)


def test_every_entry_is_counted_in_the_order_of_the_file(scored, catalogue, frame):
    found = reach(scored)
    names = [entry.name for entry in found.entries]
    groups = [s.name for s in catalogue.segments], [t.name for t in catalogue.tiers]
    whole = *catalogue.offers, *catalogue.channels
    assert names == [*whole, *(o.name for o in catalogue.options), *groups[0], *groups[1]]
    for kind, by in (("offer", 0), ("channel", 1)):
        for entry in (e for e in found.entries if e.kind == kind):
            mine = [e for e in found.entries if e.kind == "option" and e.name.split(".")[by] == entry.name]
            assert entry.wins == sum(e.wins for e in mine)
            assert max(e.allowed for e in mine) <= entry.allowed <= sum(e.allowed for e in mine)
    assert found.customers == len(frame)
    assert sum(e.wins for e in found.entries if e.kind == "option") <= len(frame)
    assert sum(e.wins for e in found.entries if e.kind == "segment") <= len(frame)
    for entry in found.entries:
        assert entry.wins <= entry.allowed <= len(frame)
        assert bool(entry.why) == (entry.wins == 0)
    assert _entry(found, "savings_for_all.app").wins > 0


def _reached(scored, catalogue, policy):
    _, scores = read_scores(scored, load_scorer(scored))
    snapshot = pd.read_parquet(scored.offline / "2026-01-01.1" / "2026-01-01.parquet")
    return reach_of(snapshot, scores, catalogue, policy)


def test_a_dead_entry_is_named_with_its_reason(scored, catalogue):
    policy = shipped_policy(catalogue)
    stopped = replace(policy, levers={"card": Lever(0.0, "stopped")})
    found = _reached(scored, catalogue, stopped)
    assert "costs more than it changes" in _entry(found, "card.app").why
    assert _entry(found, "card").why == "none of its options wins"

    assert _entry(found, "investment.app").why == "propensity_investment is known of nobody who may have it"

    dear = replace(catalogue.channels["mail"], cost=0.5)
    own = replace(catalogue, channels={**catalogue.channels, "mail": dear})
    twin = replace(catalogue.offers["card"], name="twin", channels=("mail",))
    own = replace(own, offers={**catalogue.offers, "twin": twin})
    beaten = _entry(_reached(scored, own, policy), "twin.mail")
    assert beaten.allowed and "is worth more" in beaten.why

    never = replace(catalogue.offers["card"], applicable=catalogue.segments[0].where)
    business = replace(catalogue.segments[1], where=catalogue.segments[0].where)
    own = replace(catalogue, offers={"card": never}, segments=(*catalogue.segments, business))
    found = _reached(scored, own, policy)
    assert found.entries[-5].why == "earlier ones take all who fit"
    nobody = parse_expression("age_years > 150", terms_of(catalogue), "")
    own = replace(
        catalogue,
        offers={**catalogue.offers, "card": replace(catalogue.offers["card"], suitable=nobody)},
    )
    dead = {entry.name: entry.why for entry in _reached(scored, own, policy).dead}
    assert dead["card"] == "none of its options is allowed for anybody"
    assert "removed for everybody, by unsuitable" in dead["card.app"]


def test_the_verb_names_what_cannot_win(scored):
    text = shipped_catalogue().decode().replace("age_years < 26", "age_years < 0 or age_years > 130", 1)
    scored.catalogue.write_text(text)
    score_all(scored, load_scorer(scored), lambda _: None)
    done = CliRunner().invoke(main, ["lists", "check", "--home", str(scored.path), "--json"])
    assert done.exit_code == 0, done.stderr
    assert "next generation" in json.loads(done.stdout)["dead"]
    said = CliRunner().invoke(main, ["lists", "check", "--home", str(scored.path)]).stdout
    assert "fits fewer than 20, or nobody" in said and "entries win for nobody, or too few" in said
