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

from features.selling.offers import Option
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
        What one more contact costs in later response, opting out and complaints, (options,).
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
    unknown, options = np.full(rows, np.nan), catalogue.options
    shape = (rows, len(options))
    alone, contacted, accepts, stake = (np.empty(shape) for _ in range(4))
    for place, option in enumerate(options):
        prior, retention = catalogue.offers[option.offer].prior, option.kind == "retention"
        if option.kind == "general":
            alone[:, place] = prior.alone
        else:
            name = "churn" if retention else f"propensity_{option.product}"
            alone[:, place] = scores.get(name, unknown)
        factor = prior.leaving_odds if retention else prior.uptake_odds
        strength = catalogue.channels[option.channel].strength
        contacted[:, place] = _times_odds(alone[:, place], factor**strength)
        accepts[:, place] = prior.accepts if retention else contacted[:, place]
        margin = catalogue.products[option.product].takeup_margin
        stake[:, place] = scores.get("value_expected", unknown) if retention else margin
    basis = tuple[Basis, ...]("prior" for _ in options)
    return Effects(alone, contacted, accepts, stake, np.zeros(len(options)), basis)


def values(effects: Effects, catalogue: Catalogue, policy: Policy) -> Floats:
    """The incremental value of each option in major units; NaN where it is not known."""
    options = catalogue.options
    sign = np.array([-1.0 if option.kind == "retention" else 1.0 for option in options])
    change = sign * (effects.contacted - effects.alone)
    cost = _of(options, "cost") + effects.accepts * _of(options, "incentive") + effects.fatigue
    lever = np.array([policy.levers[o.offer].factor if o.offer in policy.levers else 1.0 for o in options])
    found: Floats = (change * effects.stake - cost) * lever
    return found


def propensity_values(effects: Effects, catalogue: Catalogue) -> Floats:
    """What an option would be worth if everything that follows a contact were due to it.

    The usual propensity x margin - cost; kept as an arm to compare with, never as the answer.
    """
    options = catalogue.options
    retention = np.array([option.kind == "retention" for option in options])
    chance = np.where(retention, effects.alone, effects.contacted)
    found: Floats = chance * effects.stake - _of(options, "cost")
    return found


def _of(options: tuple[Option, ...], name: str) -> Floats:
    return np.array([getattr(option, name) for option in options], dtype=np.float64)


def _times_odds(probability: Floats, factor: float) -> Floats:
    """The probability whose odds are `factor` times as high."""
    found: Floats = factor * probability / (1.0 + (factor - 1.0) * probability)
    return found
