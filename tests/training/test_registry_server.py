"""The registry on a PostgreSQL server instead of the home's own file."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.database.address import Address
from features.errors import ConfigError, NotReadyError
from features.home import Home
from tests.postgres import Server
from tests.training.examples import CURRENCY, quick
from training.datasets import TrainingSet
from training.gates import Verdict
from training.pipeline import train_on
from training.registry import Registry
from training.specs import CHURN

AT = datetime(2026, 10, 31, tzinfo=UTC)


_TOUCH = """
import sys
from pathlib import Path
from features.database.address import Address
from features.home import Home
from training.registry import Registry
client = Registry(Home(Path(sys.argv[1]), tracking=Address(sys.argv[2])))._client()
print(len(client.search_experiments()))
"""


def test_a_database_that_two_touch_at_once_is_made_once_and_holds_the_models(
    postgres: Server, tmp_path: Path, churn_set: TrainingSet
) -> None:
    address = Address(postgres.new_database("registry"))
    command = [sys.executable, "-c", _TOUCH, str(tmp_path / "bank"), address.url]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in started] == ["1\n", "1\n"]
    home = Home(tmp_path / "bank", tracking=address)
    registry = Registry(home)
    assert registry.versions("churn") == ()
    results = [
        train_on(home, quick(CHURN), churn_set, currency=CURRENCY, seed=seed, threads=1, tell=print)
        for seed in (7, 8)
    ]
    first, second = (result.version for result in results)
    for version in (first, second):
        registry.promote(version, Verdict(True, ("good",)), who="ada", at=AT)
    assert [v.aliases for v in registry.versions("churn")] == [("previous",), ("challenger", "champion")]
    assert registry.load(registry.champion("churn")).name == "churn"
    assert registry.metrics(second) == results[1].metrics
    assert registry.rollback("churn", who="ada", at=AT).version == first.version
    registry.delete("churn", second.version)
    assert [v.version for v in registry.versions("churn")] == [first.version]
    assert not (home.path / "mlflow.db").exists()


def test_a_server_that_does_not_let_us_in_or_is_down_is_named_without_its_password(
    postgres: Server, tmp_path: Path
) -> None:
    wrong = Home(tmp_path, tracking=Address(postgres.url("postgres", password="guessed")))
    with pytest.raises(ConfigError, match="user, password or database") as refused:
        Registry(wrong).versions("churn")
    down = Home(tmp_path, tracking=Address("postgresql://tenure:guessed@127.0.0.1:1/mlflow"))
    with pytest.raises(NotReadyError, match="does not answer") as silent:
        Registry(down).versions("churn")
    assert "guessed" not in f"{refused.value} {silent.value}"
