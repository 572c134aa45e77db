"""One small simulated bank, from history to champions, shared by the tests that need a whole one."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import settings

from features.database.address import Address, Where
from features.errors import RefusedError
from features.home import Home
from features.settings import quiet_environment
from serving.cli.main import main
from tests.postgres import Server, postgres_server

quiet_environment()  # before any test imports a library that reads it
os.environ["TENURE_ACCESS"] = "off"  # servers that tests start need no key; the tests of access set it

# No test is a matter of time.
settings.register_profile("tenure", deadline=None)
settings.load_profile("tenure")

CUSTOMERS = 3_000

Verb = Callable[..., Any]


def run_verb(
    home: Path, *words: str, may_be_refused: bool = False, env: Mapping[str, str] | None = None
) -> Any:
    """Run `tenure WORDS --home HOME --json` and return its answer, or None where it was refused.

    Any other error, or a refusal that was not expected, fails the test.
    """
    done = CliRunner().invoke(main, [*words, "--home", str(home), "--json"], env=env)
    if may_be_refused and done.exit_code == RefusedError.exit_code:
        return None
    assert done.exit_code == 0, done.stderr or done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A simulated bank whose champions are trained, scored and online. Do not write to it."""
    return _made_once(tmp_path_factory, "bank", _make_bank)


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Home:
    """One home for all workers: the first that needs it makes it, the others wait for it."""
    base = factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return Home(folder)


def _make_bank(home: Path) -> None:
    run_verb(home, "simulate", "--customers", str(CUSTOMERS), "--months", "36", "--seed", "11")
    run_verb(home, "features", "build", "--months", "30", "--every", "3")
    run_verb(home, "features", "materialize")
    run_verb(home, "train", "all")
    run_verb(home, "models", "promote", "all")
    run_verb(home, "score", "--all")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A real PostgreSQL; make a database of your own in it."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def new_server_log(postgres: Server) -> Callable[[], Where]:
    """Places for decision logs on a server, each of its own."""
    url, number = postgres.new_database("logs"), count()
    return lambda: Address(postgres.new_schema(url, f"log{next(number)}"))


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def new_log(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Where]:
    """Places for decision logs, each of its own: what holds in a file holds on a server."""
    if request.param == "sqlite":
        return lambda: tmp_path_factory.mktemp("log") / "decisions.db"
    # Made anew whenever the parameter changes, so the server's part is a fixture of its own.
    return request.getfixturevalue("new_server_log")


@pytest.fixture
def where(new_log: Callable[[], Where]) -> Where:
    """A place for a decision log, where nothing is recorded yet."""
    return new_log()


@pytest.fixture
def own_bank(bank: Home, tmp_path: Path) -> tuple[Home, Verb]:
    """A copy of the bank to write to, and a way to run verbs on it."""
    home = tmp_path / "home"
    shutil.copytree(bank.path, home)
    return Home(home), partial(run_verb, home)
