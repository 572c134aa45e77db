"""The compiled loops: rows of one customer after the other into windows.

A row is regular if, from the first moment after it on, every moment knows it and no correction of
it is known: nearly all are, and go once into their interval. The others (late or corrected) are
looked at moment by moment. Indices are unsigned: for signed ones the compiler must provide for
negative places, which costs more than the additions themselves.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from features.engines.compiled.plan import COUNT, LATEST, NOTHING, SUM

__all__ = ["compiled", "encode", "finish_codes", "is_known", "windows_of"]

Ints = np.ndarray[Any, Any]
Int = Any  # a machine integer, signed or not
Feeds = tuple[Ints, Ints, Ints, Ints]
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile to machine code, kept on disk for the next process; it runs beside other threads."""
    done: Function = numba.njit(cache=True, nogil=True)(function)
    return done


@compiled
def encode(codes: Ints, indices: Ints, digits: Ints, size: Int) -> None:
    """Append one digit to every code: codes * size + digits[index], in place."""
    for row in range(len(codes)):
        codes[row] = codes[row] * size + digits[np.uint64(indices[row])]


@compiled
def finish_codes(codes: Ints, at: Ints, amounts: Ints, bands: Ints, size: Int) -> None:
    """Append the last two digits in place: the sign of the amount, and the band of the hour.

    amounts
        Empty where the relation has none.
    """
    for row in range(len(codes)):
        sign = 0
        if len(amounts) and amounts[row] != NOTHING:
            sign = 1 if amounts[row] > 0 else (2 if amounts[row] < 0 else 0)
        hour = np.uint64(at[row] // 3_600_000_000 % 24)
        codes[row] = (codes[row] * 3 + sign) * size + bands[hour]


@compiled
def windows_of(
    rows: tuple[Ints, Ints, Ints],
    codes: Ints,
    values: Ints,
    bounds: Ints,
    feeds: Feeds,
    time: tuple[Ints, Ints, Ints, Ints],
    uses: Ints,
    out: Ints,
) -> None:
    """Fill the windows of a run of customers.

    Parameters
    ----------
    rows
        at, known_at, known_until of every row, microseconds; by customer, then time.
    codes, values
        Code of every row (n,); its numbers (columns, n), NOTHING where missing.
    bounds
        Row at which each customer begins, and the number of rows at the end; (customers + 1,).
    feeds
        feeds, fed_from, kinds, sources of the plan.
    time
        moments, edges, begins, ends of the plan.
    uses
        Accumulator of each output.
    out
        (customers, moments, outputs), to be filled; 0 or NOTHING where there is no row.
    """
    added = np.count_nonzero(feeds[2] <= SUM)
    cells = np.empty((len(time[1]) - 1, len(feeds[2])), np.int64)
    for customer in range(len(bounds) - 1):
        cells[:, :added] = 0
        cells[:, added:] = NOTHING
        for o in range(len(uses)):
            out[customer, :, o] = 0 if uses[o] < added else NOTHING
        span = np.uint64(bounds[customer]), np.uint64(bounds[customer + 1])
        _feed_customer(span, rows, codes, values, feeds, time, uses, cells, out[customer])
        _gather(cells, added, time[2], time[3], uses, out[customer])


@compiled
def _feed_customer(
    span: tuple[Int, Int],
    rows: tuple[Ints, Ints, Ints],
    codes: Ints,
    values: Ints,
    feeds: Feeds,
    time: tuple[Ints, Ints, Ints, Ints],
    uses: Ints,
    cells: Ints,
    result: Ints,
) -> None:
    """Feed the rows of one customer: regular ones to intervals, others to moments."""
    at, known_at, known_until = rows
    moments, edges, begins, _ = time
    interval, following, one = np.uint64(0), np.uint64(0), np.uint64(1)
    for row in range(span[0], span[1]):
        moment = at[row]
        if moment < edges[0]:
            continue
        if moment >= edges[-1]:
            break
        while edges[interval + one] <= moment:
            interval += one
        while moments[following] <= moment:
            following += one
        if known_at[row] <= moments[following] and known_until[row] == NOTHING:
            _feed(cells[interval], feeds, codes[row], values, row, moment)
            continue
        for k in range(following, np.uint64(len(moments))):
            if is_known(known_at[row], known_until[row], moments[k]):
                _feed_moment(interval, begins[k], feeds, codes[row], uses, values, row, moment, result[k])


@compiled
def is_known(known_at: Int, known_until: Int, moment: Int) -> bool:
    """Whether a version of a row is the one that was known at a moment."""
    return bool(known_at <= moment and (known_until == NOTHING or known_until > moment))


@compiled
def _feed(cell: Ints, feeds: Feeds, code: Int, values: Ints, row: Int, moment: Int) -> None:
    """Feed one row to the accumulators of its interval; rows rise in time."""
    feed, fed_from, kinds, sources = feeds
    place = np.uint64(code)
    counted, valued = fed_from[place, 1], fed_from[place, 2]
    for n in range(fed_from[place, 0], counted):
        cell[feed[n]] += 1
    for n in range(counted, valued):
        a = feed[n]
        value = values[sources[a], row]
        if value != NOTHING:
            if kinds[a] == SUM:
                cell[a] += value
            elif kinds[a] == COUNT:
                cell[a] += 1
            elif value > cell[a]:
                cell[a] = value
    for n in range(valued, fed_from[place, 3]):
        cell[feed[n]] = moment


@compiled
def _feed_moment(
    interval: Int,
    begins: Ints,
    feeds: Feeds,
    code: Int,
    uses: Ints,
    values: Ints,
    row: Int,
    moment: Int,
    result: Ints,
) -> None:
    """Feed one row to every output of one moment whose window it lies in."""
    feed, fed_from, kinds, sources = feeds
    for o in range(len(uses)):
        a = uses[o]
        fed = feed[fed_from[code, 0] : fed_from[code, 3]]
        if np.uint64(begins[o]) > interval or not np.any(fed == np.uint64(a)):
            continue
        value = values[sources[a], row] if sources[a] >= 0 else 0
        if kinds[a] == LATEST:
            result[o] = max(result[o], moment)
        elif value == NOTHING:
            continue
        elif kinds[a] == SUM:
            result[o] += value
        elif kinds[a] == COUNT:
            result[o] += 1
        else:
            result[o] = max(result[o], value)


@compiled
def _gather(cells: Ints, added: Int, begins: Ints, ends: Ints, uses: Ints, result: Ints) -> None:
    """Add the intervals of each window; counts and sums as differences of running totals."""
    for interval in range(1, cells.shape[0]):
        for a in range(added):
            cells[interval, a] += cells[interval - 1, a]
    for k in range(begins.shape[0]):
        for o in range(len(uses)):
            a, first, after = uses[o], begins[k, o], ends[k]
            if a < added:
                result[k, o] += cells[after - 1, a]
                if first > 0:
                    result[k, o] -= cells[first - 1, a]
            else:
                for interval in range(first, after):
                    result[k, o] = max(result[k, o], cells[interval, a])
