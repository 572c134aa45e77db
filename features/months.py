"""Calendar months: pay, rent and standing orders come by the month, not by thirty days."""

import calendar
from datetime import datetime

__all__ = ["months_before"]


def months_before(moment: datetime, months: int) -> datetime:
    """The same day of an earlier month, or its last day where that month is shorter.

    >>> from datetime import UTC
    >>> f"{months_before(datetime(2024, 3, 31, tzinfo=UTC), 1):%Y-%m-%d}"
    '2024-02-29'
    """
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)
