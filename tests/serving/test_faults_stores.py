"""The online store is killed, hangs, is locked or damaged: answers say so, and no restart is needed."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from features.home import Home
from features.online.storage import open_storage
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.columns import from_frame
from serving.deciding.adviser import adviser_of
from serving.live import load_live
from tests.features.online_rows import redis_server
from tests.serving.conftest import AS_OF
from tests.serving.online_bank import put_online, view_of

_KINDS = {"int64": pa.int64(), "string": pa.string()}


def _put_in_redis(home: Home, frame: pd.DataFrame, url: str) -> None:
    view, columns = view_of(frame), from_frame(frame)
    stamp = pa.array([AS_OF] * len(frame), pa.timestamp("us", "UTC"))
    rows = {name: pa.array(columns[name], _KINDS[dtype]) for name, dtype in view.fields}
    ids = pa.array(columns["customer_id"])
    with closing(open_storage(home, url)) as storage:
        generation = storage.begin("2026-01-01.1", AS_OF, (view,))
        storage.load(
            generation,
            pa.record_batch({"customer_id": ids, "as_of": stamp, "created_at": stamp, **rows}),
        )
        storage.flip(generation)


@contextmanager
def _again(url: str, folder: Path) -> Iterator[None]:
    """A Redis at an address where one was before."""
    port = url.rpartition(":")[2].partition("/")[0]
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert any("Ready to accept connections" in line for line in server.stdout or ())
            yield
        finally:
            server.terminate()


def _command(url: str, words: str) -> str:
    host, _, port = url.removeprefix("redis://").partition("/")[0].partition(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(f"{words}\r\n".encode())
        return line.recv(65_536).decode()


def _pid(url: str) -> int:
    return int(_command(url, "INFO server").partition("process_id:")[2].split()[0])


class _Asked:
    """A served bank; `told` is what it answers about one customer on both routes."""

    def __init__(self, home: Home, url: str, who: str) -> None:
        live = load_live(home, None, url)
        adviser = adviser_of(live, home, "pepper")
        app = create_app(Desk(lambda: adviser), lambda: datetime(2026, 1, 2, tzinfo=UTC))
        self._client, self._who = TestClient(app), who

    def told(self) -> list[dict[str, Any]]:
        found = []
        for path in ("/v1/scores", "/v1/offers"):
            answer = self._client.post(path, json={"customer_ids": [self._who]})
            assert answer.status_code == 200, answer.text
            found += answer.json()["results"]
        return found

    def is_honest(self) -> bool:
        """Whether both say that features are not there, and nothing else."""
        told = self.told()
        numbers = [one.get(part) for one in told for part in ("churn", "value", "propensity", "offers")]
        said = {(one["status"], *one["reasons"]) for one in told}
        return said == {("abstain", "features_unavailable")} and not any(numbers)


@pytest.fixture
def who(frame: pd.DataFrame) -> str:
    return str(frame.loc[frame["consent_profiling"] == 1, "customer_id"].iloc[0])


def _without_ids(told: list[dict[str, Any]]) -> str:
    return json.dumps([{k: v for k, v in one.items() if k != "decision_id"} for one in told])


def test_a_redis_that_hangs_or_dies_is_said_so_and_is_back_without_a_restart(
    home: Home, frame: pd.DataFrame, who: str, tmp_path: Path
) -> None:
    with redis_server(tmp_path) as url:
        _put_in_redis(home, frame, url)
        asked = _Asked(home, url, who)
        before, pid = _without_ids(asked.told()), _pid(url)
        os.kill(pid, signal.SIGSTOP)
        try:
            assert asked.is_honest()
        finally:
            os.kill(pid, signal.SIGCONT)
        assert _without_ids(asked.told()) == before, "an answer that came too late is nobody else's"
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert asked.is_honest()
        with _again(url, tmp_path):
            assert asked.is_honest(), "an empty store is no store"
            _put_in_redis(home, frame, url)
            assert _without_ids(asked.told()) == before


def test_a_slow_redis_is_waited_for_within_bounds_and_the_first_answer_after_it_is_right(
    home: Home, frame: pd.DataFrame, who: str, tmp_path: Path
) -> None:
    with redis_server(tmp_path) as url:
        _put_in_redis(home, frame, url)
        asked = _Asked(home, url, who)
        right = _without_ids(asked.told())
        _command(url, "CLIENT PAUSE 300 ALL")
        assert _without_ids(asked.told()) == right
        _command(url, "CLIENT PAUSE 2500 ALL")
        reasons = [one["reasons"] for one in asked.told()]
        assert reasons[0] == ["features_unavailable"]
        while (told := _without_ids(asked.told())) != right:  # each waits for Redis, none for long
            assert "features_unavailable" in told


def test_a_file_that_is_locked_or_damaged_is_said_so_and_is_back_without_a_restart(
    home: Home, frame: pd.DataFrame, who: str
) -> None:
    put_online(home, frame, "2026-01-01.1", AS_OF)
    asked = _Asked(home, "", who)
    before = _without_ids(asked.told())
    with closing(sqlite3.connect(home.online_db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert _without_ids(asked.told()) == before, "a writer keeps no reader waiting"
        other.execute("ROLLBACK")
    whole = home.online_db.read_bytes()
    home.online_db.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert _without_ids(asked.told()) == before or asked.is_honest(), (
        "what was read before may be known yet"
    )
    home.online_db.unlink()
    home.online_db.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert asked.is_honest()
    home.online_db.write_bytes(whole)
    assert _without_ids(asked.told()) == before
