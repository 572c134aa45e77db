"""Two real services of one bank on one machine, the first with two workers: counts and rates of all."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from features.home import Home
from serving.access.keys import add_key
from serving.cli.clock import now
from tests.serving.conftest import AS_OF
from tests.serving.online_bank import put_online

WITHIN_S = 60
RATE = 2


@dataclass(frozen=True)
class Service:
    address: str
    process: subprocess.Popen[bytes]
    log: Path
    admin: str

    def wait_for(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not what():
            assert time.monotonic() < deadline and self.process.poll() is None, self.log.read_text()[-2000:]
            time.sleep(0.1)  # between two questions, not for timing

    def workers(self) -> list[int]:
        return sorted(child.pid for child in psutil.Process(self.process.pid).children())

    def folder(self) -> Path:
        return Path(psutil.Process(self.workers()[0]).environ()["PROMETHEUS_MULTIPROC_DIR"])

    def counting(self) -> set[int]:
        """Workers that say every second how they are."""
        return {int(p.stem.rpartition("_")[2]) for p in self.folder().glob("gauge_livesum_*.db")}

    def ask(self, key: str) -> int:
        """One question on a connection of its own, so that any worker may take it."""
        head = {"Authorization": f"Bearer {key}"}
        return httpx.get(f"{self.address}/v1/models", headers=head, timeout=WITHIN_S).status_code

    def counted(self) -> dict[str, float]:
        """By status, how many such questions were answered."""
        head = {"Authorization": f"Bearer {self.admin}"}
        text = httpx.get(f"{self.address}/metrics", headers=head, timeout=WITHIN_S).text
        samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
        return {
            s.labels["status"]: s.value
            for s in samples
            if s.name == "tenure_requests_total" and s.labels["route"] == "/v1/models"
        }


@contextmanager
def _service(home: Home, workers: int, log: Path, admin: str) -> Iterator[Service]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tenure = str(Path(sys.executable).with_name("tenure"))
    command = [tenure, "serve", "--home", str(home.path), "--port", str(port), "--workers", str(workers)]
    rates = {"TENURE_ACCESS": "keys", "TENURE_RATES": f"admin=1000,analyst={RATE}"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, start_new_session=True, env={**os.environ, **rates}
        )
    try:
        yield Service(f"http://127.0.0.1:{port}", process, log, admin)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@pytest.fixture
def services(home: Home, frame, tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    put_online(home, frame, "2026-01-01.1", AS_OF)
    admin = add_key(home, "admin", "test", 1, now())[1]
    with ExitStack() as stack:
        both = [
            stack.enter_context(_service(home, workers, tmp_path / f"log{workers}", admin))
            for workers in (2, 1)
        ]
        for service, workers in zip(both, (2, 1), strict=True):
            service.wait_for(lambda s=service, n=workers: len(s.workers()) == n and len(s.counting()) == n)
        yield both[0], both[1]


def test_workers_count_and_limit_together_and_services_apart(
    services: tuple[Service, Service], home: Home
) -> None:
    first, second = services
    assert first.folder() != second.folder()
    assert [first.ask(first.admin) for _ in range(20)] == [200] * 20
    assert [second.ask(second.admin) for _ in range(3)] == [200] * 3
    for _ in range(5):  # whichever worker is asked
        assert first.counted() == {"200": 20.0}
        assert second.counted() == {"200": 3.0}

    slow, begun = add_key(home, "analyst", "test", 1, now())[1], time.monotonic()
    told = [first.ask(slow) for _ in range(30)]
    most = RATE + RATE * (time.monotonic() - begun)
    assert set(told) == {200, 429} and told.count(200) <= most

    dead = first.workers()[0]
    os.kill(dead, signal.SIGKILL)
    first.wait_for(lambda: dead not in first.workers() and len(first.counting() - {dead}) == 2)
    assert first.counted() == {"200": 20.0 + told.count(200), "429": float(told.count(429))}
    assert first.counting() == set(first.workers()), "the gauges of who died are gone"
