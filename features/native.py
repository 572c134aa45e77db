"""Loops as machine code: compiled at import, kept on disk for the next process."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

__all__ = ["CUBE", "FLOATS", "INTS", "MASK", "TABLE", "Array", "compiled"]

Array = np.ndarray[Any, Any]
Function = TypeVar("Function", bound=Callable[..., Any])

FLOATS, TABLE, CUBE = numba.float64[::1], numba.float64[:, ::1], numba.float64[:, :, ::1]
INTS, MASK = numba.int64[::1], numba.boolean[:, ::1]
"""Arrays of one, two and three axes that lie in memory row by row."""


def compiled(*signature: Any) -> Callable[[Function], Function]:
    """Compile for these types alone; the code runs beside other threads."""
    return lambda function: numba.njit(*signature, cache=True, nogil=True)(function)
