"""What each option is worth for each customer: what it changes, in money, less what it costs.

    value = (change x stake - cost of the contact - P(accepts) x incentive - fatigue) x lever

For a product the change is that of the chance of taking it up, and the stake the margin of a new holding;
for a retention offer it is how far leaving becomes less likely, and the stake what the customer is worth.
All arrays have the shape (customers, options), in the order of `Catalogue.options`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from features.vocabulary import Catalogue
from serving.policy import Policy

__all__ = ["Basis", "Effects", "prior_effects", "propensity_values", "values"]

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
    stated, unknown = catalogue.stated, np.full(rows, np.nan)
    known = np.stack([*(scores.get(name, unknown) for name in stated.scores), unknown], axis=1)
    alone = np.where(stated.general, stated.alone, known[:, stated.score])
    contacted = _times_odds(alone, stated.odds)
    accepts = np.where(stated.retention, stated.accepts, contacted)
    value = scores.get("value_expected", unknown)[:, None]
    stake = np.where(stated.retention, value, stated.margin)
    basis = tuple[Basis, ...]("prior" for _ in catalogue.options)
    return Effects(alone, contacted, accepts, stake, np.zeros(alone.shape), basis)


def values(effects: Effects, catalogue: Catalogue, policy: Policy) -> Floats:
    """The incremental value of each option in major units; NaN where it is not known."""
    stated = catalogue.stated
    change = np.where(stated.retention, -1.0, 1.0) * (effects.contacted - effects.alone)
    cost = stated.cost + effects.accepts * stated.incentive + effects.fatigue
    found: Floats = change * effects.stake - cost
    if policy.levers:
        offers = [option.offer for option in catalogue.options]
        found = found * np.array([policy.levers[o].factor if o in policy.levers else 1.0 for o in offers])
    return found


def propensity_values(effects: Effects, catalogue: Catalogue) -> Floats:
    """What an option would be worth if everything that follows a contact were due to it.

    The usual propensity x margin - cost; kept as an arm to compare with, never as the answer.
    """
    stated = catalogue.stated
    chance = np.where(stated.retention, effects.alone, effects.contacted)
    found: Floats = chance * effects.stake - stated.cost
    return found


def _times_odds(probability: Floats, factor: Floats) -> Floats:
    """The probability whose odds are `factor` times as high."""
    found: Floats = factor * probability / (1.0 + (factor - 1.0) * probability)
    return found
