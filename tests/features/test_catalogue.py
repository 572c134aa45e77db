"""A wrong catalogue is refused with file, key, cause and cure."""

from pathlib import Path

import numpy as np
import pytest

from features.catalogue import load_catalogue, shipped_catalogue
from features.eligibility import eligible
from features.errors import ConfigError
from features.families import all_families, model_fields
from features.history.berka import berka_catalogue
from features.selling.expressions import Facts
from features.selling.segments import segment_codes, tier_codes


@pytest.mark.parametrize("raw", [shipped_catalogue(), berka_catalogue()], ids=["shipped", "berka"])
def test_the_shipped_catalogues_load(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "catalogue.toml").write_bytes(raw)
    catalogue = load_catalogue(tmp_path / "catalogue.toml")
    assert catalogue.offered
    assert len(catalogue.version) == 12
    fields = [f for family in all_families(catalogue) for f in family.fields]
    names = [f.name for f in fields]
    assert len(names) == len(set(names)) >= 50
    assert all(f.unit and f.meaning and f.label for f in fields)
    assert {"gender", "consent_marketing", "consent_profiling"}.isdisjoint(
        f.name for f in model_fields(catalogue)
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "balance_margin = 0.009",
            "balance_margin = -1",
            "product 'savings_account': balance_margin must be",
        ),
        ("loss_rate = 0.012", "los_rate = 0.012", "product 'loan': unknown key 'los_rate'; known:"),
        (
            'requires = ["current_account"]',
            'requires = ["gold"]',
            "requires names 'gold', which is not a product",
        ),
        ("[channels.app]", "[channels.fax]", "channel 'fax' is unknown; cure: one of branch"),
        ("min_value = 900.0", "min_value = 1.0", "falling order of min_value"),
        ('currency = "EUR"', 'currency = "EURO"', "three-letter currency"),
        ("attrition_floor = 300.0", "attrition_floor = 0", "attrition_floor"),
        ("discount_rate = 0.06", "discount_rate = 6", "discount_rate, a share a year"),
        ("discount_rate = 0.06\n", "", "discount_rate, a share a year"),
        ('label = "Credit card"', "", "product 'card': key 'label' is missing"),
        ("[channels.app]", "[channel.app]", "unknown key 'channel'; known: bank, products"),
        ("cost = 0.02", "cost = -0.02", "channel 'app': cost must be a number of at least 0"),
        ("cost = 0.02", "cost = nan", "channel 'app': cost must be a number"),
        ("minutes = 8.0", 'minutes = "8"', "channel 'call': minutes must be a number"),
        (
            "incentive = 30.0",
            "incentive = -1",
            "offer 'fee_waiver': incentive must be a number of at least 0",
        ),
        (
            'kind = "retention"',
            'kind = "retentoin"',
            "kind = 'retentoin' is unknown; cure: did you mean 'retention'?",
        ),
        (
            '"card"\nkind = "cross_sell"',
            '"cart"\nkind = "cross_sell"',
            "product = 'cart' is unknown; cure: did you mean 'card'?",
        ),
        (
            'channels = ["app", "email", "mail"]',
            'channels = ["app", "atm"]',
            "offer 'savings_account': channels names 'atm', which is not a channel of the catalogue",
        ),
        ('channels = ["app", "email", "mail"]', "channels = []", "channels is empty"),
        ('channels = ["app", "email", "mail"]', 'channels = ["app", "app"]', "a list of different names"),
        ("fee_waiver = 1.0", "fee_waiver = 1.5", "terms: fee_waiver must be a number of 0 to 1"),
        ("fee_waiver = 1.0", "fee_waiver = 0", "fee_waiver is a share above 0"),
        ("months = 12, because", "months = 12, why", "terms: unknown key 'why'"),
        ("months = 12,", 'months = 12, tiers = ["gold"],', "tiers names 'gold', which is not a tier"),
        ("leaving_odds = 0.95", "leaving_odds = 0", "prior: leaving_odds must be a number of 0.01 to 100"),
        ('source = "assumed: a contact adds two fifths to the odds"', "", "prior: needs source"),
        (
            'applicable = "churn >= 0.45"',
            'applicable = "churn >= 0.45"\neligible = "churn < 0.01"',
            "offer 'fee_waiver': (churn < 0.01) and (churn >= 0.45) contradict each other",
        ),
        (
            'label = "Our savings account"',
            'label = "Our savings account"\napplicable = "value_expected > 0"',
            "a general offer is made without models, yet names 'value_expected'",
        ),
        ('suitable = "balance_total >= 2000"', 'suitable = "ballance_total > 1"', "mean 'balance_total'?"),
        ("age_years < 26", "age_years < 26 and age_years > 30", "'next generation': where = "),
        ('name = "senior"', 'name = "established"', "'established' is there twice"),
        ('service = "team"', 'service = "club"', "service = 'club' is unknown"),
        ("managers = 3", "managers = 1", "managers = 1 does not fit service = 'team'"),
        ("min_age = 18\nmax_age = 75", "min_age = 80\nmax_age = 75", "min_age 80 is above max_age 75"),
        ("[bank]", "[bank", "not valid TOML"),
    ],
)
def test_a_wrong_entry_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = shipped_catalogue().decode()
    assert old in text
    path = tmp_path / "catalogue.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=r"catalogue\.toml") as caught:
        load_catalogue(path)
    assert message in str(caught.value)


