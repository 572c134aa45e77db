"""Two real workers behind one address: they stop, die, run out of files, and lose nobody on the way."""

import json
import os
import resource
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from typing import Any

import httpx
import pandas as pd
import psutil
import pytest

from features.home import Home
from serving.log.decisions import read_decisions
from tests.serving.conftest import AS_OF, make_home
from tests.serving.online_bank import put_online
from tests.serving.running import WITHIN_S, Running, running
from training.artifact import Model

BODY = {"customer_ids": ["C0001", "C0002"]}
ASKING = 2
"""Who ask all the time on connections that they keep, and as many on a new one for each question."""

_LATE = "no answer within 4 seconds; try again"
"""Said by a worker on a machine that is too busy; who hears it is not lost."""
_LOST = ("ConnectionResetError", "RemoteDisconnected", "BrokenPipeError", "IncompleteRead")


@pytest.fixture(scope="module")
def home(frame: pd.DataFrame, models: dict[str, Model], tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("rolling") / "bank", frame, models)
    put_online(home, frame, "2026-01-01.1", AS_OF)
    return home


@pytest.fixture(scope="module")
def served(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two workers, beside a tracking database that is down."""
    with socket.socket() as nobody:  # bound, so that it is nobody else's, and not listening
        nobody.bind(("127.0.0.1", 0))
        down = f"postgresql://tenure:secret@127.0.0.1:{nobody.getsockname()[1]}/mlflow"
        log = tmp_path_factory.mktemp("rolling") / "log"
        with running(home, log, workers=2, TENURE_MLFLOW=down) as service:
            yield service


class _Asking:
    """Those who ask all the time and never twice, and what they were told or how they were left."""

    def __init__(self, service: Running) -> None:
        self.told: Counter[str] = Counter()
        self._port, self._done = service.port, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n % 2 == 0,)) for n in range(2 * ASKING)]

    def __enter__(self) -> "_Asking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, keeps: bool) -> None:
        line = HTTPConnection("127.0.0.1", self._port, timeout=WITHIN_S)
        while not self._done.wait(0.01):  # leaves the machine to the workers that start
            try:
                line.request("POST", "/v1/offers", json.dumps(BODY), {"Content-Type": "application/json"})
                answer = line.getresponse()
                told = json.loads(answer.read())
                self.told["200" if answer.status == 200 else told["detail"]] += 1
            except (HTTPException, OSError) as error:
                self.told[type(error).__name__] += 1
                line.close()
            if not keeps:
                line.close()
        line.close()


def test_workers_that_stop_lose_nobody_and_who_dies_loses_what_it_held(served: Running) -> None:
    with _Asking(served) as asking:
        first, second = served.workers()
        served.stop_one(first, signal.SIGTERM)
        stopped = asking.told.copy()
        served.stop_one(second, signal.SIGKILL)
    assert set(stopped) <= {"200", _LATE}, stopped
    assert asking.told["200"] > stopped["200"], "the other answers while one is dead"
    assert set(asking.told) <= {"200", _LATE, *_LOST}, asking.told
    assert sum(asking.told[error] for error in _LOST) <= 2 * ASKING, "each asks one thing at a time"
    assert len(served.workers()) == 2, "who died is replaced"


def test_the_tracking_database_is_down_and_nobody_notices(served: Running) -> None:
    with httpx.Client(base_url=served.address, timeout=WITHIN_S) as client:
        assert client.get("/readyz").status_code == 200
        assert client.get("/v1/models").status_code == 200
        for path in ("/v1/scores", "/v1/offers", "/v1/profile"):
            assert client.post(path, json=BODY).status_code == 200


def test_who_is_connected_while_a_worker_stops_is_answered_once_more(served: Running) -> None:
    stopped = served.workers()[0]
    with ExitStack() as lines:
        mine = _one_to_each(served, lines)[stopped]
        os.kill(stopped, signal.SIGTERM)
        served.wait_for(lambda: not any(c.status == "LISTEN" for c in _connections(stopped)))
        assert _ask(mine) == (200, "close")
    served.wait_for(lambda: stopped not in served.workers() and len(served.loaded()) == 2)


def test_workers_without_a_file_to_open_live_on_and_answer_as_before_once_there_is_one(
    served: Running,
) -> None:
    workers, before = served.workers(), _scores(served)
    with ExitStack() as taken:
        for pid in workers:
            limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            taken.callback(resource.prlimit, pid, resource.RLIMIT_NOFILE, limits)
            most = psutil.Process(pid).num_fds() + len(workers)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, limits[1]))
        for _ in range(64):
            taken.enter_context(socket.create_connection(("127.0.0.1", served.port)))
        told = [_scores(served, within=1.0) for _ in range(8)]
    assert all(one in (before, None) or one[0] in (503, 507) for one in told), told
    assert None in told, "no file was lacking"
    served.wait_for(lambda: [_scores(served) for _ in range(8)] == [before] * 8)
    assert served.workers() == workers and served.is_ready()


def _scores(served: Running, within: float = WITHIN_S) -> tuple[int, Any] | None:
    """What is said on a connection of its own, None where nobody answers on it."""
    try:
        answer = httpx.post(f"{served.address}/v1/scores", json=BODY, timeout=within)
    except httpx.TransportError:
        return None
    return answer.status_code, answer.json().get("results")


def _one_to_each(served: Running, lines: ExitStack) -> dict[int, HTTPConnection]:
    """A fresh connection to each worker, which has answered on it; they share newcomers as they like."""
    found: dict[int, HTTPConnection] = {}

    def each() -> bool:
        found.clear()
        for _ in range(8):
            line = HTTPConnection("127.0.0.1", served.port, timeout=WITHIN_S)
            lines.callback(line.close)
            assert _ask(line)[0] == 200
            found.update({pid: line for pid in served.workers() if _peer(line) in _peers(pid)})
        return len(found) == 2

    served.wait_for(each)
    return found


def _ask(line: HTTPConnection) -> tuple[int, str | None]:
    line.request("GET", "/healthz")
    answer = line.getresponse()
    answer.read()
    return answer.status, answer.getheader("connection")


def _connections(pid: int) -> list[Any]:
    try:
        return psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return []


def _peers(pid: int) -> set[int]:
    return {found.raddr.port for found in _connections(pid) if found.raddr}


def _peer(line: HTTPConnection) -> int:
    return int(line.sock.getsockname()[1])


def test_a_question_is_decided_once_by_whichever_worker_and_also_after_a_restart(
    served: Running, home: Home
) -> None:
    key = {"Idempotency-Key": "the-same"}

    def ask(**more: Any) -> httpx.Response:
        """On a connection of its own, so that any worker may take it."""
        return httpx.post(f"{served.address}/v1/offers", json=BODY | more, headers=key, timeout=WITHIN_S)

    def told(answer: httpx.Response) -> str:
        assert answer.status_code == 200, answer.text
        return json.dumps(answer.json()["results"])

    first = told(ask())
    decided = {result["decision_id"] for result in json.loads(first)}
    assert {told(ask()) for _ in range(30)} == {first}
    assert {ask(limit=2).status_code for _ in range(30)} == {409}, "another question under the same key"
    before = set(served.workers())
    for pid in before:
        os.kill(pid, signal.SIGTERM)
    served.wait_for(lambda: not before & set(served.workers()) and len(served.loaded()) == 2)
    assert told(ask()) == first
    assert ask(limit=2).status_code == 409
    logged = [d.decision_id for d in read_decisions(home.decisions_db, "live")]
    assert sorted(d for d in logged if d in decided) == sorted(decided)
