"""Experiments within limits: the arms beside the champion, and exploration, use no more than their share.

Of a limit they use at most what their share of the customers is. Each customer has a number in [0, 1),
drawn apart from arm and exploration; an option is there for experiments with the customer where the number
is below what the plan keeps of it. So chances stay known: given the number, what is drawn but has no room
is nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from serving.allocation import Limit
from serving.deciding.arms import drawn
from serving.deciding.choice import NOTHING, best
from serving.deciding.decide import Decided
from serving.policy import Policy

__all__ = ["experimental", "kept_of", "live_within", "room_draws", "within"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def experimental(policy: Policy) -> float:
    """The share of customers with whom contacts are an experiment, in [0, 1]."""
    beside = sum(arm.share for arm in policy.arms if arm.what not in ("champion", "universal_control"))
    return beside + policy.exploration * _share(policy, "champion")


def room_draws(customer_ids: Sequence[str], *, salt: str, occasion: str) -> Floats:
    """Each customer's number, in [0, 1)."""
    return drawn(salt, f"room {occasion}", customer_ids)


def kept_of(limits: Sequence[Limit], share: float, actions: Ints, draws: Floats, options: int) -> Floats:
    """How far the room for experiments goes: what is kept of each option, (options,) in [0, 1].

    The contacts of experiments whose draw is below that use at most `share` of every limit.

    Parameters
    ----------
    limits
        Minimum volumes among them leave all room.
    actions, draws
        (contacts,), what experiments would do, and the customers' numbers.
    """
    kept, order = np.ones(options), np.argsort(draws, kind="stable")
    for limit in limits:
        if limit.at_least:
            continue
        usage = np.asarray(limit.usage, dtype=np.float64)
        acts, numbers = actions[order], draws[order]
        while True:
            used = np.cumsum(usage[acts] * (numbers < kept[acts]))
            over = used > share * limit.limit * (1.0 + 1e-9)
            if not over.any():
                break
            first = int(over.argmax())
            # Where a dear contact finds no room, cheaper ones still may.
            dear = (usage >= usage[acts[first]]) & (usage > 0.0)
            kept = np.where(dear, np.minimum(kept, numbers[first]), kept)
    return kept


def within(decided: Decided, champion: Ints, room: Mask, policy: Policy) -> Decided:
    """The decisions with nothing in place of what experiments have no room for, and the chances of that.

    Parameters
    ----------
    champion
        (n,), what the champion does where it does not explore.
    room
        (n, options), whether experiments may use an option with a customer.
    """
    if room.all():
        return decided
    may, rows = decided.weighed.removed.allowed, np.arange(len(room))
    drawn_share = _share(policy, "random_eligible") + policy.exploration * _share(policy, "champion")
    chance = drawn_share * may / (may.sum(axis=1) + 1)[:, None]
    free = best(decided.weighed.values.astype(np.float64), may)
    for what, action in (("propensity_only", decided.weighed.by_propensity), ("no_constraints", free)):
        acts = action != NOTHING
        chance[rows[acts], action[acts]] += _share(policy, what)
    chance *= room
    acts = champion != NOTHING
    chance[rows[acts], champion[acts]] += (1.0 - policy.exploration) * _share(policy, "champion")
    stopped = ~decided.planned & (decided.action != NOTHING) & ~room[rows, decided.action]
    action = np.where(stopped, NOTHING, decided.action)
    return replace(
        decided,
        option=np.where(stopped, NOTHING, decided.option),
        action=action,
        probability=np.where(action == NOTHING, 1.0 - chance.sum(axis=1), chance[rows, action]),
    )


def live_within(
    decided: Decided,
    customer_ids: Sequence[str],
    closed: Mask,
    kept: Floats,
    policy: Policy,
    *,
    salt: str,
    occasion: str,
) -> Decided:
    """The same for customers who wait, whose champion goes by prices alone.

    Parameters
    ----------
    closed
        (options,), whether a limit has no room left: then experiments have none either.
    kept
        (options,), see `kept_of`.
    """
    left = np.where(closed, 0.0, kept)
    if (left == 1.0).all():
        return decided
    room = room_draws(customer_ids, salt=salt, occasion=occasion)[:, None] < left
    return within(decided, best(decided.net, decided.weighed.removed.allowed), room, policy)


def _share(policy: Policy, what: str) -> float:
    return sum((arm.share for arm in policy.arms if arm.what == what), 0.0)
