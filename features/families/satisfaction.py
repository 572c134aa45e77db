"""What the customer complained about, how it was settled, and what surveys say."""

import ibis
import ibis.expr.types as ir

from features.families.base import Family, Field, Slice, Window
from features.families.parts import SINCE_DAYS, flag, number, since
from features.history.cut import Cut, seconds

__all__ = ["FAMILY", "PROMPT_DAYS"]

PROMPT_DAYS = 14
"""Within how many days a complaint should be settled."""

_COMPLAINT = Slice({"kind": ("complaint",)})


def _said(cut: Cut, spine: ir.Table) -> ir.Table:
    """Complaints and surveys, one row a customer; sessions and campaigns are left out at once."""
    said = cut.interactions.filter(cut.interactions.kind.isin(["complaint", "survey"]))
    said = said.semi_join(spine, "customer_id")
    answered = (said.kind == "survey") & said.rating.notnull()
    complained = said.kind == "complaint"
    said = said.mutate(
        age=cut.days_since(said.at),
        took=(seconds(said.resolved_at) - seconds(said.at)) // 86_400,
        answered=answered.ifelse(1, 0),
        complained=complained.ifelse(1, 0),
    )
    # Two answers at one moment: the higher id is the later one.
    said = said.mutate(
        nth=ibis.row_number().over(
            group_by=["customer_id", "answered"], order_by=[ibis.desc("at"), ibis.desc("interaction_id")]
        )
    )
    is_answer, is_complaint = said.answered == 1, said.complained == 1
    is_open = is_complaint & said.resolved_at.isnull()
    settled = is_complaint & said.resolved_at.notnull() & (said.age < SINCE_DAYS)
    due = is_complaint & (said.age >= PROMPT_DAYS) & (said.age < SINCE_DAYS)
    prompt = due & said.resolved_at.notnull() & (said.took < PROMPT_DAYS)
    days, score = ibis.null("int64"), ibis.null("float64")
    sums = said.group_by("customer_id").aggregate(
        complaints_open=is_open.ifelse(1, 0).sum(),
        complaint_open_days=is_open.ifelse(said.age, days).max(),
        settled=settled.ifelse(1, 0).sum(),
        took=settled.ifelse(said.took, 0).sum(),
        due=due.ifelse(1, 0).sum(),
        prompt=prompt.ifelse(1, 0).sum(),
        rating_last=(is_answer & (said.nth == 0)).ifelse(said.rating, score).max(),
        rating_before=(is_answer & (said.nth == 1)).ifelse(said.rating, score).max(),
        days_since_survey=is_answer.ifelse(said.age, days).min(),
    )
    return sums.select(
        "customer_id",
        "complaints_open",
        "complaint_open_days",
        "rating_last",
        "days_since_survey",
        complaint_settle_days=sums.took.cast("float64") / sums.settled.nullif(0),
        complaints_prompt_share=sums.prompt.cast("float64") / sums.due.nullif(0),
        rating_change=sums.rating_last - sums.rating_before,
    )


def _complaints(days: int) -> Window:
    return number(f"complaints_{days}d", "complaints", "Complaints", _COMPLAINT, days, "interactions")


def _rating_group(t: ir.Table) -> ir.Value:
    promotes, detracts = flag(t.rating_last >= 9), flag(t.rating_last <= 6)
    return t.rating_last.notnull().ifelse(promotes - detracts, ibis.null("int64"))


FAMILY = Family(
    "satisfaction",
    "Complaints and surveys",
    reads=("interactions",),
    windows=(
        *(_complaints(days) for days in (180, 365)),
        since("complaint", "the last complaint", _COMPLAINT, "interactions"),
        Window(
            Field(
                *("rating_mean_730d", "float64", "0 to 10", "mean survey rating, two years"),
                *("Survey rating, two years", "C1", "null"),
            ),
            *("interactions", "mean", 730, "rating"),
        ),
    ),
    expressed=(
        Field("complaints_open", "int64", "count", "complaints not settled", "Open complaints"),
        Field(
            *("complaint_open_days", "int64", "days", "age of the oldest complaint not settled"),
            *("Oldest open complaint", "C1", "null"),
        ),
        Field(
            *(
                "complaint_settle_days",
                "float64",
                "days (mean)",
                "mean time to settle, complaints of two years",
            ),
            *("Days until complaints were settled", "C1", "null"),
        ),
        Field(
            *("complaints_prompt_share", "float64", "ratio"),
            f"complaints of two years settled within {PROMPT_DAYS} days, of those that old",
            f"Complaints settled within {PROMPT_DAYS} days",
            null="null",
        ),
        Field(
            "rating_last", "float64", "0 to 10", "latest survey rating", "Last survey rating", null="null"
        ),
        Field(
            *("rating_change", "float64", "points", "latest survey rating less the one before"),
            *("Survey rating, change", "C1", "null"),
        ),
        Field(
            *("days_since_survey", "int64", "days", "since the latest survey"),
            *("Days since the last survey", "C1", "null"),
        ),
    ),
    expression=_said,
    derived=(
        (
            Field(
                *("rating_group", "int64", "-1 to 1"),
                "latest rating as promoter (9 or 10: 1), passive (0) or detractor (6 or less: -1)",
                "Promoter (1) or detractor (-1)",
                null="null",
            ),
            _rating_group,
        ),
    ),
)
