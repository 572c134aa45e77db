"""What each option is worth for each customer: what it changes, in money, less what it costs.

    value = (change x stake - cost of the contact - P(accepts) x incentive - fatigue) x lever

For a product the change is that of the chance of taking it up, and the stake the margin of a new holding;
for a retention offer it is how far leaving becomes less likely, and the stake what the customer is worth.
All arrays have the shape (customers, options), in the order of `Catalogue.options`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
from numpy.typing import NDArray

from features.native import CUBE, FLOATS, INTS, TABLE, Array, compiled
from features.vocabulary import Catalogue
from serving.policy import Policy

__all__ = ["Basis", "Effects", "prior_effects", "propensity_values", "stated_effects", "values"]

Floats = NDArray[np.float64]
Basis = Literal["prior", "model"]


@dataclass(frozen=True)
class Effects:
    """What contacts change; NaN where it is not known.

    alone, contacted
        P(takes the product up), of a retention offer P(leaves), without and with the contact.
    accepts
        P(accepts what the offer grants | contacted).
    stake
        Money that hangs on it, in major units.
    fatigue
        What one more contact costs in later response, opting out and complaints.
    basis
        By option: stated priors of the catalogue, or a model of randomised outcomes.
    """

    alone: Floats
    contacted: Floats
    accepts: Floats
    stake: Floats
    fatigue: Floats
    basis: tuple[Basis, ...]


def prior_effects(scores: Mapping[str, Floats], catalogue: Catalogue, rows: int) -> Effects:
    """Effects by the priors that the catalogue states, until randomised outcomes exist.

    A prior's odds hold for a channel of strength 1; a channel of strength s raises them to the power s.

    Parameters
    ----------
    scores
        `propensity_<product>`, `churn` and `value_expected`, each (rows,); what is absent is not known.
    """
    names = (*catalogue.stated.scores, "value_expected")
    known = np.full((rows, len(names)), np.nan)
    for place, name in enumerate(names):
        if name in scores:
            known[:, place] = scores[name]
    return stated_effects(known, names, catalogue)


def stated_effects(table: Floats, names: Sequence[str], catalogue: Catalogue) -> Effects:
    """The same from a table of scores, (n, names); a score that has no column is not known."""
    stated, place = catalogue.stated, {name: at for at, name in enumerate(names)}
    columns = [*(place.get(name, -1) for name in stated.scores), -1]
    found = np.empty((4, len(table), len(catalogue.options)))
    _state(
        *(table, np.array(columns)[stated.score], place.get("value_expected", -1)),
        *(
            stated.general,
            stated.retention,
            stated.alone,
            stated.odds,
            stated.accepts,
            stated.margin,
            found,
        ),
    )
    alone, contacted, accepts, stake = found
    basis = tuple[Basis, ...]("prior" for _ in catalogue.options)
    return Effects(alone, contacted, accepts, stake, np.zeros(alone.shape), basis)


def values(effects: Effects, catalogue: Catalogue, policy: Policy) -> Floats:
    """The incremental value of each option in major units; NaN where it is not known."""
    stated, levers = catalogue.stated, policy.levers
    factors = [levers[o.offer].factor if o.offer in levers else 1.0 for o in catalogue.options]
    found = np.empty(effects.alone.shape)
    _value(
        *(effects.alone, effects.contacted, effects.accepts, effects.stake, effects.fatigue),
        *(stated.retention, stated.cost, stated.incentive, np.array(factors), found),
    )
    return found


def propensity_values(effects: Effects, catalogue: Catalogue) -> Floats:
    """What an option would be worth if everything that follows a contact were due to it.

    The usual propensity x margin - cost; kept as an arm to compare with, never as the answer.
    """
    stated = catalogue.stated
    found = np.empty(effects.alone.shape)
    _by_propensity(
        *(effects.alone, effects.contacted, effects.stake, stated.retention, stated.cost, found),
    )
    return found


_FLAGS = numba.boolean[::1]


@compiled(numba.void(TABLE, INTS, numba.int64, _FLAGS, _FLAGS, FLOATS, FLOATS, FLOATS, FLOATS, CUBE))
def _state(
    table: Array,
    score: Array,
    value: int,
    general: Array,
    retention: Array,
    alone: Array,
    odds: Array,
    accepts: Array,
    margin: Array,
    found: Array,
) -> None:
    """Alone, contacted, accepts and stake of every option; columns -1 are not known."""
    for row in range(len(table)):
        worth = table[row, value] if value >= 0 else np.nan
        for o in range(len(score)):
            p = alone[o] if general[o] else (table[row, score[o]] if score[o] >= 0 else np.nan)
            # The probability whose odds are so many times as high.
            met = odds[o] * p / (1.0 + (odds[o] - 1.0) * p)
            found[0, row, o] = p
            found[1, row, o] = met
            found[2, row, o] = accepts[o] if retention[o] else met
            found[3, row, o] = worth if retention[o] else margin[o]


@compiled(numba.void(TABLE, TABLE, TABLE, TABLE, TABLE, _FLAGS, FLOATS, FLOATS, FLOATS, TABLE))
def _value(
    alone: Array,
    contacted: Array,
    accepts: Array,
    stake: Array,
    fatigue: Array,
    retention: Array,
    cost: Array,
    incentive: Array,
    factor: Array,
    found: Array,
) -> None:
    for row in range(len(alone)):
        for o in range(len(cost)):
            change = contacted[row, o] - alone[row, o]
            change = -change if retention[o] else change
            spent = cost[o] + accepts[row, o] * incentive[o] + fatigue[row, o]
            found[row, o] = (change * stake[row, o] - spent) * factor[o]


@compiled(numba.void(TABLE, TABLE, TABLE, _FLAGS, FLOATS, TABLE))
def _by_propensity(
    alone: Array, contacted: Array, stake: Array, retention: Array, cost: Array, found: Array
) -> None:
    for row in range(len(alone)):
        for o in range(len(cost)):
            chance = alone[row, o] if retention[o] else contacted[row, o]
            found[row, o] = chance * stake[row, o] - cost[o]
