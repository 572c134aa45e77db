"""What was said: campaigns and answers, complaints, surveys, sessions, calls."""

import ibis
import ibis.expr.types as ir

from features.families.base import Family, Field, Slice, Window
from features.history.cut import Cut

__all__ = ["FAMILY"]


def _count(name: str, days: int, meaning: str, label: str, **words: tuple[str, ...]) -> Window:
    field = Field(name, "int64", "count", meaning, label)
    return Window(field, "interactions", "count", days, slice=Slice(words))


def _last(cut: Cut, spine: ir.Table) -> ir.Table:
    contacts = cut.interactions.semi_join(spine, "customer_id")
    is_complaint = contacts.kind == "complaint"
    unresolved = is_complaint & contacts.resolved_at.isnull()
    answered = (contacts.kind == "survey") & contacts.rating.notnull()
    return contacts.group_by("customer_id").aggregate(
        complaints_open=unresolved.ifelse(1, 0).sum(),
        # Two answers at one moment: the higher id is the later one.
        rating_last=contacts.rating.argmax(
            ibis.struct({"at": contacts.at, "id": contacts.interaction_id}), where=answered
        ),
        days_since_survey=cut.days_since(contacts.at).min(where=answered),
    )


FAMILY = Family(
    "interactions",
    "What was said between customer and bank",
    windows=(
        _count(
            "contacts_30d", 30, "campaign contacts", "Offers received, last 30 days", kind=("campaign",)
        ),
        _count(
            "contacts_90d", 90, "campaign contacts", "Offers received, last 90 days", kind=("campaign",)
        ),
        _count("contacts_365d", 365, "campaign contacts", "Offers received, last year", kind=("campaign",)),
        _count(
            "accepted_365d", 365, "offers accepted", "Offers accepted, last year", response=("accepted",)
        ),
        _count(
            "refusals_180d",
            180,
            "offers refused or opted out of",
            "Offers refused, last 180 days",
            response=("refused", "opted_out"),
        ),
        _count("complaints_180d", 180, "complaints", "Complaints, last 180 days", kind=("complaint",)),
        _count("complaints_365d", 365, "complaints", "Complaints, last year", kind=("complaint",)),
        _count("sessions_30d", 30, "digital sessions", "Sessions, last 30 days", kind=("session",)),
        _count("sessions_90d", 90, "digital sessions", "Sessions, last 90 days", kind=("session",)),
        _count("calls_90d", 90, "calls", "Calls, last 90 days", kind=("call",)),
        _count("visits_90d", 90, "visits", "Visits, last 90 days", kind=("visit",)),
        Window(
            Field(
                "days_since_complaint",
                "int64",
                "days",
                "since the latest complaint",
                "Days since the last complaint",
                null="null",
            ),
            "interactions",
            "recency",
            730,
            slice=Slice({"kind": ("complaint",)}),
        ),
        Window(
            Field(
                "days_since_session",
                "int64",
                "days",
                "since the latest session",
                "Days since the last session",
                null="null",
            ),
            "interactions",
            "recency",
            730,
            slice=Slice({"kind": ("session",)}),
        ),
        Window(
            Field(
                "rating_mean_730d",
                "float64",
                "0 to 10",
                "mean survey rating, two years",
                "Survey rating, two years",
                null="null",
            ),
            "interactions",
            "mean",
            730,
            "rating",
        ),
    ),
    expressed=(
        Field("complaints_open", "int64", "count", "complaints not settled", "Open complaints"),
        Field(
            "rating_last", "float64", "0 to 10", "latest survey rating", "Last survey rating", null="null"
        ),
        Field(
            "days_since_survey",
            "int64",
            "days",
            "since the latest survey",
            "Days since the last survey",
            null="null",
        ),
    ),
    expression=_last,
    derived=(
        (
            Field(
                "sessions_change_30d",
                "float64",
                "ratio",
                "sessions of 30 days to a third of 90 days",
                "Sessions, last 30 days against the quarter",
                null="null",
            ),
            lambda t: (
                t.sessions_30d
                * 3.0
                / (t.sessions_90d > 0).ifelse(t.sessions_90d.cast("float64"), ibis.null("float64"))
            ),
        ),
    ),
)
