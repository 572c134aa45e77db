"""Verbs on models as a person calls them."""

import json

import pytest
from click.testing import CliRunner, Result

from features.errors import RefusedError
from features.home import Home
from serving.cli.main import main
from tests.training.examples import CURRENCY, make_set, quick
from training.pipeline import train_on
from training.specs import CHURN


def _run(home: Home, *words: str) -> Result:
    return CliRunner().invoke(main, ["models", *words, "--home", str(home.path)])


@pytest.fixture
def two_versions(home: Home) -> Home:
    for seed in (1, 2):
        means = {"currency": CURRENCY, "threads": 1, "seed": seed, "tell": lambda _: None}
        train_on(home, quick(CHURN), make_set(CHURN), **means, who="ada")
    return home


def test_another_than_the_trainer_promotes_and_is_written_down(two_versions: Home) -> None:
    refused = _run(two_versions, "promote", "churn", "--by", "ada", "--four-eyes")
    assert refused.exit_code == RefusedError.exit_code
    assert "error: churn/2 was trained by ada, and another must promote it; cure:" in refused.stderr
    done = _run(two_versions, "promote", "churn", "--by", "bob", "--four-eyes", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["churn"]["version"] == 2
    ledger = (two_versions.artifacts / "ledger.jsonl").read_text()
    assert json.loads(ledger)["who"] == "bob"
    (line,) = two_versions.keys.with_name("audit.jsonl").read_text().splitlines()
    told = {name: json.loads(line)[name] for name in ("event", "by", "model", "version")}
    assert told == {"event": "promoted", "by": "bob", "model": "churn", "version": 2}


def test_a_bank_can_make_four_eyes_the_rule(two_versions: Home) -> None:
    words = ["models", "promote", "churn", "--by", "ada", "--home", str(two_versions.path)]
    refused = CliRunner().invoke(main, words, env={"TENURE_FOUR_EYES": "on"})
    assert refused.exit_code == RefusedError.exit_code
    assert CliRunner().invoke(main, words, env={"TENURE_FOUR_EYES": "perhaps"}).exit_code == 2
    assert CliRunner().invoke(main, words, env={"TENURE_FOUR_EYES": "off"}).exit_code == 0


def test_the_list_shows_challenger_champion_and_previous(two_versions: Home) -> None:
    assert _run(two_versions, "promote", "churn").exit_code == 0
    rows = json.loads(_run(two_versions, "list", "--json").stdout)["versions"]
    assert [(v["version"], v["aliases"]) for v in rows] == [(1, []), (2, ["challenger", "champion"])]
    means = {"currency": CURRENCY, "threads": 1, "seed": 3, "tell": lambda _: None}
    train_on(two_versions, quick(CHURN), make_set(CHURN), **means)
    assert _run(two_versions, "promote", "churn").exit_code == 0
    rows = json.loads(_run(two_versions, "list", "--json").stdout)["versions"]
    assert [v["aliases"] for v in rows] == [[], ["previous"], ["challenger", "champion"]]
    assert _run(two_versions, "rollback", "churn").stdout == "churn: version 2 is the champion again\n"


def test_a_version_in_service_is_not_deleted(two_versions: Home) -> None:
    assert _run(two_versions, "promote", "churn").exit_code == 0
    refused = _run(two_versions, "delete", "churn", "2")
    assert refused.exit_code == RefusedError.exit_code
    assert "in service" in refused.stderr
    assert _run(two_versions, "delete", "churn", "1").stdout == "churn: version 1 is deleted\n"
    assert [v["version"] for v in json.loads(_run(two_versions, "list", "--json").stdout)["versions"]] == [
        2
    ]
