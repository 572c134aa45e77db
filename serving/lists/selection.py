"""Who is on a list of one offer: rules first, then what the offer changes, after prices."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.deciding.choice import NOTHING, best
from serving.deciding.decide import Weighed
from serving.policy import Policy, rules_of

__all__ = ["Candidates", "Selection", "candidates", "select"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """What n customers would get of one offer.

    ids
        (n,).
    option
        (n,), the option worth most after prices, NOTHING where there is none.
    net
        (n,), its value after prices; -inf without one.
    reasons
        (n,), why there is none: a rule, `universal_control`, `no_score` or `no_gain`; else "".
    """

    ids: list[str]
    option: Ints
    net: Floats
    reasons: list[str]


@dataclass(frozen=True)
class Selection:
    """A list by rank.

    chosen
        Customer -> place on the list, from 0.
    removed
        Customers by why they cannot be on it: the first rule that removed them, in the order of the
        rules; then `universal_control`, `no_score` and `no_gain`.
    not_selected
        Customers who passed everything and ranked below the size of the list.
    """

    chosen: Mapping[str, int]
    removed: Mapping[str, int]
    not_selected: int


def candidates(
    ids: list[str], weighed: Weighed, prices: Floats, options: list[int], left_alone: NDArray[np.bool_]
) -> Candidates:
    """The best of some options for each customer.

    Parameters
    ----------
    prices
        (n, all options), what the use of scarce things costs.
    options
        Places of the options to choose from.
    left_alone
        (n,), who belongs to the universal control.
    """
    net = weighed.values[:, options].astype(np.float64) - prices[:, options]
    taken = best(net, weighed.removed.allowed[:, options])
    scored = np.any(weighed.offered[:, options] > -np.inf, axis=1)
    reasons = [
        rule or ("universal_control" if alone else "no_score" if not known else "no_gain" if none else "")
        for rule, alone, known, none in zip(
            weighed.removed.of(options),
            left_alone.tolist(),
            scored.tolist(),
            (taken == NOTHING).tolist(),
            strict=True,
        )
    ]
    worth = np.where(taken == NOTHING, -np.inf, net[np.arange(len(ids)), taken])
    return Candidates(ids, np.where(taken == NOTHING, NOTHING, np.array(options)[taken]), worth, reasons)


def select(blocks: Iterable[Candidates], size: int, policy: Policy) -> Selection:
    """The `size` candidates with the highest value after prices; even values go by customer_id."""
    removed: Counter[str] = Counter()
    kept: list[tuple[float, str]] = []
    passed = 0
    for block in blocks:
        removed.update(reason for reason in block.reasons if reason)
        here = [
            (-value, who)
            for value, who, reason in zip(block.net.tolist(), block.ids, block.reasons, strict=True)
            if not reason
        ]
        passed += len(here)
        kept = sorted(kept + here)[:size]
    order = (*rules_of(policy)[1:], "universal_control", "no_score", "no_gain")
    by_reason = {reason: removed[reason] for reason in order if removed[reason]}
    return Selection({who: rank for rank, (_, who) in enumerate(kept)}, by_reason, passed - len(kept))
