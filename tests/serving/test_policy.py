"""Who may be offered what: each rule removes its customer from its options, and names itself."""

from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import load_catalogue
from features.eligibility import eligible
from features.errors import InputError
from features.selling.offers import PriceTerms
from features.vocabulary import Catalogue
from serving.columns import from_frame, take
from serving.policy import Policy, Window, allowed, columns_needed, rules_of, shipped_policy

GOOD: dict[str, Any] = {
    "kind": "person",
    "age_years": 40,
    "preferred_channel": "app",
    "consent_marketing": 1,
    "consent_profiling": 1,
    "balance_min_3m": 10_000,
    "balance_total": 500_000,
    "contacts_30d": 0,
    "contacts_90d": 0,
    "refusals_180d": 0,
    "complaints_open": 0,
    "churn": 0.5,
    "value_expected": 100.0,
}
PRODUCTS = (
    "current_account",
    "savings_account",
    "card",
    "loan",
    "standing_order",
    "investment",
    "insurance",
)


_CATALOGUE = load_catalogue(Path(str(files("features").joinpath("catalogue.toml"))))
SHIPPED = _CATALOGUE, shipped_policy(_CATALOGUE)


@pytest.fixture(scope="session")
def scored_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The bank's customers with scores, which those without consent to profiling have not."""
    rng = np.random.default_rng(3)
    scored = frame["consent_profiling"] == 1
    churn, value = rng.random(len(frame)) ** 3, rng.normal(200, 300, len(frame))
    return frame.assign(
        churn=np.where(scored, churn, np.nan), value_expected=np.where(scored, value, np.nan)
    )


@pytest.fixture(scope="session")
def policy(catalogue: Catalogue) -> Policy:
    return shipped_policy(catalogue)


def _columns(*changes):
    none = {f"holds_{p}": 0 for p in PRODUCTS} | {f"days_since_refusal_{p}": None for p in PRODUCTS}
    none |= {f"used_{c}_180d": 0 for c in ("branch", "app", "call", "email", "mail", "web")}
    rows = [{**none, **GOOD, "holds_current_account": 1, **change} for change in changes]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _rule(change, option, catalogue, policy):
    removed = allowed(_columns(change), catalogue, policy)
    names = [o.name for o in catalogue.options]
    return removed.rules[removed.codes[0, names.index(option)]]


CASES = {
    "": ("card.app", {}),
    "no_profiling_consent": ("card.app", {"consent_profiling": 0}),
    "profiled": ("savings_for_all.app", {}),
    "no_marketing_consent": ("card.app", {"consent_marketing": None}),
    "already_held": ("card.app", {"holds_card": 1}),
    "not_held": ("fee_waiver.app", {"holds_current_account": 0}),
    "requirement_missing": ("card.app", {"holds_current_account": 0}),
    "outside_age": ("card.app", {"age_years": 17}),
    "not_applicable": ("fee_waiver.app", {"churn": 0.01}),
    "unsuitable": ("card.app", {"balance_min_3m": -1}),
    "product_refused_recently": ("card.app", {"days_since_refusal_card": 364}),
    "unreachable": ("loan.branch", {}),
    "open_complaint": ("card.app", {"complaints_open": 1}),
    "refused_recently": ("card.app", {"refusals_180d": 1}),
    "contacted_90d": ("card.app", {"contacts_90d": 1}),
}


@pytest.mark.parametrize("rule", CASES)
def test_each_rule_removes_its_customer_and_names_itself(rule, catalogue, policy):
    option, change = CASES[rule]
    assert _rule(change, option, catalogue, policy) == rule


def test_the_first_rule_in_order_wins(catalogue, policy):
    on_card = [name for name in rules_of(policy) if name in CASES and CASES[name][0] == "card.app" and name]
    assert len(on_card) >= 8
    for first, second in pairwise(on_card):
        both = {**CASES[second][1], **CASES[first][1]}
        assert _rule(both, "card.app", catalogue, policy) == first


def test_without_consent_to_profiling_only_general_offers_are_left(catalogue, policy):
    # No score is there, and none is asked for.
    nobody = {"consent_profiling": 0, "churn": None, "value_expected": None}
    removed = allowed(_columns(nobody), catalogue, policy)
    left = {o.kind for o, ok in zip(catalogue.options, removed.allowed[0], strict=True) if ok}
    assert left == {"general"}
    alone = _columns({**nobody, "consent_marketing": 0})
    assert not allowed(alone, catalogue, policy).allowed.any(), "a refused approach is refused for all"


def test_an_offer_may_be_bounded_by_tier_and_by_who_may_have_it(catalogue, policy):
    terms = PriceTerms(0.5, 12, ("private", "affluent"), "the bank's best customers")
    waiver = replace(catalogue.offers["fee_waiver"], terms=terms)
    own = replace(catalogue, offers={**catalogue.offers, "fee_waiver": waiver})
    assert _rule({"value_expected": 349.99}, "fee_waiver.app", own, policy) == "outside_tier"
    assert _rule({"value_expected": None}, "fee_waiver.app", own, policy) == "outside_tier"
    assert _rule({"value_expected": 350.0}, "fee_waiver.app", own, policy) == ""
    card = replace(catalogue.offers["card"], eligible=catalogue.segments[0].where)
    own = replace(catalogue, offers={**catalogue.offers, "card": card})
    assert _rule({}, "card.app", own, policy) == "not_eligible"


