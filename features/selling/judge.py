"""The compiled steps of `features.selling.programs`."""

from typing import Any

import numba
import numpy as np

from features.native import FLOATS, INTS, MASK, TABLE, Array, compiled
from features.selling.programs import AND, NOT, STEP

__all__ = ["judge"]

_STEPS = numba.from_dtype(STEP)[::1]


@numba.njit(inline="always")
def _true(value: Any, step: Any, among: Array) -> Any:
    """Whether a known value compares as the step says."""
    kind = step.kind
    if kind == 0:
        return value < step.value
    if kind == 1:
        return value <= step.value
    if kind == 2:
        return value > step.value
    if kind == 3:
        return value >= step.value
    if kind == 4:
        return value == step.value
    if kind == 5:
        return value != step.value
    inside = False
    for place in range(step.first, step.last):
        inside |= value == among[place]
    return inside if kind == 6 else not inside


@compiled(numba.void(_STEPS, INTS, FLOATS, numba.int64, TABLE, MASK))
def judge(steps: Array, ends: Array, among: Array, deepest: int, matrix: Array, found: Array) -> None:
    """Run every condition's steps, ends[c] to ends[c + 1], on every row."""
    stack = np.empty(deepest, np.int64)
    for row in range(len(matrix)):
        for c in range(len(ends) - 1):
            stack[0], top = 1, -1
            for at in range(ends[c], ends[c + 1]):
                step = steps[at]
                if step.kind < NOT:
                    value = matrix[row, step.column]
                    top += 1
                    stack[top] = 0 if value != value else (1 if _true(value, step, among) else -1)
                elif step.kind == NOT:
                    stack[top] = -stack[top]
                else:
                    top -= step.first - 1
                    for part in range(1, step.first):
                        other = stack[top + part]
                        stack[top] = min(stack[top], other) if step.kind == AND else max(stack[top], other)
            found[row, c] = stack[0] == 1
