"""What a bank may offer: an offer, the price terms it carries, and an option, an offer by one channel."""

from dataclasses import dataclass
from typing import Literal

from features.selling.expressions import EVERYBODY, Expression

__all__ = ["KINDS", "Kind", "Offer", "Option", "PriceTerms", "Prior"]

Kind = Literal["cross_sell", "retention", "general"]
KINDS: tuple[Kind, ...] = ("cross_sell", "retention", "general")
"""cross_sell: to those who do not hold the product; retention: to those who hold it; general: to those
who do not hold it and refuse profiling, the same for all of them."""


@dataclass(frozen=True)
class PriceTerms:
    """A personal price: `share` of the fee, in (0, 1], is waived for `months`.

    tiers
        Value tiers whose customers may have it; empty for all.
    because
        The rule that justifies it, in words; logged with every decision that grants it.
    """

    share: float
    months: int
    tiers: tuple[str, ...]
    because: str


@dataclass(frozen=True)
class Prior:
    """What an offer is assumed to change, used until randomised outcomes exist.

    uptake_odds
        Factor on the odds of taking the product up, by a channel of strength 1.
    leaving_odds
        Factor on the odds of leaving, by a channel of strength 1.
    accepts
        Share of the contacted who accept what a retention offer grants.
    alone
        Share of eligible customers who take a general offer's product up unasked; used where no
        model may look.
    source
        Where the figures come from.
    """

    uptake_odds: float = 1.0
    leaving_odds: float = 1.0
    accepts: float = 0.0
    alone: float = 0.0
    source: str = ""


@dataclass(frozen=True)
class Offer:
    """One offer of the catalogue.

    incentive
        What it costs the bank each time it is accepted, in major units.
    terms
        The personal price that it grants, if any.
    channels
        Those by which it may be made, in the order of the catalogue.
    say
        What to tell the customer, in the words of whoever talks; the label where nothing is written.
    eligible, applicable, suitable
        Who may have it beyond the product's own bounds; whom it makes sense for; whom it does not harm.
    """

    name: str
    label: str
    product: str
    kind: Kind
    incentive: float
    terms: PriceTerms | None
    channels: tuple[str, ...]
    prior: Prior
    say: str = ""
    eligible: Expression = EVERYBODY
    applicable: Expression = EVERYBODY
    suitable: Expression = EVERYBODY

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All three, in the order of the rules."""
        return self.eligible, self.applicable, self.suitable


@dataclass(frozen=True)
class Option:
    """An offer by one channel: what a decision chooses from.

    name
        `<offer>.<channel>`.
    cost, incentive
        Of one contact, and of one acceptance, in major units.
    minutes
        Of somebody's time for one contact.
    """

    name: str
    offer: str
    product: str
    channel: str
    kind: Kind
    cost: float
    minutes: float
    incentive: float
