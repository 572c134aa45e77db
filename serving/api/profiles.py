"""The screen pop as strict types: what is shown while the customer is on the line."""

from typing import Annotated

from pydantic import ConfigDict, Field

from serving.api.decisions import OfferAnswer, Sourced
from serving.api.schemas import MAX_IDS, Churn, CustomerId, Strict, Value
from serving.profile import Record, Relation

__all__ = ["ProfileAnswer", "ProfileOffer", "ProfileRequest", "ProfileResult"]


class ProfileRequest(Strict):
    """Who is on the line, how many offers to name, and whether to say why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"customer_ids": ["C000123"], "limit": 2, "reasons": True}]}
    )

    customer_ids: Annotated[list[CustomerId], Field(min_length=1, max_length=MAX_IDS)]
    limit: Annotated[int, Field(ge=1, le=20)] = 1
    reasons: bool = True


class ProfileOffer(OfferAnswer):
    """An offer as POST /v1/offers names it, and `say`: the marketer's words for the conversation."""

    say: str


class ProfileResult(Strict):
    """One customer, as POST /v1/scores and POST /v1/offers answer at the same moment.

    Without consent to profiling (`suppressed`) there is only the bank's record, and an offer that is the
    same for all: `relation`, `churn` and `value` are null. With `abstain` there is nothing.
    `nothing` says why no offer is made, as in POST /v1/offers.
    """

    customer_id: str
    status: str
    reasons: list[str]
    record: Record | None
    relation: Relation | None
    churn: Churn | None
    value: Value | None
    decision_id: str
    action: str
    nothing: str
    offers: list[ProfileOffer]


class ProfileAnswer(Sourced):
    """Profiles in the order asked for, with everything that they came from; money in `currency`."""

    results: list[ProfileResult]
