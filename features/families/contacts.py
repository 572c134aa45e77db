"""What the bank offered, what the customer answered, and whether it has become too much."""

from features.families.base import Family, Field, Slice, Window
from features.families.parts import SINCE_DAYS, number, ratio, since
from features.vocabulary import Catalogue

__all__ = ["declare"]

_CAMPAIGN = Slice({"kind": ("campaign",)})
_BY = ("app", "email", "mail", "call", "branch")
"""Channels by which a bank approaches customers, and may bound how often."""

_REFUSED = ("refused", "opted_out")

_ANSWERS = {
    "accepted": (("accepted",), "offers accepted", "Offers accepted", (365,)),
    "interest": (
        ("opened", "accepted"),
        "offers opened or accepted",
        "Offers opened or accepted",
        (90, 365),
    ),
    "refusals": (
        _REFUSED,
        "offers refused or opted out of",
        "Offers refused",
        (180, 365),
    ),
}


def _offered(days: int) -> Window:
    return number(
        f"contacts_{days}d", "campaign contacts", "Offers received", _CAMPAIGN, days, "interactions"
    )


def _by(channel: str, days: int) -> Window:
    """For the contact rules alone: what the models may know of contacts is how many there were."""
    part = Slice({"kind": ("campaign",), "channel": (channel,)})
    meaning, label = (
        f"campaign contacts by {channel}, {days} days",
        f"Offers by {channel}, last {days} days",
    )
    counted = Field(f"contacts_{channel}_{days}d", "int64", "count", meaning, label, use="decision")
    return Window(counted, "interactions", "count", days, slice=part)


def _refused(product: str) -> Window:
    """For the cool-downs alone. A contact says which product it was about, not which offer it made."""
    part = Slice({"response": _REFUSED, "product": (product,)})
    since_then = Field(
        *(f"days_since_refusal_{product}", "int64", "days", f"since the latest refused offer of {product}"),
        f"Days since a refusal: {product.replace('_', ' ')}",
        null="null",
        use="decision",
    )
    return Window(since_then, "interactions", "recency", SINCE_DAYS, slice=part)


def declare(catalogue: Catalogue) -> Family:
    """The family for a catalogue: for each product the days since an offer of it was refused."""
    return Family(
        "contacts",
        "What was offered and answered",
        windows=(*_WINDOWS, *(_refused(product) for product in catalogue.products)),
        derived=_DERIVED,
    )


_WINDOWS = (
    *(_offered(days) for days in (7, 30, 90, 365)),
    *(_by(channel, days) for channel in _BY for days in (30, 90)),
    *(
        number(f"{name}_{days}d", meaning, label, Slice({"response": words}), days, "interactions")
        for name, (words, meaning, label, spans) in _ANSWERS.items()
        for days in spans
    ),
    since("contact", "the last offer", _CAMPAIGN, "interactions"),
)

_DERIVED = (
    (
        Field(
            *("response_rate_365d", "float64", "ratio", "offers opened or accepted, of those received"),
            *("Offers answered, last year", "C1", "null"),
        ),
        lambda t: ratio(t.interest_365d, t.contacts_365d),
    ),
    (
        Field(
            *("refusal_share_365d", "float64", "ratio", "offers refused, of those received"),
            *("Share of offers refused, last year", "C1", "null"),
        ),
        lambda t: ratio(t.refusals_365d, t.contacts_365d),
    ),
    (
        Field(
            *("fatigue_30d", "float64", "ratio", "offers of 30 days to the year's pace"),
            *("Offers, last 30 days against the year", "C1", "null"),
        ),
        lambda t: ratio(t.contacts_30d * 365, t.contacts_365d * 30),
    ),
)
