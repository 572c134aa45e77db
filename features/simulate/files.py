"""Tables that grow month by month: parquet files written whole while the world lives on."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.history.contract import BY_NAME
from features.history.tables import arrow_schema
from features.home import write_whole

__all__ = ["Growing", "behind", "growing"]

_UNIQUE = ("transaction_id", "interaction_id", "at", "amount", "balance_after", "known_at")
"""Columns whose values hardly repeat: a dictionary of them would cost and not save."""


class Growing:
    """A parquet file under construction; rows of at least one month make a row group."""

    def __init__(self, part: Path) -> None:
        self._part = part
        self._file: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table) -> None:
        """Append rows; none are left out, but the first call settles the schema."""
        if self._file is None:
            words = [f.name for f in rows.schema if f.name not in _UNIQUE]
            self._file = pq.ParquetWriter(self._part, rows.schema, compression="zstd", use_dictionary=words)
        if rows.num_rows:
            self._file.write_table(rows)

    def add_earlier(self, path: Path, since: int) -> None:
        """Append the row groups of an earlier file that lie before `since` (column as_of)."""
        if not path.is_file():
            return
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group)
                self.add(rows.filter(np.asarray(rows["as_of"].cast(pa.int64())) < since))

    def close(self) -> None:
        """Write the file's end."""
        if self._file is not None:
            self._file.close()


@contextmanager
def growing(paths: dict[str, Path]) -> Iterator[dict[str, Growing]]:
    """Open files to append to; all take their places at the end, or none if something fails.

    A file of the contract has its schema even if no row ever comes.
    """
    with ExitStack() as stack:
        parts = {name: stack.enter_context(write_whole(path)) for name, path in paths.items()}
        files = {name: Growing(part) for name, part in parts.items()}
        for name, file in files.items():
            if name in BY_NAME:
                file.add(arrow_schema(BY_NAME[name]).empty_table())
        try:
            yield files
        finally:
            for file in files.values():
                file.close()


@contextmanager
def behind() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Yield `give(work)`: the work runs in a second thread while the next month is lived.

    At most one piece of work runs or waits; an error in it is raised by the next call or the end.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        running: list[Future[None]] = []

        def give(work: Callable[[], None]) -> None:
            for earlier in running:
                earlier.result()
            running[:] = [pool.submit(work)]

        yield give
        for last in running:
            last.result()
