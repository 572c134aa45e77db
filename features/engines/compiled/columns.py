"""Columns of one moment in a scratch file: written run by run, read back when the moment is finished.

Twelve moments of a million customers do not fit into memory; a file's pages may come and go. The
file is column after column of int64. A value is stored relative to its column's empty value, so that
what no run has written, and reads as zero, is empty.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

__all__ = ["ColumnFile"]

Ints = np.ndarray[Any, Any]


class ColumnFile:
    """Columns of `rows` integers; threads may write different rows at once.

    Parameters
    ----------
    path
        The scratch file; it goes when the object is closed.
    empty
        Column -> value of a row that nothing was written to.
    """

    def __init__(self, path: Path, empty: Mapping[Any, int], rows: int) -> None:
        self.empty, self._rows = dict(empty), rows
        self._place = {name: n for n, name in enumerate(empty)}
        self._file = path.open("w+b")
        path.unlink()  # the open file lives on, and a kill leaves nothing behind
        self._file.truncate(8 * rows * len(empty))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, name: Any, first: int, values: Ints) -> None:
        """Write the rows of one column from `first` on; int64, (n,)."""
        stored = np.ascontiguousarray(values) ^ self.empty[name]
        os.pwrite(self._file.fileno(), stored.data, 8 * (self._place[name] * self._rows + first))

    def read(self, name: Any) -> Ints:
        """One whole column, int64 (rows,)."""
        found = np.empty(self._rows, np.int64)
        os.preadv(self._file.fileno(), [found.data], 8 * self._place[name] * self._rows)
        found ^= self.empty[name]
        return found
