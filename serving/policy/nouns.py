"""What a bank's policy says: how often to approach, what to favour, which arms, within which limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "WHATS",
    "Arm",
    "ContactRules",
    "Lever",
    "Managers",
    "Plan",
    "Policy",
    "Volume",
    "What",
    "Window",
]

What = Literal["universal_control", "random_eligible", "propensity_only", "no_constraints", "champion"]
WHATS: tuple[What, ...] = (
    "universal_control",
    "random_eligible",
    "propensity_only",
    "no_constraints",
    "champion",
)
"""How an arm decides: never contacts; draws one of the allowed options; takes the highest propensity x
margin; takes the highest value without budgets, capacities and volumes; decides as the plan does."""


@dataclass(frozen=True)
class Window:
    """At most `most` campaign contacts in the last `days` days, by one channel or (empty) by all."""

    days: int
    most: int
    channel: str = ""

    @property
    def column(self) -> str:
        """The feature that counts them."""
        return f"contacts_{self.channel}_{self.days}d" if self.channel else f"contacts_{self.days}d"

    def implies(self, other: "Window") -> bool:
        """Whether `other` removes nobody whom this one leaves."""
        reaches = self.channel in ("", other.channel) and self.days >= other.days
        return reaches and self.most <= other.most

    @property
    def rule(self) -> str:
        """The rule's name in counts and logs."""
        return self.column.replace("contacts", "contacted", 1)


@dataclass(frozen=True)
class ContactRules:
    """When to leave a customer in peace.

    cool_down_days
        For how long after a refusal, whatever was refused.
    max_open_complaints
        With more open complaints than that, nobody is approached.
    cool_downs
        Product -> whole days, more than `cool_down_days`, for which an offer of it is not made after
        one was refused.
    """

    windows: tuple[Window, ...]
    cool_down_days: int
    max_open_complaints: int
    cool_downs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Lever:
    """A factor on the value of an offer, in [0, 10], and why."""

    factor: float
    because: str


@dataclass(frozen=True)
class Arm:
    """One arm of the experiment: `share` of the customers, decided for as `what` says."""

    name: str
    what: What
    share: float


@dataclass(frozen=True)
class Volume:
    """How often an offer is to be made in one plan: at least, and at most where that is bounded."""

    least: int = 0
    most: int | None = None


@dataclass(frozen=True)
class Managers:
    """What each relationship manager can do in a month by the `channels` that need one.

    limit, unit
        So many hours, or so many contacts.
    """

    limit: float
    unit: Literal["hours", "contacts"]
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The limits of one plan, a month.

    max_offers
        For each customer.
    budgets
        Money for contacts and incentives in major units, by channel; "total" is that of all.
    hours
        Of work, by channel.
    offers
        Volumes by offer.
    """

    max_offers: int
    budgets: Mapping[str, float]
    hours: Mapping[str, float]
    managers: Managers | None
    offers: Mapping[str, Volume]


@dataclass(frozen=True)
class Policy:
    """A bank's policy, checked against its catalogue.

    version
        The first twelve digits of the file's SHA-256, so that lists can name it.
    control_share
        Of each pulled list, left alone; in (0, 1).
    exploration
        Share of the champion's decisions drawn at random among the allowed options, in [0, 1).
    period
        Label that the draw of arms depends on: a new label draws anew.
    arms
        In the order of the file; their shares add up to 1.
    """

    version: str
    contact: ContactRules
    levers: Mapping[str, Lever]
    exploration: float
    control_share: float
    period: str
    arms: tuple[Arm, ...]
    plan: Plan
