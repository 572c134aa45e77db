"""The same problem as an integer program for HiGHS: exact, for few customers."""

from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from serving.allocation.problem import Block
from serving.allocation.tables import Tables

__all__ = ["NODES", "solve_exactly"]

Array = np.ndarray[Any, Any]
NODES = 500


def solve_exactly(block: Block, tables: Tables, nodes: int = NODES) -> Array | None:
    """The plan worth most, (n, k) int16 as in `Plan`; None where no plan keeps every row.

    After so many nodes of its tree the solver stops: with the best plan, or none, found by then.
    """
    n = len(block.values)
    rows, options = np.nonzero(block.values > -np.inf)
    values = block.values[rows, options].astype(float)
    each = np.arange(len(rows))
    customer = csr_array((np.ones(len(rows)), (rows, each)), shape=(n, len(rows)))
    parts, limits = [customer], [np.full(n, float(tables.k))]
    if tables.k > 1:
        pairs, place = np.unique(
            rows * (1 + tables.offers.max()) + tables.offers[options], return_inverse=True
        )
        parts.append(csr_array((np.ones(len(rows)), (place, each)), shape=(len(pairs), len(rows))))
        limits.append(np.ones(len(pairs)))
    if len(tables.limits):
        parts.append(csr_array(_usage(block, tables, rows, options, values)))
        limits.append(tables.limits)
    if len(tables.group_limits) and block.groups is not None:
        codes = block.groups[rows]
        used = np.where(codes >= 0, tables.group_use[options], 0.0)
        shape = (len(tables.group_limits), len(rows))
        parts.append(csr_array((used, (np.maximum(codes, 0), each)), shape=shape))
        limits.append(tables.group_limits)
    done = milp(
        -values,
        integrality=np.ones(len(rows)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(vstack(parts, format="csc"), -np.inf, np.concatenate(limits)),
        options={"mip_rel_gap": 0.0, "node_limit": nodes},
    )
    if done.x is None:
        return None
    chosen = np.full((n, tables.k), -1, np.int16)
    slots = np.zeros(n, np.int64)
    for at in np.flatnonzero(done.x > 0.5):
        chosen[rows[at], slots[rows[at]]] = options[at]
        slots[rows[at]] += 1
    return chosen


def _usage(block: Block, tables: Tables, rows: Array, options: Array, values: Array) -> Array:
    """(R, pairs), what each allowed pair uses of each row."""
    sides = np.zeros(len(rows), np.int64) if block.sides is None else block.sides[rows]
    usage = tables.fixed[:, sides, options] + tables.by_value[:, sides] * values
    if block.costs is not None:
        usage = usage + np.outer(tables.by_cost, block.costs[rows, options])
    found: Array = usage
    return found
