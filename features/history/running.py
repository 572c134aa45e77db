"""Put the bookings of one day in order, where a source has dates but no times."""

from collections.abc import Sequence
from itertools import pairwise, permutations

import numpy as np
import numpy.typing as npt

__all__ = ["order_within_days"]

_MOST = 7
"""Longest day whose orders are all tried (5,040); beyond it the given order stays."""


def order_within_days(
    account: npt.NDArray[np.int64],
    day: npt.NDArray[np.int64],
    amount: npt.NDArray[np.int64],
    balance: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Position of each booking within its account and day, by the running balance.

    Of all orders of a day, the one is taken in which the most bookings continue the balance before
    them (balance - amount equals it), the balance at the end of the day before and the balances at
    the start of the next day included. Among equals the given order wins, so bookings that are
    missing from the source break a chain but never shuffle it.

    Parameters
    ----------
    account, day, amount, balance
        Equal lengths (n), sorted by account and day; signed amount and balance after it, in cents.

    Returns
    -------
    ndarray
        Positions from 0, shape (n,).
    """
    starts = np.flatnonzero(np.diff(account, prepend=-1) | np.diff(day, prepend=-1))
    ends = np.append(starts, len(account))[1:]
    position = np.zeros(len(account), np.int64)
    before, after = (balance - amount).tolist(), balance.tolist()
    owner = account.tolist()
    last = 0
    for nth, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        order: Sequence[int] = range(start, end)
        if 1 < end - start <= _MOST:
            previous = after[last] if start and owner[start - 1] == owner[start] else None
            following = nth + 1 < len(starts) and owner[start] == owner[end]
            openings = set(before[end : int(ends[nth + 1])]) if following else set()
            order = _best(order, before, after, previous, openings)
        for place, row in enumerate(order):
            position[row] = place
        last = order[-1]
    return position


def _best(
    rows: Sequence[int],
    before: list[int],
    after: list[int],
    previous: int | None,
    openings: set[int],
) -> Sequence[int]:
    """The order of rows with the most links, the first such one in lexical order."""

    def links(order: tuple[int, ...]) -> int:
        inner = sum(after[a] == before[b] for a, b in pairwise(order))
        return inner + (before[order[0]] == previous) + (after[order[-1]] in openings)

    return max(permutations(rows), key=links)
