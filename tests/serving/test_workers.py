"""Two real services of one bank on one machine, the first with two workers: counts and rates of all."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from features.home import Home
from serving.access.keys import add_key, revoke_key
from serving.cli.clock import now
from tests.serving.conftest import AS_OF
from tests.serving.online_bank import put_online
from tests.serving.running import WITHIN_S, Running, running

RATE = 2


@dataclass(frozen=True)
class Service:
    running: Running
    admin: str

    @property
    def address(self) -> str:
        return self.running.address

    def folder(self) -> Path:
        return Path(psutil.Process(self.running.workers()[0]).environ()["PROMETHEUS_MULTIPROC_DIR"])

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


@pytest.fixture
def services(home: Home, frame, tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    put_online(home, frame, "2026-01-01.1", AS_OF)
    admin = add_key(home, "admin", "test", 1, now())[1]
    rates = {"TENURE_ACCESS": "keys", "TENURE_RATES": f"admin=1000,analyst={RATE}"}
    with ExitStack() as stack:
        first, second = (
            Service(stack.enter_context(running(home, tmp_path / f"log{workers}", workers, **rates)), admin)
            for workers in (2, 1)
        )
        first.running.wait_for(lambda: len(first.counting()) == 2)
        yield first, second


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

    made, gone = add_key(home, "admin", "test", 1, now())
    assert {first.ask(gone) for _ in range(10)} == {200}
    revoke_key(home, made.id, now())
    assert {first.ask(gone) for _ in range(10)} == {401}, "no worker knows it any longer"
    answered = 20.0 + told.count(200) + 10

    dead = first.running.workers()[0]
    first.running.stop_one(dead, signal.SIGKILL)
    first.running.wait_for(lambda: len(first.counting() - {dead}) == 2)
    assert first.counted() == {"200": answered, "401": 10.0, "429": float(told.count(429))}
    assert first.counting() == set(first.running.workers()), "the gauges of who died are gone"
