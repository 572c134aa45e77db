"""Token buckets: how often somebody may ask, and how often a key may be tried with a wrong secret."""

import math
from collections import OrderedDict
from collections.abc import Callable

from serving.api.problems import Problem

__all__ = ["Limits"]

_MAX_KEPT = 10_000


class Limits:
    """One bucket a name: `rate` tokens a second flow in, up to one second's worth or `burst`.

    At most 10,000 buckets are kept; the one that was asked longest ago goes first, and starts full again.

    Parameters
    ----------
    tick
        A clock in seconds that never goes back; time.monotonic.
    workers
        How many processes answer side by side: each gives its share, so that all together keep to the
        rate, and no request waits for another process. Who asks over few connections may reach few of
        them, and so get less than the rate, never more; but each gives at least one token at once.
    """

    def __init__(self, tick: Callable[[], float], workers: int = 1) -> None:
        self._tick, self._workers = tick, workers
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, rate: float, burst: float | None = None) -> None:
        """Take one token; `rate` and `burst` are those of all workers together.

        Raises
        ------
        Problem
            429 with Retry-After in whole seconds, where the bucket is empty.
        """
        now, size = self._tick(), max(1.0, (rate if burst is None else burst) / self._workers)
        rate /= self._workers
        left, at = self._buckets.pop(name, (size, now))
        left = min(size, left + (now - at) * rate)
        self._buckets[name] = (left - 1 if left >= 1 else left, now)
        if len(self._buckets) > _MAX_KEPT:
            self._buckets.popitem(last=False)
        if left < 1:
            wait = math.ceil((1 - left) / rate)
            raise Problem(429, "too many requests; see Retry-After", headers={"Retry-After": str(wait)})
