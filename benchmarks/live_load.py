"""Load over HTTP, in a process of its own: as much as is answered, or open-loop at a fixed rate.

Open-loop means that requests are due at moments drawn beforehand (exponential gaps), whether or not
earlier ones were answered; a latency counts from the moment a request was due. So a service that stalls
is charged for everybody who would have come meanwhile (no coordinated omission).

    python -m benchmarks.live_load CORE PORT PLAN      PLAN: JSON of `Plan`; prints JSON of `Answers`
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import uvloop

CONNECTIONS = 64
SEED = 11


@dataclass(frozen=True)
class Plan:
    """What to ask: the calls of one request in turn, each (path, body) with {id} for a customer.

    rate
        Requests a second; 0 for as many as are answered by `workers` who each wait for their answer.
    """

    calls: Sequence[tuple[str, str]]
    ids: Sequence[str]
    requests: int
    rate: float = 0.0
    workers: int = 16
    connections: int = CONNECTIONS


@dataclass(frozen=True)
class Answers:
    """What came of it; latencies in milliseconds, of those with status 200.

    refused
        Sent away with 429 or 503 and Retry-After; `failed` are all others without status 200.
    """

    answered: int
    refused: int
    failed: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


class Connection(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        self._buffer, self._length = bytearray(), -1
        self._waiter: asyncio.Future[str] | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = True
        if self._waiter and not self._waiter.done():
            self._waiter.set_exception(ConnectionError("closed by the service"))

    def ask(self, request: bytes) -> "asyncio.Future[str]":
        self._buffer.clear()
        self._length, self._waiter = -1, asyncio.get_running_loop().create_future()
        self._transport.write(request)  # type: ignore[attr-defined]
        return self._waiter

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._length < 0:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            told = self._buffer[:head].lower().partition(b"content-length:")[2]
            self._length = head + 4 + int(told.split(b"\r\n", 1)[0])
        if len(self._buffer) >= self._length and self._waiter and not self._waiter.done():
            self._waiter.set_result(_kind(self._buffer))


def _kind(answer: bytearray) -> str:
    status, head = answer[9:12], answer.partition(b"\r\n\r\n")[0].lower()
    if status == b"200":
        return "answered"
    return "refused" if status in (b"429", b"503") and b"\r\nretry-after:" in head else "failed"


def encoded(port: int, plan: Plan) -> list[list[bytes]]:
    """The requests of each customer, as bytes."""
    found = []
    for customer_id in plan.ids:
        calls = []
        for path, body in plan.calls:
            text = body.replace("{id}", customer_id).encode()
            head = (
                f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(text)}\r\n\r\n"
            )
            calls.append(head.encode() + text)
        found.append(calls)
    return found


class Load:
    """Asks on a number of connections to the ports of the calls, one port a call."""

    def __init__(self, ports: Sequence[int], plan: Plan) -> None:
        self._ports, self._plan = ports, plan
        self._bodies = encoded(ports[0], plan)
        self._latencies: list[float] = []
        self._others = {"refused": 0, "failed": 0}

    async def run(self) -> Answers:
        count = self._plan.connections if self._plan.rate else self._plan.workers
        lines = [await self._line() for _ in range(count)]
        start = time.perf_counter()
        await (self._open(lines) if self._plan.rate else self._closed(lines))
        seconds = time.perf_counter() - start
        p50, p99 = np.quantile(self._latencies, (0.5, 0.99)) * 1e3
        return Answers(
            len(self._latencies), **self._others, seconds=seconds, p50=float(p50), p99=float(p99)
        )

    async def _line(self) -> list[Connection]:
        loop = asyncio.get_running_loop()
        return [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for port in self._ports]

    async def _ask(self, line: list[Connection], nth: int, due: float) -> None:
        if any(connection.closed for connection in line):  # a server closes what is idle for long
            line[:] = await self._line()
        for connection, body in zip(line, self._bodies[nth % len(self._bodies)], strict=True):
            told = await connection.ask(body)
            if told != "answered":
                self._others[told] += 1
                return
        self._latencies.append(time.perf_counter() - due)

    async def _closed(self, lines: list[list[Connection]]) -> None:
        numbers = iter(range(self._plan.requests))

        async def worker(line: list[Connection]) -> None:
            for nth in numbers:
                await self._ask(line, nth, time.perf_counter())

        await asyncio.gather(*(worker(line) for line in lines))

    async def _open(self, lines: list[list[Connection]]) -> None:
        gaps = np.random.default_rng(SEED).exponential(1.0 / self._plan.rate, self._plan.requests)
        free, waiting, tasks = deque(lines), deque[tuple[int, float]](), set[asyncio.Task[None]]()

        async def serve(line: list[Connection], nth: int, due: float) -> None:
            await self._ask(line, nth, due)
            while waiting:
                await self._ask(line, *waiting.popleft())
            free.append(line)

        start = time.perf_counter() + 0.05
        for nth, due in enumerate((start + np.cumsum(gaps)).tolist()):
            while (left := due - time.perf_counter()) > 0:
                await asyncio.sleep(left if left > 0.002 else 0)  # the last two milliseconds awake
            if free:
                task = asyncio.create_task(serve(free.popleft(), nth, due))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            else:
                waiting.append((nth, due))
        while tasks:
            await asyncio.gather(*tasks)


def ask(core: int, ports: Sequence[int], plan: Plan) -> Answers:
    """Run the load in a process of its own on one core."""
    command = [sys.executable, "-m", "benchmarks.live_load", str(core), ",".join(map(str, ports))]
    done = subprocess.run(command, input=json.dumps(asdict(plan)), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Answers(**json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("core", type=int)
    parser.add_argument("ports")
    told = parser.parse_args()
    os.sched_setaffinity(0, {told.core})
    plan = Plan(**json.load(sys.stdin))
    load = Load([int(port) for port in told.ports.split(",")], plan)
    print(json.dumps(asdict(uvloop.run(load.run()))))


if __name__ == "__main__":
    main()
