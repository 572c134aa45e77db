"""What operators see of the service, as Prometheus counts it: no id, no value, no label without bound."""

import logging
import os
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from features.settings import metrics_folder
from serving.deciding.adviser import Adviser

__all__ = ["CONTENT_TYPE", "Item", "Metrics"]

_LOG = logging.getLogger("tenure.metrics")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REQUEST_S = (0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4)
_LOOK_S = 1.0
_Mode = Literal["livemax", "livemin", "livesum"]
_COMMIT_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)


class Item(Protocol):
    """The answer about one customer."""

    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def reasons(self) -> tuple[str, ...]: ...  # noqa: D102


class _Swaps(Protocol):
    swaps: int
    refused: int

    @property
    def age(self) -> float: ...


class Metrics:
    """Counters and gauges of one process; with several workers a scrape of any tells of all together.

    Workers share files in the folder that BentoML names (PROMETHEUS_MULTIPROC_DIR): counters and
    histograms are sums, of gauges the worst of the living workers is shown. Without that folder the
    process tells of itself.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "tenure_requests_total", "Requests answered", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            *("tenure_request_seconds", "From a request to the end of its answer", ["route"]),
            registry=registry,
            buckets=_REQUEST_S,
        )
        self._items = Counter(
            "tenure_items_total", "Customers answered about", ["route", "status"], registry=registry
        )
        self._reasons = Counter(
            "tenure_item_reasons_total", "Reasons of items by kind", ["kind"], registry=registry
        )
        self._commit = Histogram(
            *("tenure_log_commit_seconds", "Writing a group of decisions or outcomes to disk"),
            registry=registry,
            buckets=_COMMIT_S,
        )
        self._uncommitted = Counter(
            "tenure_log_failures_total", "Groups that could not be written", registry=registry
        )
        self._swaps = Counter("tenure_swaps_total", "Champions that came into force", registry=registry)
        self._refused = Counter(
            "tenure_swaps_refused_total", "Champions that were refused", registry=registry
        )
        self._gauges(registry)
        # What was labelled once is kept: to find it anew costs more than to count. Labels are few.
        self._counted = cache(self._count)
        self._item = cache(self._items.labels)
        self._known = (0, 0)
        self._models: set[str] = set()

    def _gauges(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, labels: Iterable[str] = (), mode: _Mode = "livemax") -> Gauge:
            return Gauge(f"tenure_{name}", text, labels, registry=registry, multiprocess_mode=mode)

        self._version = gauge("model_version", "In force; 0: none", ["model"], "livemin")
        self._features_age = gauge("features_age_seconds", "Since the online features were taken")
        self._features_as_of = gauge("features_as_of_seconds", "When, in Unix time", (), "livemin")
        self._unconfirmed = gauge("champions_unconfirmed_seconds", "Since these were the right ones")
        self._waiting = gauge("waiting_requests", "Questions at the desk", (), "livesum")
        self._events = gauge("waiting_events", "Questions with events to apply", (), "livesum")

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answer; `route` is one of the table, or "other"."""
        count, times = self._counted(route, status)
        count.inc()
        times.observe(seconds)

    def _count(self, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(route, str(status)), self._seconds.labels(route)

    def told(self, route: str, items: Sequence[Item]) -> None:
        """Count the items of one answer, and their reasons by what stands before the colon."""
        for status, number in Tally(item.status for item in items).items():
            self._item(route, status).inc(number)
        reasons = (reason for item in items for reason in item.reasons)
        for kind, number in Tally(reason.partition(":")[0] for reason in reasons).items():
            self._reasons.labels(kind).inc(number)

    def committed(self, seconds: float, kept: bool) -> None:
        """Count one group of the decision log, written or not."""
        self._commit.observe(seconds)
        if not kept:
            self._uncommitted.inc()

    def waiting(self, requests: int, events: int) -> None:
        """Say how many questions wait in this process."""
        self._waiting.set(requests)
        self._events.set(events)

    def swapped(self, swaps: _Swaps) -> None:
        """Take over what was swapped and refused since the last time."""
        before, self._known = self._known, (swaps.swaps, swaps.refused)
        self._swaps.inc(self._known[0] - before[0])
        self._refused.inc(self._known[1] - before[1])
        self._unconfirmed.set(swaps.age)

    def in_force(self, adviser: Adviser, now: Callable[[], datetime]) -> None:
        """Say which models and features answer; a simulated bank's present is the end of its history."""
        live = adviser.live
        versions = {name: int(version.version) for name, (_, version) in live.scorer.models.items()}
        for name in self._models - set(versions):
            self._version.labels(name).set(0)
        for name, version in versions.items():
            self._version.labels(name).set(version)
        self._models |= set(versions)
        present = now() if live.clock else live.as_of
        self._features_age.set((present - live.as_of).total_seconds())
        self._features_as_of.set(live.as_of.timestamp())

    def start(self, look: Callable[[], None]) -> None:
        """Call `look` every second, in a thread of its own, so that gauges are current in every worker."""

        def run() -> None:
            while True:
                try:
                    look()
                except Exception as error:
                    # The next look may succeed; without a thread gauges would stand still for good.
                    _LOG.warning("gauges are not current: %s", type(error).__name__)
                time.sleep(_LOOK_S)

        threading.Thread(target=run, name="tenure-metrics", daemon=True).start()

    def text(self) -> bytes:
        """All of it, of all workers, in Prometheus' text format."""
        folder = metrics_folder()
        if folder is None:
            return generate_latest(self._registry)
        _bury(folder)
        shared = CollectorRegistry()
        MultiProcessCollector(shared, str(folder))  # type: ignore[no-untyped-call]
        return generate_latest(shared)


def _bury(folder: Path) -> None:
    """Take the gauges of workers that died away: what they said last is no more; what they counted is."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker did it at the same time
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
