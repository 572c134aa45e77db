"""Models, a list, its outcomes and answers on Redis and PostgreSQL: as on the embedded stores."""

import csv
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml
from click.testing import CliRunner

from features.database.address import Address
from features.home import Home, home_of
from features.settings import read_settings
from serving.cli.main import main
from serving.deciding.adviser import LIVE, adviser_of
from serving.live import load_live
from serving.log.decisions import Decision, read_decisions
from tests.conftest import run_verb
from tests.features.online_rows import redis_server
from tests.postgres import Server
from tests.test_story import story
from training.versions.champions import Champions

_ROOT = Path(__file__).parents[1]
_BLOCKS = re.findall(r"```sh\n(.*?)```", (_ROOT / "mlflow/README.md").read_text(), re.DOTALL)


def _verb(environment: dict[str, str], *words: str) -> Any:
    done = CliRunner().invoke(main, [*words, "--json"], env=environment)
    assert done.exit_code == 0, done.stderr or done.output
    return json.loads(done.stdout)


def _outcomes(decisions: tuple[Decision, ...], path: Path) -> Path:
    """Every second target is shown it, every tenth buys, some for a price of their own."""
    columns = ("outcome_id", "decision_id", "customer_id", "at", "kind", "known_at", "product", "amount")
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        for n, d in enumerate(sorted(decisions, key=lambda d: d.customer_id)):
            at = (datetime.fromisoformat(d.decided_at) + timedelta(days=n % 100)).isoformat()
            for kind, amount in (("shown", ""), ("bought", n / 3 if n % 20 else "")):
                if d.action and n % (2 if kind == "shown" else 10) == 0:
                    who = (f"{kind}{n}", d.decision_id, d.customer_id, at, kind, at)
                    rows.writerow((*who, "", amount))
    return path


def _lived(environment: dict[str, str], folder: Path) -> dict[str, Any]:
    """What is decided, told and earned with these stores."""
    settings = read_settings(environment)
    home = home_of(settings)
    asked = ("--product", "insurance", "--size", "150", "--out", str(folder / "list.csv"))
    pulled = _verb(environment, "lists", "pull", *asked)
    listed = read_decisions(home.decisions_db, pulled["list_id"])
    told = _outcomes(listed, folder / "outcomes.csv")
    imported = [_verb(environment, "outcomes", "import", "--from", str(told)) for _ in range(2)]
    adviser = adviser_of(load_live(home, None, settings.online), home, settings.salt)
    ids = [d.customer_id for d in listed[:40]]
    answers = adviser.answer(ids, name="visit", limit=2, with_reasons=True)
    assert adviser.answer(ids, name="visit", limit=2, with_reasons=True) == answers
    return {
        "listed": {replace(d, decided_at="") for d in listed},
        "imported": imported,
        "earned": _verb(environment, "outcomes", "report"),
        "answers": answers,
        "live": read_decisions(home.decisions_db, LIVE),
    }


def test_servers_tell_what_the_embedded_stores_tell(bank: Home, postgres: Server, tmp_path: Path) -> None:
    told = []
    with redis_server(tmp_path) as redis:
        far = {"TENURE_ONLINE": redis, "TENURE_DECISIONS": postgres.new_database("story")}
        for name, stores in (("own", {}), ("far", far)):
            home = tmp_path / name / "home"
            shutil.copytree(bank.path, home)
            environment = {"TENURE_HOME": str(home), **stores}
            if stores:
                (home / "online.db").unlink()
                _verb(environment, "features", "materialize")
            told.append(_lived(environment, tmp_path / name))
        assert not (tmp_path / "far/home/decisions.db").exists()
        assert not (tmp_path / "far/home/online.db").exists()
    own, far_told = told
    assert [i["new"] for i in own["imported"]] == [own["imported"][0]["rows"], 0]
    assert own["answers"]
    for what, found in own.items():
        assert far_told[what] == found, what


def test_the_loop_closes_on_servers_alone(bank: Home, postgres: Server, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(bank.path, home)
    for own in ("online.db", "mlflow.db"):
        (home / own).unlink()
    with redis_server(tmp_path) as redis:
        far = {
            "TENURE_ONLINE": redis,
            "TENURE_DECISIONS": postgres.new_database("loop"),
            "TENURE_MLFLOW": postgres.new_database("loop_models"),
        }
        tenure = partial(run_verb, home, env=far)
        tenure("features", "materialize")
        story(Home(home, Address(far["TENURE_DECISIONS"])), tenure, tmp_path)
    assert not any((home / own).exists() for own in ("online.db", "mlflow.db", "decisions.db"))


def test_a_model_trained_on_a_server_is_that_of_the_embedded_registry(
    bank: Home, postgres: Server, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(bank.path, home)
    (home / "mlflow.db").unlink()
    environment = {"TENURE_HOME": str(home), "TENURE_MLFLOW": postgres.new_database("models")}
    before = Champions(bank).champion("churn")
    trained = _verb(environment, "train", "churn")["churn"]
    assert trained["sha256"] == before.sha256 and trained["run_id"] != before.run_id
    _verb(environment, "models", "promote", "churn")
    assert Champions(Home(home)).champion("churn").run_id == trained["run_id"]
    again = _verb(environment, "models", "reproduce", trained["run_id"])
    assert again["recorded_sha256"] == again["reproduced_sha256"] == before.sha256
    _verb(environment, "models", "rollback", "churn")
    assert Champions(Home(home)).champion("churn").run_id == before.run_id
    assert not (home / "mlflow.db").exists()
    with _tracking_server(environment["TENURE_MLFLOW"], tmp_path) as server:
        found = server.get("/api/2.0/mlflow/registered-models/get", params={"name": "churn"}).json()
        assert found["registered_model"]["latest_versions"][0]["run_id"] == trained["run_id"]
        run = server.get("/api/2.0/mlflow/runs/get", params={"run_id": trained["run_id"]}).json()["run"]
        assert run["info"]["status"] == "FINISHED" and run["data"]["metrics"]


@contextmanager
def _tracking_server(database: str, folder: Path) -> Iterator[httpx.Client]:
    """MLflow's server by the very command of its README, over another database and port."""
    [command] = [block for block in _BLOCKS if "mlflow server" in block]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command, replaced = re.subn(
        r"postgresql\+psycopg://\S+", database.replace("://", "+psycopg://"), command
    )
    command = command.replace("--port 5000", f"--port {port}").replace("$PWD/var", str(folder))
    command = command.replace(".venv/bin", str(Path(sys.executable).parent))
    assert replaced == 1 and port in command
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(["bash", "-c", f"exec {command}"], stdout=log, stderr=log, cwd=_ROOT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            while not _answers(client):
                assert process.poll() is None, (folder / "server.log").read_text()[-2000:]
                time.sleep(0.2)  # between two questions, not for timing
            yield client
    finally:
        process.terminate()
        process.wait(60)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def test_the_database_of_the_compose_file_is_the_one_that_its_readme_names() -> None:
    services = yaml.safe_load((_ROOT / "mlflow/compose.yaml").read_text())["services"]
    database, said = services["database"], services["database"]["environment"]
    urls = [urlsplit(url) for url in re.findall(r"postgresql\S*://tenure\S+", "".join(_BLOCKS))]
    assert len(urls) == 2
    for url in urls:
        assert (url.username, url.path) == (said["POSTGRES_USER"], f"/{said['POSTGRES_DB']}")
        assert f"{url.hostname}:{url.port}:5432" in database["ports"]
    assert "POSTGRES_PASSWORD" in said and any("POSTGRES_PASSWORD=" in block for block in _BLOCKS)
