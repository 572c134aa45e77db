from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from features.errors import ConfigError, InputError
from features.home import Home
from serving.columns import from_frame
from serving.policy import RULES, load_policy, may_have, policy_of, removals, shipped_policy

GOOD = {
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


def _columns(*changes):
    none = {f"holds_{p}": 0 for p in PRODUCTS} | {
        f"used_{c}_180d": 0 for c in ("branch", "app", "call", "email", "mail")
    }
    rows = [{**none, **GOOD, "holds_current_account": 1, **change} for change in changes]
    return {name: [row[name] for row in rows] for name in rows[0]}


CASES = {
    "": {},
    "no_profiling_consent": {"consent_profiling": 0},
    "no_marketing_consent": {"consent_marketing": None},
    "already_held": {"holds_card": 1},
    "requirement_missing": {"holds_current_account": 0},
    "outside_age": {"age_years": 17},
    "no_channel": {"preferred_channel": "atm"},
    "overdrawn": {"balance_min_3m": -1},
    "open_complaint": {"complaints_open": 1},
    "refused_recently": {"refusals_180d": 1},
    "contacted_30d": {"contacts_30d": 3},
    "contacted_90d": {"contacts_90d": 5},
}


@pytest.mark.parametrize("rule", CASES)
def test_each_rule_removes_its_customer_and_names_itself(rule, catalogue):
    card = catalogue.products["card"]
    assert removals(_columns(CASES[rule]), card, catalogue, shipped_policy()) == [rule]


def test_the_first_rule_in_order_wins(catalogue):
    card, policy = catalogue.products["card"], shipped_policy()
    names = [name for name in RULES if name in CASES]
    for first, second in pairwise(names):
        both = _columns({**CASES[first], **CASES[second]})
        assert removals(both, card, catalogue, policy) == [first]


def test_reserve_and_limits_of_the_policy_bind(catalogue):
    investment = catalogue.products["investment"]
    policy = shipped_policy()
    rows = _columns({"balance_total": 199_999}, {"balance_total": 200_000}, {"balance_total": None})
    assert removals(rows, investment, catalogue, policy) == ["no_reserve", "", "no_reserve"]
    rich = replace(policy, reserve=0.0)
    assert removals(rows, investment, catalogue, rich) == ["", "", "no_reserve"]


def test_businesses_have_no_age_and_unknown_age_is_outside(catalogue):
    rows = _columns({"kind": "business", "age_years": None}, {"age_years": None}, {"age_years": 18})
    assert may_have(rows, catalogue.products["card"]).tolist() == [True, False, True]


def test_a_missing_column_is_named(catalogue):
    columns = _columns({})
    del columns["complaints_open"]
    with pytest.raises(InputError, match="complaints_open"):
        removals(columns, catalogue.products["card"], catalogue, shipped_policy())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("control_share = 0.10", "control_share = 1.5", "control_share"),
        ("reserve = 2000.0", "reserve = -1", "reserve"),
        ("reserve = 2000.0", "reserv = 1", "exactly the keys"),
        ("[contact]", "[contacts]", "unknown section 'contacts'"),
        ("[contact]", "[contact", "not valid TOML"),
    ],
)
def test_a_wrong_policy_is_refused_by_key(tmp_path, old, new, message):
    text = Path("serving/policy.toml").read_text()
    path = tmp_path / "policy.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        load_policy(path)


def test_rules_hold_for_a_whole_bank(frame: pd.DataFrame, catalogue):
    columns = from_frame(frame)
    for product in catalogue.offered:
        removed = removals(columns, product, catalogue, shipped_policy())
        kept = frame[[rule == "" for rule in removed]]
        assert len(kept) < len(frame)
        assert (kept["consent_profiling"] == 1).all() and (kept["consent_marketing"] == 1).all()
        assert (kept[f"holds_{product.name}"] == 0).all()


def test_a_bank_may_have_a_policy_of_its_own(tmp_path):
    home = Home(tmp_path)
    assert policy_of(home) == shipped_policy()
    text = files("serving").joinpath("policy.toml").read_text()
    home.policy.write_text(text.replace("max_contacts_30d = 2", "max_contacts_30d = 1"))
    own = policy_of(home)
    assert (own.max_contacts_30d, shipped_policy().max_contacts_30d) == (1, 2)
    assert own.version != shipped_policy().version
