"""At which moments features are taken, and which of them a history supports."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import CorruptError, InputError, RefusedError, first_five
from features.history.contract import TABLES
from features.history.read import connect
from features.history.tables import ARROW, derived
from features.home import Home
from features.months import months_before
from features.settings import Settings

__all__ = ["iso", "snapshot_moments", "supported_moments"]

MIN_OBSERVED_DAYS = 180
MAX_SILENT_DAYS = 7


@lru_cache(maxsize=256)  # every answer tells the same few moments
def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second.

    >>> iso(datetime(2024, 3, 31, tzinfo=UTC))
    '2024-03-31T00:00:00Z'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def snapshot_moments(as_of: datetime, months: int, every: int = 1) -> list[datetime]:
    """as_of, and the same day of earlier months (the last day where a month is shorter), rising.

    Of the earlier months, up to `months` before as_of, those count whose number since year 0 is a
    multiple of `every`: so a later as_of shares its older snapshots with an earlier one.

    >>> [f"{m:%m-%d}" for m in snapshot_moments(datetime(2024, 3, 31, tzinfo=UTC), 2)]
    ['01-31', '02-29', '03-31']
    >>> [f"{m:%Y-%m}" for m in snapshot_moments(datetime(2026, 2, 1, tzinfo=UTC), 8, every=3)]
    ['2025-07', '2025-10', '2026-01', '2026-02']
    """
    number = as_of.year * 12 + as_of.month - 1
    backs = [back for back in range(months, 0, -1) if (number - back) % every == 0]
    return [months_before(as_of, back) for back in (*backs, 0)]


def supported_moments(
    home: Home, as_of: datetime, months: int, settings: Settings, every: int
) -> tuple[datetime, ...]:
    """The moments of `snapshot_moments` that a bank's history can support, as_of among them.

    Raises
    ------
    InputError
        If as_of is not a UTC midnight, or months or every is too small.
    NotReadyError
        If there is no history.
    CorruptError
        If history lacks a column of the contract, or holds it in another type.
    RefusedError
        If history ends long before as_of, or begins less than 180 days before it.
    """
    midnight = as_of.tzinfo is not None and as_of.astimezone(UTC).time() == datetime.min.time()
    if not midnight or months < 0 or every < 1:
        raise InputError(
            "as_of must be a UTC midnight, months at least 0, every at least 1: "
            f"got {as_of}, {months}, {every}"
        )
    connection = connect(home, settings.threads, settings.memory)
    _check_columns(home)
    first, last = _span(connection)
    if as_of - last > timedelta(days=MAX_SILENT_DAYS):
        raise RefusedError(
            f"history ends {last:%Y-%m-%d}, more than {MAX_SILENT_DAYS} days before "
            f"as_of {as_of:%Y-%m-%d}; cure: import newer history, or build at an earlier as_of"
        )
    observed = timedelta(days=MIN_OBSERVED_DAYS)
    if as_of - first < observed:
        raise RefusedError(
            f"history begins {first:%Y-%m-%d}: features need {MIN_OBSERVED_DAYS} days before as_of; "
            f"cure: choose an as_of after {first + observed:%Y-%m-%d}"
        )
    return tuple(m for m in snapshot_moments(as_of, months, every) if m - first >= observed)


def _span(connection: ibis.BaseBackend) -> tuple[datetime, datetime]:
    known = connection.table("transactions")
    first, last = known.aggregate(first=known.at.min(), last=known.known_at.max()).to_pandas().iloc[0]
    return first.to_pydatetime(), last.to_pydatetime()


def _check_columns(home: Home) -> None:
    """A column that is missing would fail the build half-way, one of another type change values."""
    for table in TABLES:
        path = home.history / f"{table.name}.parquet"
        try:
            stored = pq.read_schema(path)
        except pa.ArrowInvalid as error:
            raise CorruptError(f"{path}: not readable as parquet; cure: import again") from error
        names = [*(c.name for c in table.columns), *derived(table)]
        lost = [name for name in names if name not in stored.names]
        lost += [
            f"{c.name} ({stored.field(c.name).type})"
            for c in table.columns
            if c.name in stored.names and stored.field(c.name).type != ARROW[c.type]
        ]
        if lost:
            raise CorruptError(
                f"{path}: missing or of another type: {first_five(lost)}; cure: import again"
            )
