"""Two real workers behind one address: one stops or dies, and who asks again is answered."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pandas as pd
import psutil
import pytest

from features.home import Home
from tests.serving.conftest import AS_OF
from tests.serving.online_bank import put_online

WITHIN_S = 60
ASKING = 3


@dataclass
class Served:
    """A server with two workers, and what those who ask it all the time were told."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path
    told: Counter[str] = field(default_factory=Counter)
    names: "count[int]" = field(default_factory=count)

    def workers(self) -> list[int]:
        return sorted(child.pid for child in psutil.Process(self.process.pid).children())

    def loaded(self) -> set[int]:
        """The workers that have opened the online features."""
        return {pid for pid in self.workers() if _has_open(pid, "online.db")}

    def stop_one(self, pid: int, number: signal.Signals) -> None:
        """Stop one worker, and wait until another has taken its place."""
        os.kill(pid, number)
        self.wait_for(lambda: len(self.loaded() - {pid}) == 2 and pid not in self.workers())

    def wait_for(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not what():
            assert time.monotonic() < deadline and self.process.poll() is None, self.log.read_text()[-2000:]
            time.sleep(0.1)  # between two questions, not for timing

    def ask(self) -> None:
        """One question, as a client asks: again, under the same key, where the connection was closed."""
        body, key = {"customer_ids": ["C0001", "C0002"]}, f"question{next(self.names)}"
        for attempt in ("", "again "):
            try:
                answer = httpx.post(
                    f"{self.address}/v1/offers",
                    json=body,
                    headers={"Idempotency-Key": key},
                    timeout=WITHIN_S,
                )
                self.told[f"{attempt}{answer.status_code}"] += 1
                return
            except httpx.TransportError:
                continue
        self.told["unanswered"] += 1


def _has_open(pid: int, name: str) -> bool:
    try:
        return any(file.path.endswith(name) for file in psutil.Process(pid).open_files())
    except psutil.Error:  # gone meanwhile
        return False


@pytest.fixture
def served(home: Home, frame: pd.DataFrame, tmp_path: Path) -> Iterator[Served]:
    put_online(home, frame, "2026-01-01.1", AS_OF)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tenure, log = str(Path(sys.executable).with_name("tenure")), tmp_path / "log"
    command = [tenure, "serve", "--home", str(home.path), "--port", str(port), "--workers", "2"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    served = Served(f"http://127.0.0.1:{port}", process, log)
    try:
        served.wait_for(lambda: len(served.loaded()) == 2)
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def test_workers_that_stop_or_die_leave_nobody_unanswered_who_asks_again(served: Served) -> None:
    done = threading.Event()

    def keep_asking() -> None:
        while not done.is_set():
            served.ask()

    asking = [threading.Thread(target=keep_asking) for _ in range(ASKING)]
    for one in asking:
        one.start()
    try:
        first, second = served.workers()
        served.stop_one(first, signal.SIGTERM)
        stopped = served.told.copy()
        served.stop_one(second, signal.SIGKILL)
    finally:
        done.set()
        for one in asking:
            one.join()
    assert set(served.told) <= {"200", "again 200"}, served.told
    assert served.told.total() > stopped.total(), "the other answers while one is dead"
    assert served.told["again 200"] - stopped["again 200"] <= ASKING, "who dies loses what it held, no more"
    assert len(served.workers()) == 2, "who died is replaced"
