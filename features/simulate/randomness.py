"""Streams of random numbers and times, keyed so that a month draws the same whoever asks for it."""

import calendar
import zlib
from datetime import UTC, datetime, timedelta

import numpy as np

from features.errors import InputError

__all__ = ["DAY", "boundary", "month_number", "stream"]

DAY = 86_400_000_000
"""Microseconds of a day."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stream(seed: int, month: int, purpose: str) -> np.random.Generator:
    """A generator of its own for one month and one purpose; month -1 is the founding.

    A new draw for one purpose so never shifts the draws for another.
    """
    return np.random.default_rng([seed, month + 1, zlib.crc32(purpose.encode())])


def month_number(end: datetime) -> int:
    """Months since year 0.

    Raises
    ------
    InputError
        If `end` is naive or not a UTC midnight.
    """
    if end.tzinfo is None or (end.astimezone(UTC) - _EPOCH) % timedelta(days=1):
        raise InputError(
            f"end {end.isoformat()}: not a UTC midnight; cure: give a date, such as 2026-11-01T00:00Z"
        )
    utc = end.astimezone(UTC)
    return utc.year * 12 + utc.month - 1


def boundary(number: int, day: int) -> int:
    """Midnight of `day` in a month, in microseconds since 1970; a short month ends earlier.

    >>> boundary(2024 * 12 + 1, 31) == boundary(2024 * 12 + 1, 29)
    True
    """
    year, month = divmod(number, 12)
    day = min(day, calendar.monthrange(year, month + 1)[1])
    return (datetime(year, month + 1, day, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
