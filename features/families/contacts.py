"""What the bank offered, what the customer answered, and whether it has become too much."""

from features.families.base import Family, Field, Slice, Window
from features.families.parts import number, ratio, since

__all__ = ["FAMILY"]

_CAMPAIGN = Slice({"kind": ("campaign",)})
_ANSWERS = {
    "accepted": (("accepted",), "offers accepted", "Offers accepted", (365,)),
    "interest": (
        ("opened", "accepted"),
        "offers opened or accepted",
        "Offers opened or accepted",
        (90, 365),
    ),
    "refusals": (
        ("refused", "opted_out"),
        "offers refused or opted out of",
        "Offers refused",
        (180, 365),
    ),
}


def _offered(days: int) -> Window:
    return number(
        f"contacts_{days}d", "campaign contacts", "Offers received", _CAMPAIGN, days, "interactions"
    )


FAMILY = Family(
    "contacts",
    "What was offered and answered",
    windows=(
        *(_offered(days) for days in (7, 30, 90, 365)),
        *(
            number(f"{name}_{days}d", meaning, label, Slice({"response": words}), days, "interactions")
            for name, (words, meaning, label, spans) in _ANSWERS.items()
            for days in spans
        ),
        since("contact", "the last offer", _CAMPAIGN, "interactions"),
    ),
    derived=(
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
    ),
)
