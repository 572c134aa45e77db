"""The bank's nouns, and the closed lists of words that history may use."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "AS_OF",
    "CATEGORIES",
    "CHANNELS",
    "CREATED",
    "CUSTOMER_ID",
    "Catalogue",
    "Channel",
    "Product",
    "Segment",
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


@dataclass(frozen=True)
class Product:
    """One product of the catalogue; money is in major units of the reporting currency.

    balance_margin
        Interest margin a year as a share of the absolute balance.
    monthly_margin, monthly_cost
        Flat margin and cost to serve for each month that the product is held.
    loss_rate
        Expected credit loss a year as a share of the absolute balance.
    takeup_margin
        What a new holding is expected to earn in its first twelve months.
    requires
        Products of which at least one must be held before this one may be offered.
    """

    name: str
    label: str
    offer: str
    offered: bool
    balance_margin: float
    monthly_margin: float
    monthly_cost: float
    loss_rate: float
    takeup_margin: float
    min_age: int
    max_age: int
    requires: tuple[str, ...]
    suitable: str


@dataclass(frozen=True)
class Channel:
    """A channel by which the bank may approach a customer; `cost` per contact in major units."""

    name: str
    label: str
    cost: float


@dataclass(frozen=True)
class Tier:
    """A value tier: customers whose expected value over twelve months reaches `min_value`."""

    name: str
    min_value: float


@dataclass(frozen=True)
class Segment:
    """A segment by kind of customer and age in years, lower bound included, upper excluded."""

    name: str
    kind: str
    min_age: int
    max_age: int


@dataclass(frozen=True)
class Catalogue:
    """What a bank sells and how it differentiates; loaded from `catalogue.toml`.

    `version` is the first twelve digits of the file's SHA-256, so that lists can name it;
    `attrition_floor` the mean balance in major units below which attrition has no meaning.
    """

    version: str
    currency: str
    attrition_floor: float
    products: Mapping[str, Product]
    channels: Mapping[str, Channel]
    tiers: tuple[Tier, ...]
    segments: tuple[Segment, ...]

    @property
    def offered(self) -> tuple[Product, ...]:
        """The products that lists and offers may name, in the file's order."""
        return tuple(p for p in self.products.values() if p.offered)
