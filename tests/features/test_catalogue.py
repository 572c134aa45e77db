"""A wrong catalogue is refused with file, key, cause and cure."""

from pathlib import Path

import numpy as np
import pytest

from features.catalogue import load_catalogue, shipped_catalogue
from features.eligibility import eligible
from features.errors import ConfigError
from features.families import all_families, model_fields
from features.history.berka import berka_catalogue


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
            "requires 'gold', which is not a product",
        ),
        (
            'suitable = "has_reserve"',
            'suitable = "rich"',
            "suitable = 'rich' is unknown; known: not_overdrawn",
        ),
        ("[channels.app]", "[channels.fax]", "channel 'fax' is unknown; known: branch"),
        ("min_value = 900.0", "min_value = 1.0", "falling order of min_value"),
        ('currency = "EUR"', 'currency = "EURO"', "three-letter currency"),
        ("attrition_floor = 300.0", "attrition_floor = 0", "attrition_floor"),
        ('label = "Credit card"', "", "product 'card': key 'label' is missing"),
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
