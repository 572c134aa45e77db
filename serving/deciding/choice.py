"""From values to actions: what each arm does with each customer, and with which chance it does so."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from features.native import FLOATS, INTS, MASK, TABLE, Array, compiled
from serving.policy.nouns import WHATS, Arm, What

__all__ = ["NOTHING", "Choices", "at_prices", "best", "choose"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

NOTHING = -1
"""No contact: an action like the others, and logged like them."""


@dataclass(frozen=True)
class Choices:
    """One action for each customer.

    action
        (n,), place of an option, or NOTHING.
    probability
        (n,), in (0, 1]: the chance with which this action was taken, over the draw of the arm and within
        it. It is what makes off-policy estimates valid.
    """

    action: Ints
    probability: Floats


def best(values: Floats, allowed: Mask) -> Ints:
    """The allowed option of highest value above zero for each row, NOTHING where there is none; (n,)."""
    found = np.empty(len(values), dtype=np.int64)
    _best(np.ascontiguousarray(values), np.ascontiguousarray(allowed), found)
    return found


def at_prices(values: Floats, allowed: Mask, prices: Floats) -> Ints:
    """As `best`, after the price of what each option uses: prices (m,) or (n, m), in major units."""
    return best(values - prices, allowed)


def choose(
    arms: Sequence[Arm], drawn: Ints, by: dict[What, Ints], allowed: Mask, exploration: float, draws: Floats
) -> Choices:
    """What the drawn arm does with each customer.

    Parameters
    ----------
    arms, drawn
        The experiment's arms, and each customer's place among them, (n,).
    by
        The action of each arm that does not draw one, (n,) each: propensity_only, no_constraints, champion.
    allowed
        (n, m).
    exploration
        Share of the champion's decisions that are drawn at random.
    draws
        (n, 2), uniform in [0, 1), independent of everything else: whether to explore, and what to draw.
    """
    what, shares = _coded(tuple(arms))
    wanted = np.full((len(WHATS), len(drawn)), NOTHING, dtype=np.int64)
    for name, actions in by.items():
        wanted[WHATS.index(name)] = actions
    action, chance = np.empty(len(drawn), dtype=np.int64), np.empty(len(drawn))
    _choose(what, shares, drawn, wanted, allowed, exploration, draws, action, chance)
    return Choices(action, chance)


@lru_cache(maxsize=64)
def _coded(arms: tuple[Arm, ...]) -> tuple[Ints, Floats]:
    what = np.array([WHATS.index(arm.what) for arm in arms], dtype=np.int64)
    return what, np.array([arm.share for arm in arms])


_CONTROL, _RANDOM, _CHAMPION = (
    WHATS.index(w) for w in ("universal_control", "random_eligible", "champion")
)


@compiled(numba.void(TABLE, MASK, INTS))
def _best(values: Array, allowed: Array, found: Array) -> None:
    for row in range(len(values)):
        found[row], most = NOTHING, 0.0
        for option in range(values.shape[1]):
            value = values[row, option]
            if allowed[row, option] and value > most and value < np.inf:
                found[row], most = option, value


@compiled(numba.void(INTS, FLOATS, INTS, numba.int64[:, ::1], MASK, numba.float64, TABLE, INTS, FLOATS))
def _choose(
    what: Array,
    shares: Array,
    drawn: Array,
    wanted: Array,
    allowed: Array,
    exploration: float,
    draws: Array,
    action: Array,
    chance: Array,
) -> None:
    """The action of the drawn arm, and its chance over all arms; nothing is one of the candidates."""
    for row in range(len(drawn)):
        candidates = 1
        for option in range(allowed.shape[1]):
            candidates += allowed[row, option]
        place: Any = min(np.int64(draws[row, 1] * candidates), candidates - 1)
        picked = NOTHING
        for option in range(allowed.shape[1]):
            if allowed[row, option] and place > 0:
                place -= 1
                picked = option if place == 0 else picked
        arm = what[drawn[row]]
        explores = arm == _CHAMPION and draws[row, 0] < exploration
        made = picked if explores or arm == _RANDOM else wanted[arm, row]
        action[row], total, uniform = made, 0.0, 1.0 / candidates
        for place in range(len(what)):
            arm = what[place]
            if arm == _CONTROL:
                total += shares[place] * (made == NOTHING)
            elif arm == _RANDOM:
                total += shares[place] * uniform
            else:
                drawing = exploration if arm == _CHAMPION else 0.0
                total += shares[place] * ((1.0 - drawing) * (made == wanted[arm, row]) + drawing * uniform)
        chance[row] = total
