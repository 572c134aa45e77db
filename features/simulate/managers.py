"""Relationship managers: each has a portfolio; one who leaves hands it to a newcomer."""

import numpy as np

from features.simulate.events import note
from features.simulate.money import Array
from features.simulate.randomness import stream
from features.simulate.rows import Rows
from features.simulate.world import State, World

__all__ = ["LEAVES", "hand_over"]

LEAVES = 0.01
"""P(a manager leaves the bank in a month)."""

_MISSED = 0.4
"""Points of satisfaction that a change of manager costs."""


def hand_over(world: World, s: State, events: Rows) -> None:
    """Give the customers of managers who leave to newcomers, who take numbers of their own."""
    known = int(s.manager.max(initial=-1)) + 1
    if not known:
        return
    u = stream(world.clock.seed, world.clock.month, "managers").random(known)
    in_office = np.bincount(s.manager[s.manager >= 0], minlength=known) > 0
    leaves = in_office & (u < LEAVES)
    heir: Array = np.where(leaves, known + np.cumsum(leaves) - 1, np.arange(known))
    served = s.manager >= 0
    changed = served & leaves[np.maximum(s.manager, 0)]
    s.manager[served] = heir[s.manager[served]]
    s.mood[changed] = np.maximum(s.mood[changed] - _MISSED, 0.0)
    note(events, np.flatnonzero(changed & world.alive), "new_manager")
