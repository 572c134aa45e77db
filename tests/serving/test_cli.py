import json
from datetime import timedelta

import click
import pytest
from click.testing import CliRunner

from serving.batch import score_all
from serving.cli import main
from serving.cli.clock import now


def _verbs(group, path=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _verbs(command, (*path, name))
        else:
            yield (*path, name), command


VERBS = dict(_verbs(main))


def _run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_home_json_and_help(verb):
    options = {option for parameter in VERBS[verb].params for option in parameter.opts}
    assert {"--home", "--json"} <= options
    assert VERBS[verb].help
    assert _run(*verb, "--help").exit_code == 0


def test_the_designs_verbs_are_there():
    assert set(VERBS) >= {
        ("demo",),
        ("simulate",),
        ("check",),
        ("import", "berka"),
        ("import", "files"),
        ("features", "build"),
        ("features", "materialize"),
        ("features", "describe"),
        ("train",),
        ("models", "list"),
        ("models", "promote"),
        ("models", "rollback"),
        ("score",),
        ("lists", "pull"),
        ("outcomes", "import"),
        ("outcomes", "report"),
        ("serve",),
    }


@pytest.mark.parametrize(
    ("words", "code", "cure"),
    [
        (("score", "--all"), 3, "tenure train"),
        (("score",), 2, "--all, or --id"),
        (("lists", "pull", "--product", "card", "--out", "x.csv"), 3, "tenure train"),
        (("outcomes", "report"), 3, "tenure lists pull"),
        (("features", "build"), 3, "tenure simulate"),
        (("features", "build", "--as-of", "tomorrow"), 2, "2026-01-31"),
        (("features", "materialize"), 3, "tenure features build"),
        (("models", "rollback", "churn"), 4, "train"),
        (("advance",), 3, "tenure lists pull"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_an_empty_home_gives_one_message_with_the_cure_and_no_traceback(tmp_path, words, code, cure):
    done = _run(*words, "--home", tmp_path / "empty")
    assert done.exit_code == code
    assert done.stdout == "" and cure in done.stderr
    assert "Traceback" not in done.output and done.stderr.splitlines()[-1].startswith("error: ")


def test_a_score_for_everybody_and_a_list_as_json(home, tmp_path):
    scored = _run("score", "--all", "--home", home.path, "--json")
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout)["rows"] == 400
    out = tmp_path / "list.csv"
    pulled = _run(
        *("lists", "pull", "--product", "card", "--size", 20, "--out", out, "--home", home.path, "--json")
    )
    assert pulled.exit_code == 0, pulled.output
    manifest = json.loads(pulled.stdout)
    assert manifest["rows"] == 20 and manifest["pulled_by"]
    assert len(out.read_text().splitlines()) == 21


def test_a_list_in_words(home, scorer, tmp_path):
    score_all(home, scorer, lambda _: None)
    out = tmp_path / "list.csv"
    done = _run("lists", "pull", "--product", "card", "--out", out, "--home", home.path)
    assert done.exit_code == 0, done.output
    assert "rank" in done.stdout and str(out) in done.stdout
    waiting = _run("outcomes", "report", "--home", home.path)
    assert waiting.exit_code == 3 and "no outcomes yet" in waiting.stderr


def test_outcomes_from_a_file_and_the_report(home, scorer, tmp_path):
    score_all(home, scorer, lambda _: None)
    out = tmp_path / "list.csv"
    options = ("--home", home.path, "--json")
    manifest = json.loads(_run("lists", "pull", "--product", "card", "--out", out, *options).stdout)
    lines = out.read_text().splitlines()[1:]
    at = (now() + timedelta(days=1)).isoformat()  # after the decision, or it would not count
    rows = [
        f"o{n},{r[0]}:{r[2]},{r[2]},{at},bought,{at}" for n, r in enumerate(x.split(",") for x in lines[:9])
    ]
    source = tmp_path / "outcomes.csv"
    source.write_text("\n".join(("outcome_id,decision_id,customer_id,at,kind,known_at", *rows)))
    assert json.loads(_run("outcomes", "import", "--from", source, *options).stdout)["new"] == 9
    earned = json.loads(_run("outcomes", "report", *options).stdout)
    assert earned["campaign"] == manifest["list_id"]
    assert earned["target_takers"] + earned["control_takers"] == 9
    text = _run("outcomes", "report", "--home", home.path).stdout
    assert "because of the list" in text and "95%" in text


def test_a_bad_folder_is_checked_with_exit_code_2(tmp_path):
    (tmp_path / "customers.csv").write_text("customer_id\nC1\n")
    done = _run("check", tmp_path, "--home", tmp_path / "empty", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["ok"] is False
    assert not (tmp_path / "empty").exists()


def test_features_are_described_for_the_homes_catalogue(home):
    families = json.loads(_run("features", "describe", "--home", home.path, "--json").stdout)
    names = [field["name"] for fields in families.values() for field in fields]
    assert len(names) >= 50 and "holds_card" in names
