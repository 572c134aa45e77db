"""A small file that is read again as soon as it was replaced."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from features.errors import CorruptError, NotReadyError

__all__ = ["Watched"]

_T = TypeVar("_T")


class Watched(Generic[_T]):
    """What a file says now: each question looks at the file's state, and reads it where that changed.

    Parameters
    ----------
    path
        A file that is written whole, so that another content is another inode and time.
    read
        Reads it; what it raises is raised to whoever asks. An earlier content is never given instead.
    cure
        Which command writes the file.
    """

    def __init__(self, path: Path, read: Callable[[Path], _T], cure: str) -> None:
        self._path, self._read, self._cure = path, read, cure
        self._kept: tuple[tuple[int, ...], _T] | None = None

    def current(self) -> _T:
        """The content.

        Raises
        ------
        NotReadyError
            If there is no file.
        CorruptError
            If it cannot be read.
        """
        try:
            found = self._path.stat()
            # Taken before reading: a file replaced in between is read once more, never missed.
            mark = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
            if self._kept is None or self._kept[0] != mark:
                self._kept = None
                self._kept = mark, self._read(self._path)
        except FileNotFoundError as error:
            raise NotReadyError(f"{self._path}: not there yet; cure: {self._cure}") from error
        except OSError as error:
            raise CorruptError(f"{self._path}: cannot be read; cure: check its owner and mode") from error
        return self._kept[1]
