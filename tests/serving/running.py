"""The real service, started by `tenure serve` on a free port; its workers can be watched and stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from features.home import Home

__all__ = ["Running", "running"]

WITHIN_S = 300
"""A busy machine may need so long; nothing waits for it where all is well."""


@dataclass(frozen=True)
class Running:
    """A service and what it writes; `stop_one` and the like return when the other state is reached."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def workers(self) -> list[int]:
        return sorted(child.pid for child in psutil.Process(self.process.pid).children())

    def loaded(self) -> set[int]:
        """The workers that have opened the online features."""
        return {pid for pid in self.workers() if _has_open(pid, "online.db")}

    def stop_one(self, pid: int, number: signal.Signals) -> None:
        """Stop one worker, and wait until another has taken its place."""
        many = len(self.workers())
        os.kill(pid, number)
        self.wait_for(lambda: pid not in self.workers() and len(self.loaded() - {pid}) == many)

    def wait_for(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not what():
            assert time.monotonic() < deadline and self.process.poll() is None, self.log.read_text()[-2000:]
            time.sleep(0.1)  # between two questions, not for timing

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/readyz", timeout=WITHIN_S).status_code == 200
        except httpx.TransportError:
            return False


def _has_open(pid: int, name: str) -> bool:
    try:
        return any(file.path.endswith(name) for file in psutil.Process(pid).open_files())
    except psutil.Error:  # gone meanwhile
        return False


@contextmanager
def running(home: Home, log: Path, workers: int = 1, **settings: str) -> Iterator[Running]:
    """A service of a bank, once all its workers have read its features."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tenure = str(Path(sys.executable).with_name("tenure"))
    command = [tenure, "serve", "--home", str(home.path), "--port", str(port), "--workers", str(workers)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, start_new_session=True, env={**os.environ, **settings}
        )
    service = Running(f"http://127.0.0.1:{port}", process, log)
    try:
        service.wait_for(lambda: len(service.loaded()) == workers and service.is_ready())
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=WITHIN_S)
