"""Models that a bank may do without: trained through the same registry, shown on pages, made again."""

import pytest

from features.home import Home
from features.settings import Settings, read_settings
from serving.champions import load_scorer
from serving.cli.models import OPTIONAL
from training.registry import Registry
from training.specs import SPECS
from training.versions.champions import Champions
from training.versions.reproduce import reproduce


def test_margin_and_response_are_champions_like_the_others(bank: Home) -> None:
    versions = load_scorer(bank).versions
    assert {"margin", "response"} <= set(versions)
    for name in OPTIONAL:
        stored = Registry(bank).versions(name)
        assert bool(stored) == bool(Champions(bank).stack(name)) or "challenger" in stored[-1].aliases
        assert name in SPECS


@pytest.mark.parametrize(
    ("name", "heading"),
    [("response", "Average effect by product and channel"), ("margin", "rank correlation")],
)
def test_their_pages_say_what_was_found(bank: Home, name: str, heading: str) -> None:
    page = (bank.reports / f"{name}-1.html").read_text(encoding="utf-8")
    assert heading in page
    assert "The gates pass it." in page


def test_fatigue_is_priced_from_the_banks_own_history(bank: Home) -> None:
    said = load_scorer(bank).loaded["response"].training["contacts"]
    assert said["stakes"]["complained"] >= 0
    assert 0 <= said["tiring"]["weaker"] < 5
    assert all(0 <= price < 5 for price in said["fatigue"].values())


@pytest.mark.parametrize("name", ["response", "margin"])
def test_a_run_comes_out_the_same_again(bank: Home, name: str) -> None:
    settings: Settings = read_settings({"TENURE_HOME": str(bank.path), "TENURE_THREADS": "1"})
    run = Champions(bank).champion(name).run_id
    again = reproduce(bank, run, settings, lambda _: None)
    assert again.recorded_sha256 == again.reproduced_sha256
