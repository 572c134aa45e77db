"""The compiled loop over balances: the last one known before each of several moments."""

import numpy as np

from features.engines.compiled.kernel import Int, Ints, compiled, is_known
from features.engines.compiled.plan import NOTHING

__all__ = ["balances_of"]


@compiled
def balances_of(
    rows: tuple[Ints, Ints, Ints],
    holdings: Ints,
    balances: Ints,
    bounds: Ints,
    loans: Ints,
    moments: Ints,
    edges: Ints,
    reads: Ints,
    out: Ints,
) -> None:
    """Fill what is held and what is owed, at several distances before each moment.

    Parameters
    ----------
    rows, bounds
        As in `kernel.windows_of`.
    holdings
        Number of every row's holding, below loans.shape[1].
    balances
        Of the holding after the row, NOTHING where missing.
    loans
        (moments, holdings): whether the moment knows the holding as a loan.
    edges
        When balances are read, rising.
    reads
        (moments, levels): index of the edge; never later than the moment.
    out
        (customers, moments, levels, 2): held and owed, to be filled; NOTHING where nothing was booked.
    """
    slot_of = np.zeros(loans.shape[1], np.int64)
    owner = np.full(loans.shape[1], -1, np.int64)
    for customer in range(len(bounds) - 1):
        span = bounds[customer], bounds[customer + 1]
        names = _number(span, holdings, customer, owner, slot_of)
        last = np.full((len(names), len(edges) + 1), -1, np.int64)
        irregular = _last_rows(rows, holdings, balances, span, slot_of, moments, edges, last)
        for k in range(len(moments)):
            for level in range(reads.shape[1]):
                edge = reads[k, level]
                of = last[:, edge]
                if irregular:
                    of = _corrected(of, span, names, edges[edge], moments[k], rows, holdings, balances)
                held, owed = _total(of, loans[k], names, balances)
                out[customer, k, level, 0] = held
                out[customer, k, level, 1] = owed


@compiled
def _number(span: tuple[Int, Int], holdings: Ints, customer: Int, owner: Ints, slot_of: Ints) -> Ints:
    """Number the holdings of one customer's rows from 0; returns which they are."""
    names = np.empty(8, np.int64)
    slots = 0
    for row in range(np.uint64(span[0]), np.uint64(span[1])):
        holding = np.uint64(holdings[row])
        if owner[holding] != customer:
            if slots == len(names):
                names = np.concatenate((names, names))
            owner[holding], slot_of[holding] = customer, slots
            names[slots] = holdings[row]
            slots += 1
    return names[:slots]


@compiled
def _total(last: Ints, loans: Ints, names: Ints, balances: Ints) -> tuple[Int, Int]:
    """The sum of the last balances that are held, and of those owed."""
    held, owed = NOTHING, NOTHING
    for slot in range(len(names)):
        row = last[slot]
        if row >= 0 and loans[names[slot]]:
            owed = (0 if owed == NOTHING else owed) - balances[row]
        elif row >= 0:
            held = (0 if held == NOTHING else held) + balances[row]
    return held, owed


@compiled
def _last_rows(
    rows: tuple[Ints, Ints, Ints],
    holdings: Ints,
    balances: Ints,
    span: tuple[Int, Int],
    slot_of: Ints,
    moments: Ints,
    edges: Ints,
    last: Ints,
) -> int:
    """Find each holding's last regular row after the edge before; returns how many rows are irregular.

    last
        (slots, edges + 1), -1 at first; the last column takes rows that no edge follows.
    """
    at, known_at, known_until = rows
    edge, following, irregular = np.uint64(0), np.uint64(0), 0
    one, edge_count = np.uint64(1), np.uint64(len(edges))
    for row in range(np.uint64(span[0]), np.uint64(span[1])):
        moment = at[row]
        if moment >= moments[-1]:
            break
        while edge < edge_count and edges[edge] <= moment:
            edge += one
        while moments[following] <= moment:
            following += one
        if balances[row] == NOTHING:
            continue
        if known_at[row] > moments[following] or known_until[row] != NOTHING:
            irregular += 1
        else:
            last[np.uint64(slot_of[np.uint64(holdings[row])]), edge] = np.int64(row)
    for slot in range(last.shape[0]):
        for e in range(1, len(edges)):
            last[slot, e] = max(last[slot, e], last[slot, e - 1])
    return irregular


@compiled
def _corrected(
    last: Ints,
    span: tuple[Int, Int],
    names: Ints,
    before: Int,
    moment: Int,
    rows: tuple[Ints, Ints, Ints],
    holdings: Ints,
    balances: Ints,
) -> Ints:
    """The last rows before an edge, late and corrected ones included where the moment knows them."""
    at, known_at, known_until = rows
    found = last.copy()
    for slot in range(len(names)):
        for row in range(span[1] - 1, max(span[0], last[slot] + 1) - 1, -1):
            if holdings[row] != names[slot] or at[row] >= before or balances[row] == NOTHING:
                continue
            if is_known(known_at[row], known_until[row], moment):
                found[slot] = row
                break
    return found