def test_a_window_by_channel_binds_that_channel_alone(catalogue, policy):
    windows = (*policy.contact.windows, Window(90, 1, "app"))
    own = replace(policy, contact=replace(policy.contact, windows=windows))
    columns = _columns({"contacts_90d": 0}) | {"contacts_app_90d": [1]}
    removed = allowed(columns, catalogue, own)
    found = {o.name: removed.rules[c] for o, c in zip(catalogue.options, removed.codes[0], strict=True)}
    assert found["card.app"] == "contacted_app_90d"
    assert found["card.mail"] == ""
    assert removed.of([catalogue.options.index(o) for o in catalogue.options if o.offer == "card"]) == [""]


def test_a_refused_product_is_left_in_peace_for_its_own_days_and_no_other(catalogue, policy):
    own = replace(policy, contact=replace(policy.contact, cool_downs={"card": 200, "savings_account": 300}))
    for refused, days, options in (
        ("card", 199, {"card"}),
        ("card", 200, set()),
        ("card", None, set()),
        ("loan", 0, set()),
        ("savings_account", 299, {"savings_account"}),
    ):
        removed = allowed(_columns({f"days_since_refusal_{refused}": days}), catalogue, own)
        rules = [removed.rules[code] for code in removed.codes[0]]
        found = {
            o.product
            for o, rule in zip(catalogue.options, rules, strict=True)
            if rule == "product_refused_recently"
        }
        assert found == options


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 730), st.integers(181, 730), st.sampled_from(PRODUCTS))
def test_a_cool_down_ends_on_its_day_and_never_begins_anew(ago, days, product):
    catalogue, policy = SHIPPED
    own = replace(policy, contact=replace(policy.contact, cool_downs={product: days}))
    free = replace(policy, contact=replace(policy.contact, cool_downs={}))
    columns = _columns({f"days_since_refusal_{product}": ago})
    cooled, unbound = allowed(columns, catalogue, own).allowed, allowed(columns, catalogue, free).allowed
    of_it = [option.product == product for option in catalogue.options]
    assert (cooled == (unbound & ~np.array(of_it) if ago < days else unbound)).all()


def test_who_falls_to_different_rules_is_named_by_the_last(catalogue, policy):
    loan = [place for place, option in enumerate(catalogue.options) if option.offer == "loan"]
    removed = allowed(_columns({}, {"contacts_90d": 9}, {"holds_loan": 1}), catalogue, policy)
    assert removed.of(loan) == ["", "contacted_90d", "already_held"]
    by_branch = next(p for p in loan if catalogue.options[p].channel == "branch")
    assert removed.counts(by_branch) == {"already_held": 1, "unreachable": 2}


def test_a_missing_count_is_none_and_a_missing_balance_speaks_against(catalogue, policy):
    unknown = dict.fromkeys(("contacts_30d", "contacts_90d", "refusals_180d", "complaints_open"))
    assert _rule(unknown, "card.app", catalogue, policy) == ""
    assert _rule({"balance_min_3m": None}, "card.app", catalogue, policy) == "unsuitable"
    for cents, rule in ((199_999, "unsuitable"), (200_000, "")):
        assert _rule({"balance_total": cents}, "investment.app", catalogue, policy) == rule


def test_businesses_have_no_age_and_unknown_age_is_outside(catalogue):
    rows = _columns({"kind": "business", "age_years": None}, {"age_years": None}, {"age_years": 18})
    assert eligible(rows, catalogue.products["card"]).tolist() == [True, False, True]


def test_every_column_that_a_rule_needs_is_listed_and_a_missing_one_is_named(catalogue, policy):
    columns, needed = _columns({}), columns_needed(catalogue, policy)
    least = {name: columns[name] for name in needed}
    assert allowed(least, catalogue, policy).allowed.any()
    for name in needed:
        with pytest.raises(InputError, match=f"column '{name}' is missing"):
            allowed({n: v for n, v in least.items() if n != name}, catalogue, policy)


def test_rules_hold_for_a_whole_bank(scored_frame: pd.DataFrame, catalogue, policy):
    removed = allowed(from_frame(scored_frame), catalogue, policy)
    assert removed.codes.shape == (len(scored_frame), len(catalogue.options))
    for place, option in enumerate(catalogue.options):
        kept = scored_frame[removed.allowed[:, place]]
        assert 0 < len(kept) < len(scored_frame)
        assert (kept["consent_marketing"] == 1).all()
        assert (kept[f"holds_{option.product}"] > 0).all() == (option.kind == "retention")
        assert (kept["consent_profiling"] == (option.kind != "general")).all()
        assert sum(removed.counts(place).values()) + len(kept) == len(scored_frame)


@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_one_customer_alone_is_judged_as_in_a_crowd(data, scored_frame, catalogue, policy):
    columns = from_frame(scored_frame)
    crowd = allowed(columns, catalogue, policy).codes
    rows = data.draw(st.lists(st.integers(0, len(scored_frame) - 1), min_size=1, max_size=5))
    assert (allowed(take(columns, rows), catalogue, policy).codes == crowd[rows]).all()


def test_arrays_are_judged_as_lists(scored_frame: pd.DataFrame, catalogue, policy):
    arrays = {
        name: values.to_numpy(dtype=object if values.dtype == object else np.float64, na_value=None)
        for name, values in scored_frame.items()
    }
    lists = allowed(from_frame(scored_frame), catalogue, policy)
    assert (allowed(arrays, catalogue, policy).codes == lists.codes).all()


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(["contacts_30d", "contacts_90d", "refusals_180d", "complaints_open"]),
    st.integers(0, 6),
    st.integers(1, 4),
)
def test_more_contacts_refusals_or_complaints_never_allow_more(column, count, more):
    catalogue, policy = SHIPPED
    before = allowed(_columns({column: count}), catalogue, policy).allowed
    after = allowed(_columns({column: count + more}), catalogue, policy).allowed
    assert not (after & ~before).any()
