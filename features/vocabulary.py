"""The bank's nouns, and the closed lists of words that history may use."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from features.selling.expressions import EVERYBODY, Expression
from features.selling.offers import Offer, Option
from features.selling.stated import Stated

__all__ = [
    "AS_OF",
    "CATEGORIES",
    "CHANNELS",
    "CREATED",
    "CUSTOMER_ID",
    "SERVICES",
    "Catalogue",
    "Channel",
    "Product",
    "Segment",
    "Service",
    "Tier",
]

CUSTOMER_ID = "customer_id"
AS_OF = "as_of"
CREATED = "created_at"
"""When a feature row could first have been known; the point-in-time join also cuts on it."""

CHANNELS = ("branch", "atm", "app", "web", "call", "email", "mail", "auto")
"""How a customer and the bank meet; `auto` is the bank's own machinery (interest, standing orders)."""

CATEGORIES = (
    "salary",
    "pension",
    "transfer_in",
    "transfer_out",
    "cash_in",
    "cash_out",
    "card",
    "standing_order",
    "household",
    "insurance",
    "loan_payment",
    "loan_payout",
    "interest",
    "penalty",
    "fee",
    "investment",
    "other",
)
"""What a transaction was for. `interest` is paid by the bank, `penalty` and `fee` to the bank."""


Service = Literal["self_service", "one_manager", "team"]
SERVICES: tuple[Service, ...] = ("self_service", "one_manager", "team")
"""Who serves a customer: nobody in person, one relationship manager, or a team of them."""


@dataclass(frozen=True)
class Product:
    """One product of the catalogue; money is in major units of the reporting currency.

    offered
        Whether an offer of the catalogue sells it.
    balance_margin
        Interest margin a year as a share of the absolute balance.
    monthly_margin, monthly_cost
        Flat margin and cost to serve for each month that the product is held.
    loss_rate
        Expected credit loss a year as a share of the absolute balance.
    takeup_margin
        What a new holding is expected to earn in its first twelve months.
    min_age, max_age
        Completed years, both included; they bind natural persons.
    requires
        Products of which at least one must be held before this one may be taken.
    """

    name: str
    label: str
    offered: bool
    balance_margin: float
    monthly_margin: float
    monthly_cost: float
    loss_rate: float
    takeup_margin: float
    min_age: int
    max_age: int
    requires: tuple[str, ...]


@dataclass(frozen=True)
class Channel:
    """A channel by which the bank may approach a customer.

    cost, minutes
        Of one contact: major units, and minutes of somebody's time (0: nobody's).
    strength
        How far an offer's prior effect reaches by this channel: a factor on the logarithm of the odds.
    reaches
        Whom it reaches at all.
    """

    name: str
    label: str
    cost: float
    minutes: float = 0.0
    strength: float = 1.0
    reaches: Expression = EVERYBODY


@dataclass(frozen=True)
class Tier:
    """A value tier: customers whose expected value over twelve months reaches `min_value`.

    service, managers
        Who serves them, and how many relationship managers share that: 0, 1 or a team's size.
    """

    name: str
    min_value: float
    service: Service = "self_service"
    managers: int = 0


@dataclass(frozen=True)
class Segment:
    """The customers of whom `where` is true, and of whom no earlier segment's is."""

    name: str
    where: Expression


@dataclass(frozen=True)
class Catalogue:
    """What a bank sells and how it differentiates; loaded from `catalogue.toml`.

    `version` is the first twelve digits of the file's SHA-256, so that lists can name it;
    `attrition_floor` the mean balance in major units below which attrition has no meaning;
    `discount_rate` the yearly rate by which later money counts less, in [0, 1).
    """

    version: str
    currency: str
    attrition_floor: float
    discount_rate: float
    products: Mapping[str, Product]
    channels: Mapping[str, Channel]
    tiers: tuple[Tier, ...]
    segments: tuple[Segment, ...]
    offers: Mapping[str, Offer]

    @property
    def offered(self) -> tuple[Product, ...]:
        """The products that an offer sells, in the file's order; the models answer for each."""
        return tuple(p for p in self.products.values() if p.offered)

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """Every offer by every channel by which it may be made: the columns of all arrays of decisions.

        In the file's order of offers, and of channels within each.
        """
        return tuple(
            Option(
                name=f"{offer.name}.{channel}",
                offer=offer.name,
                product=offer.product,
                channel=channel,
                kind=offer.kind,
                cost=self.channels[channel].cost,
                minutes=self.channels[channel].minutes,
                incentive=offer.incentive,
            )
            for offer in self.offers.values()
            for channel in offer.channels
        )

    @cached_property
    def stated(self) -> Stated:
        """What is stated about the options, as arrays in their order."""
        return Stated.of(self.options, self.offers, self.channels, self.products)

    def selling(self, product: str) -> Offer | None:
        """The first personal offer that sells a product, if there is one."""
        sells = (o for o in self.offers.values() if o.kind == "cross_sell" and o.product == product)
        return next(sells, None)
