"""Query answers as frames, a part at a time."""

from collections.abc import Iterator

import pandas as pd

from features.database.backend import Log

__all__ = ["frames"]


def frames(log: Log, statement: str, values: tuple[object, ...], rows: int) -> Iterator[pd.DataFrame]:
    """The rows of a query as frames of at most `rows`; one without rows where there are none."""
    found = log.stream(statement, values)
    part = found.fetchmany(rows)
    names = [column[0] for column in found.description]
    while True:
        yield pd.DataFrame.from_records(part, columns=names, coerce_float=True)
        if not (part := found.fetchmany(rows)):
            return
