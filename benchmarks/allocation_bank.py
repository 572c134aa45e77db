"""Made-up customers x offers like a bank's for the allocation benchmark, and the two sets of limits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from serving.allocation import Block, GroupLimit, Limit, Problem, at_once

__all__ = ["OFFERS", "M", "in_memory", "on_disk", "problem_of", "write_blocks"]

M, MANAGERS, ROWS = 20, 200, 200_000
OFFERS, CHANNELS = np.arange(M) // 4, np.arange(M) % 4
CONTACT = np.array([0.1, 0.2, 6.0, 25.0])
"""Cost of e-mail, app, call and manager."""
COST = CONTACT[CHANNELS] + np.array([0.0, 5.0, 10.0, 20.0, 40.0])[OFFERS]
Array = np.ndarray[Any, Any]


def draw(rows: int, seed: int) -> Block:
    """Heavy-tailed, correlated within a customer and within an offer; 44% of the pairs not allowed."""
    rng = np.random.default_rng(seed)
    wealth = np.exp(rng.normal(0.0, 1.0, (rows, 1)))
    taste = np.exp(rng.normal(0.0, 0.7, (rows, 5)))[:, OFFERS]
    reach = np.array([0.5, 0.6, 1.0, 1.6])[CHANNELS] * np.exp(rng.normal(0.0, 0.3, (rows, M)))
    values = 12.0 * wealth * taste * reach - CONTACT[CHANNELS]
    values[rng.random((rows, M)) < 0.3] = -np.inf
    values[(rng.random((rows, 5)) < 0.2)[:, OFFERS]] = -np.inf
    managers = rng.integers(0, MANAGERS, rows).astype(np.int32)
    return Block(np.ascontiguousarray(values, np.float32), managers)


def in_memory(customers: int) -> Block:
    parts = [draw(min(ROWS, customers - at), at) for at in range(0, customers, ROWS)]
    managers = np.concatenate([part.groups for part in parts if part.groups is not None])
    return Block(np.concatenate([part.values for part in parts]), managers)


def write_blocks(folder: Path, customers: int) -> None:
    for at in range(0, customers, ROWS):
        block = draw(min(ROWS, customers - at), at)
        np.save(folder / f"{at:010d}.values.npy", block.values)
        np.save(folder / f"{at:010d}.groups.npy", block.groups)


def on_disk(folder: Path) -> Iterator[Block]:
    for path in sorted(folder.glob("*.values.npy")):
        yield Block(np.load(path), np.load(str(path).replace("values", "groups")))


def problem_of(blocks: Any, customers: int, kind: str) -> Problem:
    """Loose: a budget and channels that hardly bind. Tight: all kinds of rows, most of them binding."""
    share = customers / 1e6
    budget, calls, mails, talks = (8e6, 2e6, 5e5, 1_000) if kind == "loose" else (1.8e6, 2.4e5, 1e5, 100)
    limits = [
        Limit("budget", "EUR", budget * share, COST),
        Limit("call centre", "minute", calls * share, np.where(CHANNELS == 2, 8.0, 0.0)),
        Limit("e-mail", "message", mails * share, (CHANNELS == 0).astype(float)),
    ]
    if kind == "tight":
        caps = ((0, 2e4), (1, 2e4), (2, 1.5e4))
        limits += [Limit(f"offer {o}", "offer", c * share, (o == OFFERS).astype(float)) for o, c in caps]
        least = ((3, 2.5e4), (4, 1.5e4))
        limits += [Limit(f"at least {o}", "offer", c * share, 1.0 * (o == OFFERS), True) for o, c in least]
    capacity = np.random.default_rng(2).integers(talks // 2, talks * 3 // 2, MANAGERS) * share
    managers = GroupLimit("managers", "talk", capacity, (CHANNELS == 3).astype(float))
    source = at_once(blocks) if isinstance(blocks, Block) else blocks
    return Problem(source, OFFERS, tuple(limits), managers)
