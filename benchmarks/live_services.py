"""What is measured, each started as its users would start it, on one core, and the bank behind it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path

import mlflow
import numpy as np
import psutil

from benchmarks.live_load import CONNECTIONS, Plan
from benchmarks.online import feast_store
from benchmarks.policy_year import found
from features.generations import current_generation, generation_folder
from features.home import Home
from features.settings import read_settings
from features.snapshots import read_snapshot
from features.views import DECISION_SERVICE
from serving.champions import load_scorer
from serving.columns import from_frame
from serving.deciding.adviser import adviser_of
from serving.live import load_live

BIN = Path(sys.executable).parent
BUDGET, SEED = "100000", 7


def bank(home: Home, customers: int) -> list[str]:
    """A simulated bank whose every offer goes by every channel, scored and planned for; whom it offers."""
    if not (home.path / "live.json").exists():
        found(home.path, customers, SEED)
        lines = home.catalogue.read_text().splitlines()
        home.catalogue.write_text("\n".join(x for x in lines if not x.startswith("channels = ")) + "\n")
        tenure(home, "features", "materialize")
        tenure(home, "score", "--all")
        tenure(home, "lists", "plan", "--budget", f"total={BUDGET}")
        (home.path / "live.json").write_text(json.dumps(customers))
    snapshot = read_snapshot(home, current_generation(home).as_of)
    return offered(home, [str(i) for i in snapshot.loc[snapshot["consent_profiling"] == 1, "customer_id"]])


def offered(home: Home, ids: Sequence[str]) -> list[str]:
    """Those to whom something is offered: the others need no reasons, and cost less."""
    done: Future[int] = Future()
    done.set_result(0)
    adviser = adviser_of(load_live(home), home, read_settings().salt, lambda _: done)
    return [one.customer_id for one in adviser.answer(ids, name="offered") if one.suggestions]


def tenure(home: Home, *words: str) -> None:
    subprocess.run([BIN / "tenure", *words, "--home", home.path], check=True, stdout=subprocess.DEVNULL)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def started(
    command: Sequence[object], port: int, probe: str, core: int, more: Mapping[str, str]
) -> Iterator[psutil.Process]:
    """A service on one core with one thread, once its probe answers at all."""
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"  # `mlflow models serve` looks for uvicorn there
    quiet = {"PATH": path, "OMP_NUM_THREADS": "1", "BENTOML_DO_NOT_TRACK": "True"}
    environment = {**os.environ, **quiet, **more}
    process = subprocess.Popen(
        [str(word) for word in command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        until = time.monotonic() + 180
        while not answers(port, probe):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} does not answer")
            time.sleep(0.3)
        yield psutil.Process(process.pid)
    finally:
        with suppress(ProcessLookupError):  # it may have died by itself
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def answers(port: int, probe: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{probe}", timeout=2) as found:
            return bool(found.status == 200)
    except OSError:
        return False


def megabytes(process: psutil.Process) -> float:
    """Memory of a service's processes, in MB."""
    family = [process, *process.children(recursive=True)]
    return float(sum(one.memory_info().rss for one in family) / 1e6)


@contextmanager
def floor(
    home: Home, folder: Path, core: int
) -> Iterator[tuple[psutil.Process, list[int], list[tuple[str, str]]]]:
    """(a): bare uvicorn, one model, features in memory."""
    snapshot = read_snapshot(home, current_generation(home).as_of)
    model = load_scorer(home).model("churn")
    model.heads[0].booster.save_model(folder / "model.txt")
    np.savez(
        folder / "table.npz",
        ids=snapshot["customer_id"].to_numpy(str),
        matrix=model.matrix(from_frame(snapshot)),
    )
    port = free_port()
    command = [
        BIN / "uvicorn",
        "benchmarks.live_floor:app",
        "--port",
        port,
        "--lifespan",
        "off",
        "--no-access-log",
    ]
    with started(
        [*command, "--log-level", "warning"], port, "/nothing", core, {"LIVE_FLOOR": str(folder)}
    ) as process:
        yield process, [port], [("/predict", '{"customer_id": "{id}"}')]


@contextmanager
def assembled(
    home: Home, folder: Path, core: int
) -> Iterator[tuple[psutil.Process, list[int], list[tuple[str, str]]]]:
    """(b): `feast serve` over Feast's own SQLite store, then `mlflow models serve`, called in turn."""
    online = {"type": "sqlite", "path": str(folder / "feast.db")}
    generation = current_generation(home)
    store = feast_store(home, online, generation_folder(home, generation.name))
    as_of = generation.as_of
    with redirect_stdout(StringIO()):
        store.materialize(as_of - timedelta(seconds=1), as_of)
    config = {
        "project": store.config.project,
        "provider": "local",
        "registry": str(store.config.registry.path),
        "offline_store": {"type": "duckdb"},
        "online_store": online,
        "entity_key_serialization_version": 3,
    }
    (folder / "feature_store.yaml").write_text(json.dumps(config))
    model = load_scorer(home).model("churn")
    mlflow.lightgbm.save_model(model.heads[0].booster, str(folder / "model"))
    row = [[float(v) if v == v else None for v in np.zeros(len(model.features))]]
    first, second = free_port(), free_port()
    features = [BIN / "feast", "-c", folder, "serve", "-p", first, "--no-access-log", "-w", "1"]
    served = [
        BIN / "mlflow",
        "models",
        "serve",
        "-m",
        folder / "model",
        "-p",
        second,
        "--env-manager",
        "local",
    ]
    asked = json.dumps({"feature_service": DECISION_SERVICE, "entities": {"customer_id": ["{id}"]}})
    calls = [("/get-online-features", asked), ("/invocations", json.dumps({"inputs": row}))]
    with (
        started(features, first, "/health", core, {}) as process,
        started([*served, "-w", "1"], second, "/ping", core, {}),
    ):
        yield process, [first, second], calls


@contextmanager
def decisions(home: Home, core: int) -> Iterator[tuple[psutil.Process, list[int], list[tuple[str, str]]]]:
    """(c): the full decision, logged durably, with reasons."""
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:TenureService", "--port", port]
    settings = {"TENURE_HOME": str(home.path), "TENURE_ACCESS": "off"}
    with started(command, port, "/readyz", core, settings) as process:
        yield process, [port], [("/v1/offers", '{"customer_ids": ["{id}"], "limit": 1, "reasons": true}')]


def plan(
    calls: Sequence[tuple[str, str]],
    ids: Sequence[str],
    requests: int,
    rate: float = 0.0,
    connections: int = CONNECTIONS,
) -> Plan:
    return Plan(calls, ids[:2000], requests, rate, connections=connections)
