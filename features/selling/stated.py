"""What a catalogue states about its options, as arrays in their order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.selling.offers import Offer, Option

if TYPE_CHECKING:
    from features.vocabulary import Channel, Product

__all__ = ["Stated"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Stated:
    """One entry an option; money in major units.

    offer, channel
        The option's places among the catalogue's offers and channels.
    retention, general
        Of which kind the option is; cross-selling where of neither.
    cost, incentive
        Of one contact, and of one acceptance.
    alone
        P(takes the product up without a contact), NaN where a score says it.
    score
        The place in `scores` of the name of that score, its length where none says it.
    odds
        Factor by which a contact multiplies the odds, by the offer's prior and the channel's strength.
    accepts
        P(accepts what a retention offer grants | contacted), NaN of other kinds.
    margin
        What a new holding of the product earns in its first twelve months.
    """

    offer: NDArray[np.intp]
    channel: NDArray[np.intp]
    retention: Mask
    general: Mask
    cost: Floats
    incentive: Floats
    alone: Floats
    scores: tuple[str, ...]
    score: NDArray[np.intp]
    odds: Floats
    accepts: Floats
    margin: Floats

    @classmethod
    def of(
        cls,
        options: Sequence[Option],
        offers: Mapping[str, Offer],
        channels: "Mapping[str, Channel]",
        products: "Mapping[str, Product]",
    ) -> "Stated":
        """The arrays of some options."""
        names = [_score(option) for option in options]
        scores = tuple(dict.fromkeys(name for name in names if name))
        priors = [offers[option.offer].prior for option in options]
        retention = [option.kind == "retention" for option in options]
        odds = [
            (prior.leaving_odds if stays else prior.uptake_odds) ** channels[option.channel].strength
            for option, prior, stays in zip(options, priors, retention, strict=True)
        ]
        nan = float("nan")
        places, ways = list(offers), list(channels)
        return cls(
            offer=np.array([places.index(option.offer) for option in options], dtype=np.intp),
            channel=np.array([ways.index(option.channel) for option in options], dtype=np.intp),
            retention=np.array(retention, dtype=np.bool_),
            general=np.array([not name for name in names], dtype=np.bool_),
            cost=_floats(option.cost for option in options),
            incentive=_floats(option.incentive for option in options),
            alone=_floats(nan if name else p.alone for p, name in zip(priors, names, strict=True)),
            scores=scores,
            score=np.array([scores.index(n) if n else len(scores) for n in names], dtype=np.intp),
            odds=_floats(odds),
            accepts=_floats(p.accepts if r else nan for p, r in zip(priors, retention, strict=True)),
            margin=_floats(products[option.product].takeup_margin for option in options),
        )


def _score(option: Option) -> str:
    if option.kind == "general":
        return ""
    return "churn" if option.kind == "retention" else f"propensity_{option.product}"


def _floats(values: Iterable[float]) -> Floats:
    return np.array(list(values), dtype=np.float64)
