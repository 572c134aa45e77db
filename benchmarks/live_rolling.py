"""Workers replaced one after the other while questions come: how many are lost by who never asks twice.

Two workers behind one address; half of those who ask keep their connection, half open one for each.
`python -m benchmarks.live_rolling --size small|full`; the bank is that of `benchmarks.live`.
"""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from statistics import median

import psutil

from benchmarks.live import CUSTOMERS, SERVICE_CORE, asked_for
from benchmarks.live_services import BIN, bank, free_port, started
from benchmarks.table import write_table
from features.home import Home

RESTARTS = {"small": 10, "full": 50}
ASKING = 2
"""Who ask all the time, on each kind of connection."""
WITHIN_S = 120
PAUSE_S = 0.02
"""Between two questions of one asker: a worker that starts needs its share of the core."""


class Asking(threading.Thread):
    """Asks until told to stop; `told` counts statuses, and errors by their name."""

    def __init__(self, port: int, ids: Sequence[str], keeps: bool) -> None:
        super().__init__()
        self.told: Counter[str] = Counter()
        self.keeps, self._ids, self._port = keeps, cycle(ids), port
        self.done = threading.Event()

    def run(self) -> None:
        line = HTTPConnection("127.0.0.1", self._port, timeout=WITHIN_S)
        while not self.done.is_set():
            body = json.dumps({"customer_ids": [next(self._ids)]})
            try:
                line.request("POST", "/v1/offers", body, {"Content-Type": "application/json"})
                answer = line.getresponse()
                answer.read()
                self.told[str(answer.status)] += 1
            except (HTTPException, OSError) as error:
                self.told[type(error).__name__] += 1
                line.close()
            if not self.keeps:
                line.close()
            self.done.wait(PAUSE_S)
        line.close()


def replace_one(service: psutil.Process) -> float:
    """Stop the eldest worker; seconds until another has read the features."""
    eldest, begun = min(service.children(), key=psutil.Process.create_time), time.monotonic()
    os.kill(eldest.pid, signal.SIGTERM)
    while eldest.is_running() or sum(map(has_read, service.children())) < 2:
        if time.monotonic() - begun > WITHIN_S:
            raise RuntimeError("a stopped worker is not replaced")
        time.sleep(0.05)
    return time.monotonic() - begun


def has_read(worker: psutil.Process) -> bool:
    try:
        return any(file.path.endswith("online.db") for file in worker.open_files())
    except psutil.Error:
        return False


def rolling(home: Home, ids: Sequence[str], restarts: int) -> tuple[list[list[str]], str]:
    """A row for each kind of connection, and how long a replacement took."""
    port = free_port()
    command = [BIN / "tenure", "serve", "--home", home.path, "--port", port, "--workers", 2]
    with started(command, port, "/readyz", SERVICE_CORE, {"TENURE_ACCESS": "off"}) as service:
        while sum(map(has_read, service.children())) < 2:
            time.sleep(0.1)
        asking = [Asking(port, ids, keeps=n % 2 == 0) for n in range(2 * ASKING)]
        for one in asking:
            one.start()
        seconds = []
        for nth in range(1, restarts + 1):
            seconds.append(replace_one(service))
            told = sum((one.told.copy() for one in asking), Counter[str]())
            print(f"{nth} of {restarts} workers replaced, {seconds[-1]:.1f} s; {dict(told)}", flush=True)
        for one in asking:
            one.done.set()
        for one in asking:
            one.join()
    rows = []
    for keeps in (True, False):
        told = sum((one.told for one in asking if one.keeps is keeps), Counter[str]())
        lost = {name: count for name, count in told.items() if name != "200"}
        rows.append(["kept" if keeps else "new each time", f"{told['200']:,}", f"{lost or 0}"])
    return rows, f"{restarts} workers replaced, {median(seconds):.1f} s each (median)."


def main() -> None:
    size, home = asked_for(__doc__)
    rows, note = rolling(home, bank(home, CUSTOMERS["small"]), RESTARTS[size])
    head = ["connection", "answered", "lost"]
    write_table("live-rolling", size, head, rows, f"{note} Nobody asked twice.")


if __name__ == "__main__":
    main()
