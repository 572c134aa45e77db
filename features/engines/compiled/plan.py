"""From window declarations to the arrays that the compiled pass follows.

A row of a relation gets one code, made of the words, sign and hour that slices ask about. For each
code the plan lists the accumulators that such a row feeds. Accumulators are kept by interval of
time; intervals lie between the edges of all windows of all moments, so that one pass over the rows
serves every window of every moment: a window is a run of whole intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from features.families.base import Slice, Window

__all__ = ["COUNT", "LATEST", "MAX", "NOTHING", "SUM", "Coding", "Plan", "microseconds", "plan_windows"]

COUNT, SUM, MAX, LATEST = range(4)
"""What an accumulator does with a row. Counts and sums come first: they are added up over intervals."""

NOTHING = np.iinfo(np.int64).min
"""In place of a value that is missing."""

Ints = np.ndarray[Any, Any]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
_Accumulator = tuple[int, str, Slice]


@dataclass(frozen=True)
class Coding:
    """How a row becomes a code: the number of a word is its place in `words` plus 1, else 0.

    words
        Column -> the words that some slice asks about.
    hours
        Hour of the day -> number of its band; shape (24,).
    sizes
        Digits of the code: one for each column, then sign (none, plus, minus), then hour band.
    """

    words: dict[str, tuple[str, ...]]
    hours: Ints
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that one pass over one relation needs; times in microseconds since 1970.

    columns
        Columns with numbers, in the order in which accumulators refer to them.
    feeds, fed_from
        feeds[fed_from[c, 0] : fed_from[c, 1]] are the accumulators of code c that count rows, up to
        fed_from[c, 2] follow those that look at a number, up to fed_from[c, 3] those of the latest
        time.
    kinds, sources
        Per accumulator: COUNT, SUM, MAX or LATEST, and the column it looks at, -1 for none (a
        COUNT with a column counts its values that are not missing).
    moments, edges
        The moments, rising; the edges of the intervals, rising; the last moment is the last edge.
    uses
        (outputs,): accumulator of each output; a window has one output, a mean or a sum that may
        be missing has a second, the count of values.
    places
        Window -> its output, and its count's or -1.
    begins
        (moments, outputs): index of the edge at which the output's window begins.
    ends
        (moments,): index of the edge that is the moment.
    """

    windows: tuple[Window, ...]
    columns: tuple[str, ...]
    coding: Coding
    feeds: Ints
    fed_from: Ints
    kinds: Ints
    sources: Ints
    moments: Ints
    edges: Ints
    uses: Ints
    places: tuple[tuple[int, int], ...]
    begins: Ints
    ends: Ints


def plan_windows(windows: Sequence[Window], moments: Sequence[datetime]) -> Plan:
    """Plan one pass.

    Parameters
    ----------
    windows
        Of one relation; at least one.
    moments
        Rising; at least one.
    """
    needs = [_accumulators(w) for w in windows]
    wanted = {_key(a): a for need in needs for a in need}
    order = sorted(wanted.values(), key=lambda a: a[0])
    place = {_key(a): n for n, a in enumerate(order)}
    columns = tuple(dict.fromkeys(a[1] for a in order if a[1]))
    coding = _coding([a[2] for a in order])
    feeds, fed_from = _feeds(coding, order)
    starts = np.array(
        [
            [microseconds(w.since(m)) for w, need in zip(windows, needs, strict=True) for _ in need]
            for m in moments
        ]
    )
    ends = np.array([microseconds(m) for m in moments])
    edges = np.unique(np.concatenate([starts.ravel(), ends]))
    return Plan(
        windows=tuple(windows),
        columns=columns,
        coding=coding,
        feeds=feeds,
        fed_from=fed_from,
        kinds=np.array([a[0] for a in order]),
        sources=np.array([columns.index(a[1]) if a[1] else -1 for a in order]),
        moments=ends,
        edges=edges,
        uses=np.array([place[_key(a)] for need in needs for a in need]),
        places=_places(needs),
        begins=np.searchsorted(edges, starts),
        ends=np.searchsorted(edges, ends),
    )


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970.

    >>> from datetime import UTC
    >>> microseconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _accumulators(window: Window) -> list[_Accumulator]:
    """What a window is computed from; of a mean, and of a sum that may be missing, also a count."""
    part, column = window.slice, window.column
    if window.measure == "count":
        return [(COUNT, "", part)]
    if window.measure == "recency":
        return [(LATEST, "", part)]
    if window.measure == "largest":
        return [(MAX, column, part)]
    if window.measure == "sum" and window.field.null == "zero":
        return [(SUM, column, part)]
    return [(SUM, column, part), (COUNT, column, part)]


def _places(needs: Sequence[Sequence[_Accumulator]]) -> tuple[tuple[int, int], ...]:
    firsts = np.cumsum([0, *(len(need) for need in needs)]).tolist()
    return tuple((f, f + 1 if len(need) > 1 else -1) for f, need in zip(firsts, needs, strict=False))


def _key(accumulator: _Accumulator) -> tuple[Any, ...]:
    kind, column, part = accumulator
    return kind, column, tuple(sorted(part.words.items())), part.sign, part.hours


def _coding(slices: Sequence[Slice]) -> Coding:
    asked: dict[str, dict[str, None]] = {}
    for part in slices:
        for column, some in part.words.items():
            asked.setdefault(column, {}).update(dict.fromkeys(some))
    words = {column: tuple(found) for column, found in asked.items()}
    cuts = sorted({hour for part in slices for hour in part.hours} | {0, 24})
    hours = np.zeros(24, np.int64)
    for band, (first, after) in enumerate(pairwise(cuts)):
        hours[first:after] = band
    return Coding(words, hours, (*(len(w) + 1 for w in words.values()), 3, len(cuts) - 1))


def _feeds(coding: Coding, order: Sequence[_Accumulator]) -> tuple[Ints, Ints]:
    """`feeds` and `fed_from` of a plan: for each code, in the order of its digits, what it feeds."""
    digits = np.indices(coding.sizes).reshape(len(coding.sizes), -1)
    group = np.array([_group(accumulator) for accumulator in order])
    places = np.argsort(group, kind="stable")
    fed = np.stack([_matches(order[place][2], coding, digits) for place in places], axis=1)
    numbers = np.stack([fed[:, group[places] == g].sum(axis=1) for g in range(3)], axis=1)
    until = np.cumsum(numbers).reshape(numbers.shape)
    fed_from = np.column_stack([until[:, 0] - numbers[:, 0], until])
    return places[np.nonzero(fed)[1]].astype(np.uint64), fed_from.astype(np.uint64)


def _group(accumulator: _Accumulator) -> int:
    kind, column, _ = accumulator
    if kind == LATEST:
        return 2
    return 1 if column else 0


def _matches(part: Slice, coding: Coding, digits: Ints) -> Mask:
    """Which codes a slice looks at; digits of shape (digits, codes), the result (codes,)."""
    found = np.ones(digits.shape[1], np.bool_)
    for digit, (column, words) in zip(digits, coding.words.items(), strict=False):
        if column in part.words:
            found &= np.array([False, *(word in part.words[column] for word in words)])[digit]
    if part.sign:
        found &= digits[-2] == ("", "+", "-").index(part.sign)
    bands = np.unique(coding.hours[part.hours[0] : part.hours[1]])
    return found & np.isin(digits[-1], bands)
