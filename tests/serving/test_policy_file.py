"""A wrong policy is refused with file, key, cause and cure; so is one that contradicts its catalogue."""

from importlib.resources import files

import pytest

from features.catalogue import load_catalogue, terms_of
from features.errors import ConfigError
from features.history.berka import berka_catalogue
from features.home import Home
from serving.policy import Lever, Managers, Volume, load_policy, policy_of, shipped_policy
from serving.policy.rules import columns_needed

SHIPPED = files("serving").joinpath("policy.toml").read_text()
_LEVER = '[levers]\ncard = {{ factor = {}, because = "{}" }}\n'


def _with_plan(lines):
    return SHIPPED + lines


def _replaced(old, new):
    assert old in SHIPPED
    return SHIPPED.replace(old, new, 1)


WRONG = {
    "no TOML": (_replaced("[contact]", "[contact"), "not valid TOML"),
    "unknown section": (_replaced("[contact]", "[contacts]"), "unknown key 'contacts'; known: contact"),
    "missing key": (_replaced("cool_down_days", "cool_days"), "[contact]: unknown key 'cool_days'"),
    "no section": (
        _replaced("[lists]\ncontrol_share = 0.10", "#"),
        "[lists]: key 'control_share' is missing",
    ),
    "share": (
        _replaced("control_share = 0.10", "control_share = 1.5"),
        "control_share must be a number of 0",
    ),
    "no control": (_replaced("control_share = 0.10", "control_share = 0"), "must lie between 0 and 1"),
    "no such window": (
        _replaced("days = 90,", "days = 91,"),
        "no feature contacts_91d counts that; cure: one",
    ),
    "window twice": (
        _replaced("max = 1 }", "max = 1 }, { days = 90, max = 2 }"),
        "contacts_90d is bounded twice",
    ),
    "window beside a stricter one": (
        _replaced("max = 1 }", "max = 1 }, { days = 30, max = 1 }"),
        "at most 1 by contacts_30d removes nobody beside at most 1 by contacts_90d; cure: remove it",
    ),
    "window by channel beside a stricter one": (
        _replaced("max = 1 }", 'max = 1 }, { days = 90, max = 2, channel = "call" }'),
        "at most 2 by contacts_call_90d removes nobody beside at most 1 by contacts_90d",
    ),
    "window of none": (_replaced("max = 1 }", "max = 0 }"), "max must be a number of at least 1"),
    "window by channel": (
        _replaced("days = 90, max = 1 }", 'days = 31, max = 1, channel = "call" }'),
        "no feature contacts_call_31d counts that; cure: one of",
    ),
    "window by no channel": (
        _replaced("max = 1 }", 'max = 1, channel = "fax" }'),
        "channel = 'fax' is unknown",
    ),
    "cool-down": (_replaced("cool_down_days = 180", "cool_down_days = 99"), "no feature refusals_99d"),
    "cool-down of none": (
        _replaced("days = 365 }", 'days = 365, product = "cart" }'),
        "product = 'cart' is unknown; cure: did you mean 'card'?",
    ),
    "cool-down twice": (
        _replaced("days = 365 }", "days = 365 }, { days = 400 }"),
        "cool_downs: any product is there twice; cure: keep one",
    ),
    "cool-down of nothing": (
        _replaced("days = 365 }", "days = 180 }"),
        "days = 180 removes nothing that cool_down_days = 180 leaves; cure: more days",
    ),
    "cool-down without a feature": (
        _replaced("days = 365 }", "days = 731 }"),
        "no feature looks back further than 730 days; cure: at most 730",
    ),
    "fraction": (_replaced("max_open_complaints = 0", "max_open_complaints = 0.5"), "a whole number"),
    "exploration": (_replaced("rate = 0.05", "rate = 0.9"), "rate must be a number of 0 to 0.5"),
    "period": (_replaced('period = "1"', "period = 1"), "period must be a text"),
    "what": (_replaced('what = "propensity_only"', 'what = "propensty_only"'), "mean 'propensity_only'?"),
    "arm twice": (
        _replaced('what = "no_constraints"', 'what = "propensity_only"'),
        "names a name or a `what`",
    ),
    "arm of nobody": (
        _replaced("share = 0.04", "share = 0.0"),
        "arm 3 draws nobody: its share is 0; cure: a share above 0, or remove it",
    ),
    "shares above": (
        _replaced("share = 0.90", "share = 0.95"),
        "add up to 1.05, not to 1; cure: the champ",
    ),
    "shares below": (_replaced("share = 0.90", "share = 0.5"), "not to 1; cure: the champion's is 0.9"),
    "shares of others": (_replaced("share = 0.02", "share = 1.0"), "not to 1; cure: lower the others'"),
    "no champion": (SHIPPED.split('[[arms]]\nname = "champion"')[0] + "[plan]\nmax_offers = 1", "champion"),
    "control not first": (
        SHIPPED.replace('"universal_control"', '"x"')
        .replace('"random_eligible"', '"universal_control"')
        .replace('"x"', '"random_eligible"'),
        "universal_control must be the first",
    ),
    "lever of none": (SHIPPED + _LEVER.replace("card", "cart").format(2, "x"), "mean 'card'?"),
    "lever too strong": (SHIPPED + _LEVER.format(11, "x"), "factor must be a number of 0 to 10"),
    "lever without reason": (SHIPPED + _LEVER.format(2, ""), "because must be a text in quotes"),
    "offers": (_with_plan("offers = { cart = { min = 1 } }"), "no such offer in the catalogue; cure: did"),
    "min above max": (_with_plan("offers = { card = { min = 9, max = 5 } }"), "min 9 is above max 5"),
    "negative volume": (
        _with_plan("offers = { card = { min = -1 } }"),
        "min must be a number of at least 0",
    ),
    "budget of none": (
        _with_plan("budgets = { fax = 1.0 }"),
        "plan] budgets: unknown key 'fax'; known: total",
    ),
    "negative budget": (_with_plan("budgets = { total = -1.0 }"), "total must be a number of at least 0"),
    "hours of a machine": (
        _with_plan("hours = { email = 1.0 }"),
        "hours: unknown key 'email'; known: call",
    ),
    "managers": (_with_plan("managers = { hours = 1, contacts = 2 }"), "either hours or contacts"),
    "managers by mail": (_with_plan('managers = { hours = 1, channels = ["mail"] }'), "not a channel with"),
    "offers a customer": (
        _replaced("max_offers = 1 ", "max_offers = 0 "),
        "max_offers must be a number of 1",
    ),
    "unaffordable": (
        _with_plan("budgets = { total = 5.0 }\noffers = { card = { min = 300 } }"),
        "cost 6.00 by their cheapest channels, the total budget is 5.00; cure: raise it to 6.00",
    ),
    "lever against volume": (
        _with_plan("offers = { card = { min = 300 } }\n") + _LEVER.format(0, "stopped"),
        "[levers] card has factor 0, yet [plan.offers.card] asks for at least 300",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_policy_is_refused_by_file_and_key(case, tmp_path, catalogue):
    text, message = WRONG[case]
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_policy(path, catalogue)
    assert str(caught.value).startswith(str(path)) and message in str(caught.value)


def test_a_missing_file_is_named(tmp_path, catalogue):
    with pytest.raises(ConfigError, match=r"policy\.toml: no such file; cure"):
        load_policy(tmp_path / "policy.toml", catalogue)


def test_limits_levers_and_arms_are_read(tmp_path, catalogue):
    path = tmp_path / "policy.toml"
    path.write_text(
        SHIPPED
        + "budgets = { total = 20000.0, email = 500.0 }\nhours = { call = 160.0 }\n"
        + 'managers = { contacts = 60, channels = ["call"] }\noffers = { card = { min = 10, max = 50 } }\n'
        + _LEVER.format(1.2, "the new card is introduced")
    )
    policy = load_policy(path, catalogue)
    assert policy.plan.budgets == {"total": 20000.0, "email": 500.0}
    assert policy.plan.hours == {"call": 160.0}
    assert policy.plan.managers == Managers(60.0, "contacts", ("call",))
    assert policy.plan.offers == {"card": Volume(10, 50)}
    assert policy.levers == {"card": Lever(1.2, "the new card is introduced")}
    assert sum(arm.share for arm in policy.arms) == pytest.approx(1.0)
    assert policy.arms[0].what == "universal_control"


def test_contacts_may_be_bounded_by_each_channel_that_the_catalogue_has(tmp_path, catalogue):
    path = tmp_path / "policy.toml"
    by = ", ".join(f'{{ days = 30, max = 2, channel = "{name}" }}' for name in catalogue.channels)
    path.write_text(SHIPPED.replace("windows = [{ days = 90, max = 1 }]", f"windows = [{by}]"))
    policy = load_policy(path, catalogue)
    assert [window.channel for window in policy.contact.windows] == list(catalogue.channels)
    assert {w.column for w in policy.contact.windows} <= set(columns_needed(catalogue, policy))


def test_a_cool_down_may_be_that_of_one_product_or_of_all_that_offers_sell(tmp_path, catalogue):
    sold = {offer.product for offer in catalogue.offers.values()}
    path = tmp_path / "policy.toml"
    for rows, expected in (
        ("[{ days = 365 }]", dict.fromkeys(sold, 365)),
        ('[{ days = 540, product = "loan" }, { days = 365 }]', dict.fromkeys(sold, 365) | {"loan": 540}),
        ('[{ days = 540, product = "loan" }]', {"loan": 540}),
        ("[]", {}),
    ):
        path.write_text(_replaced("[{ days = 365 }]", rows))
        policy = load_policy(path, catalogue)
        assert policy.contact.cool_downs == expected
        needed = {name for name in columns_needed(catalogue, policy) if "since_refusal" in name}
        assert needed == {f"days_since_refusal_{product}" for product in expected}
        assert needed <= set(terms_of(catalogue))
    path.write_text(_replaced("cool_downs = [{ days = 365 }]\n", ""))
    assert load_policy(path, catalogue).contact.cool_downs == {}, "a policy of before still holds"


def test_windows_that_each_remove_somebody_stand_side_by_side(tmp_path, catalogue):
    path = tmp_path / "policy.toml"
    rows = "{ days = 30, max = 1 }, { days = 90, max = 2 }, { days = 90, max = 1, channel = 'call' }"
    path.write_text(_replaced("{ days = 90, max = 1 }", rows))
    assert [w.column for w in load_policy(path, catalogue).contact.windows] == [
        *("contacts_30d", "contacts_90d", "contacts_call_90d")
    ]


def test_the_shipped_policy_fits_the_other_shipped_catalogue(tmp_path):
    path = tmp_path / "catalogue.toml"
    path.write_bytes(berka_catalogue())
    assert shipped_policy(load_catalogue(path)).plan.max_offers == 1


def test_a_bank_may_have_a_policy_of_its_own(tmp_path, catalogue):
    home = Home(tmp_path)
    assert policy_of(home, catalogue) == shipped_policy(catalogue)
    home.policy.write_text(_replaced("max = 1 }", "max = 2 }"))
    own, shipped = policy_of(home, catalogue), shipped_policy(catalogue)
    assert (own.contact.windows[0].most, shipped.contact.windows[0].most) == (2, 1)
    assert own.version != shipped.version
