"""A full decision over HTTP, beside a floor and beside what one would otherwise assemble.

(a) a bare uvicorn app that predicts with one LightGBM model from memory; (b) `feast serve` and `mlflow
models serve`, called in turn: one model, no policy, no log; (c) `POST /v1/offers` for one customer: all
features, all models, policy, prices, the choice among 40 options, reasons, and the decision on disk.

Each service has one core, the load another. First as many requests as are answered, by 16 who wait for
their answer; then open-loop at a tenth and at 70% of that rate (`benchmarks.live_load`).

`make bench-live SIZE=small|full`; the bank stays in HOME_DIR/live.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.live_load import Answers, ask
from benchmarks.live_services import assembled, bank, decisions, floor, megabytes, plan
from benchmarks.live_stages import stages
from benchmarks.table import write_table
from features.home import Home
from features.settings import quiet_environment, read_settings

CUSTOMERS = {"small": 3_000, "full": 5_000}
SECONDS = {"small": 6.0, "full": 12.0}
ASKED = {"small": 5_000, "full": 200_000}
SERVICE_CORE, LOAD_CORE = 0, 1
HEAVY = 0.7

Service = AbstractContextManager[tuple[psutil.Process, list[int], list[tuple[str, str]]]]


class Measured(NamedTuple):
    """Of one service: as much as it answers, a tenth of that, 70% of it; MB before and after."""

    most: Answers
    light: Answers
    heavy: Answers
    before: float
    after: float

    def cells(self) -> list[str]:
        times = [self.light.p50, self.light.p99, self.heavy.p50, self.heavy.p99]
        failed = sum(one.refused + one.failed for one in (self.most, self.light, self.heavy))
        grown = f"{self.before:.0f} to {self.after:.0f}"
        return [f"{self.most.rate:,.0f}", *(f"{ms:.2f}" for ms in times), grown, f"{failed:,}"]


def measure(service: Service, ids: list[str], size: str) -> Measured:
    with service as (process, ports, calls):
        warm = ask(LOAD_CORE, ports, plan(calls, ids, 100))

        def loaded(rate: float, most: float) -> Answers:
            return ask(LOAD_CORE, ports, plan(calls, ids, max(50, int(SECONDS[size] * most)), rate))

        most = loaded(0.0, warm.rate)
        before = megabytes(process)
        light, heavy = (loaded(share * most.rate, share * most.rate) for share in (0.1, HEAVY))
        return Measured(most, light, heavy, before, megabytes(process))


def memory(home: Home, ids: list[str], requests: int) -> tuple[float, float]:
    """MB of our service after a tenth of so many requests, and after all."""
    with decisions(home, SERVICE_CORE) as (process, ports, calls):
        ask(LOAD_CORE, ports, plan(calls, ids, requests // 10))
        before = megabytes(process)
        ask(LOAD_CORE, ports, plan(calls, ids, requests - requests // 10))
        return before, megabytes(process)


def verdict(floor: Measured, others: Measured, ours: Measured) -> str:
    """Our figures as shares and multiples of the others'."""
    return (
        f"Ours to (a): p50 {ours.light.p50 / floor.light.p50:.1f}x at a tenth of each one's rate, "
        f"{ours.heavy.p50 / floor.heavy.p50:.1f}x at 70%, {ours.most.rate / floor.most.rate:.2f} of the "
        f"throughput; to (b): {ours.most.rate / others.most.rate:.1f}x the throughput, "
        f"{others.light.p50 / ours.light.p50:.1f}x faster at p50; p99 is "
        f"{ours.heavy.p99 / ours.heavy.p50:.1f}x p50 at 70% load."
    )


def asked_for(description: str | None) -> tuple[str, Home]:
    """The size that the command line names, and where the bank of these benchmarks lives."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--size", choices=sorted(CUSTOMERS), default="small")
    size: str = parser.parse_args().size
    quiet_environment()
    return size, Home(read_settings().home / "live")


def main() -> None:
    size, home = asked_for(__doc__)
    start = time.perf_counter()
    print(f"a bank of {CUSTOMERS[size]:,} customers in {home.path}")
    ids = bank(home, CUSTOMERS[size])
    services: dict[str, Callable[[Path], Service]] = {
        "(a) uvicorn, one model": lambda folder: floor(home, folder, SERVICE_CORE),
        "(b) feast serve + mlflow models serve": lambda folder: assembled(home, folder, SERVICE_CORE),
        "(c) Tenure, full decision": lambda _: decisions(home, SERVICE_CORE),
    }
    found = {}
    for name, service in services.items():
        print(name)
        with tempfile.TemporaryDirectory() as folder:
            found[name] = measure(service(Path(folder)), ids, size)
    before, after = memory(home, ids, ASKED[size])
    head = ["service", "requests/s", "p50 ms at 10%", "p99", "p50 ms at 70%", "p99", "MB", "failed"]
    note = (
        f"{verdict(*found.values())} Memory over {ASKED[size]:,} requests: {before:.0f} to {after:.0f} MB "
        f"({after / before - 1:+.1%}).\n\n{stages(home, ids)}\n\n"
        f"{len(ids):,} customers to whom something is offered, of {CUSTOMERS[size]:,} simulated, in turn, "
        "with reasons for the offer; one core a service, the load on another, exponential gaps, latency "
        f"from the moment a request was due. {time.perf_counter() - start:.0f} s in all."
    )
    write_table("live", size, head, [[name, *one.cells()] for name, one in found.items()], note)


if __name__ == "__main__":
    main()