def test_eligibility_by_holdings_and_age(tmp_path: Path) -> None:
    (tmp_path / "catalogue.toml").write_bytes(shipped_catalogue())
    loan = load_catalogue(tmp_path / "catalogue.toml").products["loan"]
    columns = {
        "holds_loan": np.array([0, 1, 0, 0, 0, 0]),
        "holds_current_account": np.array([1, 1, 0, 1, 1, 1]),
        "age_years": np.array([18.0, 40.0, 40.0, 17.0, np.nan, np.nan]),
        "kind": np.array(["person", "person", "person", "person", "person", "business"]),
    }
    assert eligible(columns, loan).tolist() == [True, False, False, False, False, True]


def test_the_shipped_offers_make_the_options_in_one_order(tmp_path: Path) -> None:
    (tmp_path / "catalogue.toml").write_bytes(shipped_catalogue())
    catalogue = load_catalogue(tmp_path / "catalogue.toml")
    names = [option.name for option in catalogue.options]
    assert names == [f"{o.name}.{c}" for o in catalogue.offers.values() for c in o.channels]
    assert len(set(names)) == len(names) <= 64
    call = catalogue.options[names.index("fee_waiver.call")]
    assert (call.product, call.kind, call.cost, call.minutes, call.incentive) == (
        *("current_account", "retention"),
        *(4.5, 8.0, 30.0),
    )
    waiver = catalogue.offers["fee_waiver"].terms
    assert waiver is not None and waiver.because
    sold = {p.name for p in catalogue.offered}
    assert sold == set(catalogue.products) - {"current_account"}
    card = catalogue.selling("card")
    assert card is not None and card.name == "card"
    assert catalogue.selling("current_account") is None


def test_more_options_than_a_decision_can_weigh_are_refused(tmp_path: Path) -> None:
    more = "".join(
        f'\n[offers.more_{n}]\nlabel = "More"\nproduct = "card"\nkind = "cross_sell"\n' for n in range(8)
    )
    (tmp_path / "catalogue.toml").write_bytes(shipped_catalogue() + more.encode())
    with pytest.raises(ConfigError, match="at most 64; cure: name fewer `channels`"):
        load_catalogue(tmp_path / "catalogue.toml")


def test_segments_and_tiers_follow_the_file(tmp_path: Path) -> None:
    (tmp_path / "catalogue.toml").write_bytes(shipped_catalogue())
    catalogue = load_catalogue(tmp_path / "catalogue.toml")
    facts = Facts({"kind": ["business", "person", "person", None], "age_years": [70, 25, None, 40]})
    assert segment_codes(facts, catalogue).tolist() == [0, 1, -1, -1]
    assert tier_codes(np.array([900.0, 899.99, 60.0, -5.0, np.nan]), catalogue).tolist() == [0, 1, 2, 3, -1]
    assert [(t.service, t.managers) for t in catalogue.tiers] == [
        ("team", 3),
        ("one_manager", 1),
        ("self_service", 0),
        ("self_service", 0),
    ]
