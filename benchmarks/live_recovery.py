"""The online store stops, dies and comes back: how soon answers say so, and how soon they are whole again.

A worker reads from Redis; one asks for scores all the time. An answer is whole if it is what it was before,
honest if it says that features are not there (or is 503 with Retry-After), and else a lie.
`python -m benchmarks.live_recovery --size small|full`; the bank is that of `benchmarks.live`.
"""

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from benchmarks.live import CUSTOMERS, SERVICE_CORE, asked_for
from benchmarks.live_services import BIN, bank, free_port, started, tenure
from benchmarks.table import write_table
from features.home import Home

TIMES = {"small": 3, "full": 20}
AWAY_S = 2.0
"""How long the store is away."""
WITHIN_S = 30.0


class Told(NamedTuple):
    """One answer: when it was asked for and came, by the monotonic clock, and what it was."""

    asked: float
    came: float
    kind: str


class Asking(threading.Thread):
    """Asks about one customer until told to stop."""

    def __init__(self, port: int, customer_id: str) -> None:
        super().__init__(daemon=True)
        self.told: list[Told] = []
        self.done = threading.Event()
        self._line = HTTPConnection("127.0.0.1", port, timeout=WITHIN_S)
        self._body = json.dumps({"customer_ids": [customer_id]})
        self._whole = self._ask()

    def run(self) -> None:
        while not self.done.wait(0.005):
            asked = time.monotonic()
            found = self._ask()
            self.told.append(Told(asked, time.monotonic(), self._kind(*found)))

    def _ask(self) -> tuple[int, str]:
        self._line.request("POST", "/v1/scores", self._body, {"Content-Type": "application/json"})
        answer = self._line.getresponse()
        told = json.loads(answer.read())
        if answer.status != 200:
            return answer.status, answer.getheader("Retry-After", "")
        [one] = told["results"]
        return answer.status, json.dumps(one, sort_keys=True)

    def _kind(self, status: int, text: str) -> str:
        if (status, text) == self._whole:
            return "whole"
        if status == 200:
            return "honest" if json.loads(text)["reasons"] == ["features_unavailable"] else "a lie"
        return "honest" if status == 503 and text else "a lie"


class Store:
    """A Redis that keeps what it was told over a kill."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self.start()

    def start(self) -> None:
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            ["redis-server", *where, "--save", "", "--appendonly", "yes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not self._serves():
            time.sleep(0.005)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def _serves(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port)) as line:
                line.sendall(b"PING\r\n")
                return line.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def hanging(store: Store) -> Iterator[None]:
    store.signal(signal.SIGSTOP)
    yield
    store.signal(signal.SIGCONT)


@contextmanager
def killed(store: Store) -> Iterator[None]:
    store.stop()
    yield
    store.start()


def away(kind: str, store: Store, asking: Asking) -> tuple[float, float]:
    """The slowest answer while the store is away, and from its return to the first whole answer; in s."""
    begun = time.monotonic()
    with {"hangs": hanging, "killed": killed}[kind](store):
        time.sleep(AWAY_S)
    back = time.monotonic()
    while not (whole := [one for one in asking.told if one.asked > back and one.kind == "whole"]):
        if time.monotonic() > back + WITHIN_S:
            raise RuntimeError("answers are not whole again")
        time.sleep(0.01)
    during = [one.came - one.asked for one in asking.told if begun < one.came and one.asked < back]
    return max(during, default=0.0), whole[0].came - back


def recovery(home: Home, who: str, times: int) -> list[list[str]]:
    """A row for each fault."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        store, port = Store(Path(folder)), free_port()
        far = {"TENURE_ONLINE": f"redis://127.0.0.1:{store.port}/0", "TENURE_ACCESS": "off"}
        os.environ.update(far)
        tenure(home, "features", "materialize")
        command = [BIN / "tenure", "serve", "--home", home.path, "--port", port]
        with started(command, port, "/readyz", SERVICE_CORE, far):
            asking = Asking(port, who)
            asking.start()
            for kind in ("hangs", "killed"):
                since = len(asking.told)
                found = [away(kind, store, asking) for _ in range(times)]
                told = [one.kind for one in asking.told[since:]]
                counts = [f"{told.count(word):,}" for word in ("whole", "honest", "a lie")]
                slowest, recovered = (max(one) for one in zip(*found, strict=True))
                rows.append([kind, str(times), *counts, f"{slowest:.2f}", f"{recovered:.2f}"])
                print(rows[-1], flush=True)
            asking.done.set()
            asking.join()
        store.stop()
    return rows


def main() -> None:
    size, home = asked_for(__doc__)
    rows = recovery(home, bank(home, CUSTOMERS["small"])[0], TIMES[size])
    head = ["the store", "times", "whole answers", "honest", "lies", "slowest answer meanwhile, s"]
    note = f"Redis is away for {AWAY_S:.0f} s each time; recovery: from its return to a whole answer."
    write_table("live-recovery", size, [*head, "slowest recovery, s"], rows, note)


if __name__ == "__main__":
    main()
