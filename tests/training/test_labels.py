"""The definitions side by side on a small simulated bank, and what it means for a history to lack one."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from features.catalogue import load_catalogue
from features.errors import NotReadyError, RefusedError
from features.generations import current_generation
from features.history.read import connect
from features.home import Home
from features.labels import CHURN_DEFINITIONS, Outcome, churn_outcomes, lacking
from features.settings import read_settings
from serving.cli.main import main
from tests.conftest import run_verb
from tests.features.small_bank import after, booked, closed, held, outcome
from training.labels import compare
from training.specs import CHURN
from training.survival import hazard_shares, survival

SETTINGS = read_settings({})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = tmp_path_factory.mktemp("small") / "home"
    run_verb(home, "simulate", "--customers", "500", "--months", "18", "--seed", "5")
    run_verb(home, "features", "build", "--months", "10", "--every", "3")
    return Home(home)


@pytest.fixture(scope="module")
def compared(small: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    page = tmp_path_factory.mktemp("page") / "labels.html"
    return run_verb(small.path, "labels", "compare", "--page", str(page)), page


@pytest.fixture(scope="module")
def outcomes(small: Home) -> list[Outcome]:
    generation = current_generation(small)
    connection = connect(small, SETTINGS.threads, SETTINGS.memory)
    reach = timedelta(days=CHURN.gap_days + CHURN.horizon_days)
    return [
        Outcome(connection, moment, CHURN.gap_days, CHURN.horizon_days, generation.as_of)
        for moment in generation.snapshots
        if moment + reach <= generation.as_of
    ]


@pytest.fixture(scope="module")
def frames(small: Home, outcomes: list[Outcome]) -> dict[str, pd.DataFrame]:
    catalogue = load_catalogue(small.catalogue)
    return {
        name: pd.concat([churn_outcomes(o, name, catalogue) for o in outcomes], ignore_index=True)
        for name in ("closure", "balance_attrition", "product_line")
    }


def test_counts_of_the_report_are_those_of_the_labels(
    compared: tuple[dict[str, Any], Path], frames: dict[str, pd.DataFrame], outcomes: list[Outcome]
) -> None:
    report, _ = compared
    assert set(report["definitions"]) == set(CHURN_DEFINITIONS)
    assert len(report["snapshots"]) == len(outcomes) > 0
    for name, frame in frames.items():
        told = report["definitions"][name]
        assert (told["rows"], told["positives"]) == (frame.churn.notna().sum(), frame.churn.sum())
        assert told["positives"] > 0
        assert told["excluded"] == frame.excluded[frame.excluded != ""].value_counts().to_dict()
        assert [s["positives"] for s in told["by_snapshot"]] == list(frame.groupby("as_of").churn.sum())
        assert sum(told["by_month"].values()) == told["positives"], "every leaver has a month"
    for told in report["definitions"].values():
        assert told["rows"] + sum(told["excluded"].values()) == len(frames["closure"])


def test_agreement_of_the_report_is_that_of_the_labels(
    compared: tuple[dict[str, Any], Path], frames: dict[str, pd.DataFrame]
) -> None:
    report = compared[0]["definitions"]
    one, other = frames["closure"], frames["balance_attrition"]
    left, fell = one.churn == 1, other.churn == 1
    assert report["closure"]["overlap"]["balance_attrition"] == pytest.approx(
        (left & fell).sum() / left.sum()
    )
    assert report["balance_attrition"]["overlap"]["closure"] == pytest.approx(
        (left & fell).sum() / fell.sum()
    )
    both = one.churn.notna() & other.churn.notna()
    phi = np.corrcoef(one.churn[both], other.churn[both])[0, 1]
    assert report["closure"]["phi"]["balance_attrition"] == pytest.approx(phi)
    assert report["closure"]["phi"]["closure"] == pytest.approx(1)
    # Who ends everything has left by every definition, unless that has no word on the customer.
    for frame in frames.values():
        assert frame.churn[left & frame.churn.notna()].eq(1).all()


def test_lines_are_told_product_by_product(compared: tuple[dict[str, Any], Path]) -> None:
    lines = compared[0]["lines"]
    assert {"current_account", "card", "savings_account"} <= set(lines)
    assert lines["current_account"]["positives"] >= compared[0]["definitions"]["closure"]["positives"]


def test_the_page_holds_both_pictures_and_no_customer(compared: tuple[dict[str, Any], Path]) -> None:
    report, page = compared
    text = page.read_text()
    assert text.count('<img src="data:image/svg+xml') == 2
    assert "http" not in text.replace("http-equiv", "")
    for name, definition in CHURN_DEFINITIONS.items():
        assert f"<code>{name}</code>" in text
        assert definition.says.replace("'", "&#39;") in text
    assert "C0000" not in text
    assert report["page"] == str(page)


def test_the_curve_of_the_average_customer_is_the_one_observed(frames: dict[str, pd.DataFrame]) -> None:
    horizon = CHURN.horizon_days // 30
    for name, frame in frames.items():
        labelled = frame[frame.churn.notna()]
        shares = hazard_shares(labelled.month.to_numpy(), horizon)
        (curve,) = survival([labelled.churn.mean()], shares)
        observed = [1 - (labelled.month <= m).mean() for m in range(1, horizon + 1)]
        assert curve == pytest.approx(observed), name
        assert curve[-1] == 1 - labelled.churn.mean()


def test_definitions_are_listed_in_words(small: Home) -> None:
    told = run_verb(small.path, "labels", "list")
    assert list(told) == list(CHURN_DEFINITIONS)
    assert [name for name, d in told.items() if d["monthly"]] == [
        "closure",
        "balance_attrition",
        "product_line",
    ]
    assert all(d["says"] and d["needs"] and "ended by the bank" in d["excluded"] for d in told.values())


def test_the_console_tells_the_same_as_a_table(small: Home) -> None:
    done = CliRunner().invoke(main, ["labels", "list", "--home", str(small.path)])
    assert done.exit_code == 0
    assert all(name in done.stdout for name in CHURN_DEFINITIONS)


LONG_AGO = booked("a", after(-200), balance_after=1)
BANK = {
    "holdings": closed("a", after(60)),
    "transactions": [booked("a", after(-1), category="salary"), LONG_AGO],
}


def test_a_bank_that_has_everything_lacks_nothing() -> None:
    found = {name: lacking(d, outcome(BANK)) for name, d in CHURN_DEFINITIONS.items()}
    assert found == dict.fromkeys(CHURN_DEFINITIONS, ())


@pytest.mark.parametrize(
    ("bank", "lacks"),
    [
        (
            {"holdings": [held("a")]},
            {"closure": "close_reason 'customer'", "product_line": "holdings lack"},
        ),
        (
            {"holdings": closed("a", after(60), "matured")},
            {"closure": "its customer ended", "product_line": "its customer ended"},
        ),
        (
            {"transactions": [booked("a", after(-200), channel="auto", category="interest")]},
            {
                "balance_attrition": "balance_after",
                "falling_value": "balance_after",
                "dormancy": "a channel other than auto",
                "primacy_loss": "category salary, pension, standing_order, household",
            },
        ),
        (
            {"transactions": [booked("a", after(-130), balance_after=1), *BANK["transactions"][:1]]},
            {"dormancy": "before 2023-09-03", "falling_value": "before 2023-09-03"},
        ),
    ],
)
def test_what_a_history_lacks_is_named(bank: dict[str, Any], lacks: dict[str, str]) -> None:
    found = {name: lacking(d, outcome({**BANK, **bank})) for name, d in CHURN_DEFINITIONS.items()}
    assert {name for name, missing in found.items() if missing} == set(lacks)
    for name, says in lacks.items():
        assert says in " ".join(found[name])


def test_without_features_or_mature_snapshots_nothing_is_compared(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    run_verb(home.path, "simulate", "--customers", "100", "--months", "9", "--seed", "5")
    with pytest.raises(NotReadyError, match="run `tenure features build"):
        compare(home, CHURN, SETTINGS, lambda _: None)
    run_verb(home.path, "features", "build", "--months", "0")
    with pytest.raises(RefusedError, match=r"no snapshot is mature.*194 days must lie between; cure:"):
        compare(home, CHURN, SETTINGS, lambda _: None)
