"""One small simulated bank, from history to champions, shared by the tests that need a whole one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from features.home import Home
from features.settings import quiet_environment
from serving.cli.main import main

quiet_environment()  # before any test imports a library that reads it

CUSTOMERS = 2_500

Verb = Callable[..., Any]


def run_verb(home: Path, *words: str) -> Any:
    """Run `tenure WORDS --home HOME --json` and return its answer; any error fails the test."""
    done = CliRunner().invoke(main, [*words, "--home", str(home), "--json"])
    assert done.exit_code == 0, done.stderr or done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A simulated bank whose champions are trained, scored and online. Do not write to it."""
    home = tmp_path_factory.mktemp("bank") / "home"
    run_verb(home, "simulate", "--customers", str(CUSTOMERS), "--months", "36", "--seed", "11")
    run_verb(home, "features", "build", "--months", "30", "--every", "3")
    run_verb(home, "features", "materialize")
    run_verb(home, "train", "all")
    run_verb(home, "models", "promote", "all")
    run_verb(home, "score", "--all")
    return Home(home)


@pytest.fixture
def own_bank(bank: Home, tmp_path: Path) -> tuple[Home, Verb]:
    """A copy of the bank to write to, and a way to run verbs on it."""
    home = tmp_path / "home"
    shutil.copytree(bank.path, home)
    return Home(home), lambda *words: run_verb(home, *words)
