"""Offers and outcomes as strict types."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from serving.api.schemas import MAX_IDS, Because, CustomerId, Strict

__all__ = [
    "OfferAnswer",
    "OfferTerms",
    "OffersAnswer",
    "OffersRequest",
    "OffersResult",
    "OutcomeResult",
    "OutcomesAnswer",
    "OutcomesRequest",
    "Sourced",
    "Told",
]


def _moment(told: Any) -> Any:
    """ISO 8601 with a zone; the message repeats nothing of what was sent."""
    try:
        moment = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("not a time with a zone, such as 2026-01-31T00:00:00Z")
    return moment


Id = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
Moment = Annotated[datetime, BeforeValidator(_moment)]


def _example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class OffersRequest(Strict):
    """Whom to decide for, how many offers to name for each, and whether to say why."""

    model_config = _example({"customer_ids": ["C000123"], "limit": 2, "reasons": True})

    customer_ids: Annotated[list[CustomerId], Field(min_length=1, max_length=MAX_IDS)]
    limit: Annotated[int, Field(ge=1, le=20)] = 1
    reasons: bool = False


class OfferTerms(Strict):
    """A personal price: `share` of the fee is waived for so many months, and the rule that justifies it."""

    share: float
    months: int
    because: str


class OfferAnswer(Strict):
    """One offer by one channel.

    `uplift` is by how much the contact changes `probability`: of taking the product up, of a retention
    offer of leaving. `expected_value` is what that earns after costs, and `price` what the scarce things
    that it uses are worth elsewhere; offers are ranked by the difference. `basis` is `prior` where the
    effect is assumed in the catalogue, `model` where it was learned. `because` may be told to the customer.
    """

    option: str
    offer: str
    label: str
    product: str
    channel: str
    probability: float | None
    uplift: float | None
    expected_value: float | None
    price: float
    basis: Literal["prior", "model"]
    terms: OfferTerms | None
    because: list[Because]


class OffersResult(Strict):
    """What was decided for one customer, and logged under `decision_id`.

    `action` is the first of `offers`, taken with `probability`; the others are for when it is turned down.
    Where `action` is empty, `nothing` says why: `held_out` (control group), `all_removed` (by the rules),
    `nothing_gains`, `too_scarce` (worth less than what it uses), `drawn` (by chance, to learn). `removed`
    names for each rule the options that it removed. With status `abstain` nothing was decided.
    """

    customer_id: str
    status: str
    reasons: list[str]
    decision_id: str
    arm: str
    action: str
    probability: float | None
    nothing: str
    offers: list[OfferAnswer]
    removed: dict[str, list[str]]


class Sourced(Strict):
    """Everything that decisions came from; money in `currency`."""

    request_id: str
    as_of: str
    feature_generation: str
    models: dict[str, str]
    catalogue: str
    policy: str
    plan: str
    currency: str


class OffersAnswer(Sourced):
    """Decisions in the order asked for, with everything that they came from; money in `currency`.

    `plan` is the plan whose prices counted, empty where there is none.
    """

    model_config = _example(
        {
            "request_id": "01KE0000000000000000000000",
            "as_of": "2026-10-31T00:00:00Z",
            "feature_generation": "2026-10-31.1",
            "models": {"churn": "churn/7 sha256:3f2a91bc77de"},
            "catalogue": "5f1d0c9a7b3e",
            "policy": "0a4be21f77c1",
            "plan": "plan-20261031-8c1f2a90",
            "currency": "EUR",
            "results": [
                {
                    "customer_id": "C000123",
                    "status": "ok",
                    "reasons": [],
                    "decision_id": "01KE0000000000000000000000:C000123",
                    "arm": "champion",
                    "action": "fee_waiver.app",
                    "probability": 0.861,
                    "nothing": "",
                    "offers": [
                        {
                            "option": "fee_waiver.app",
                            "offer": "fee_waiver",
                            "label": "A year without account fee",
                            "product": "current_account",
                            "channel": "app",
                            "probability": 0.112,
                            "uplift": 0.061,
                            "expected_value": 16.13,
                            "price": 8.02,
                            "basis": "prior",
                            "terms": {
                                "share": 1.0,
                                "months": 12,
                                "because": "the customer is likely to leave, and staying is worth the fee",
                            },
                            "because": [
                                {
                                    "code": "app_sessions_90d",
                                    "text": "We took into account: app sessions, last 90 days (41).",
                                    "weight": 0.3,
                                }
                            ],
                        }
                    ],
                    "removed": {"already_held": ["loan.app", "loan.email"]},
                }
            ],
        }
    )

    results: list[OffersResult]


class Told(Strict):
    """One thing that followed on a decision, as in a file of outcomes.

    `product` is what was bought, empty for what the decision was about; `amount` what it is worth, null
    for what the decision assumed.
    """

    outcome_id: Id
    decision_id: Id
    customer_id: CustomerId
    at: Moment
    kind: Literal["shown", "accepted", "refused", "complained", "opted_out", "bought", "left"]
    known_at: Moment
    product: Annotated[str, Field(max_length=128)] = ""
    amount: float | None = None


class OutcomesRequest(Strict):
    """Outcomes, in any order."""

    model_config = _example(
        {
            "outcomes": [
                {
                    "outcome_id": "crm-88123",
                    "decision_id": "01KE0000000000000000000000:C000123",
                    "customer_id": "C000123",
                    "at": "2026-11-02T09:30:00Z",
                    "kind": "accepted",
                    "known_at": "2026-11-02T09:31:00Z",
                }
            ]
        }
    )

    outcomes: Annotated[list[Told], Field(min_length=1, max_length=MAX_IDS)]


class OutcomeResult(Strict):
    """What became of one outcome.

    `status`: `new`, `known` (no effect), `changed` (refused: the id is recorded otherwise),
    `unknown_decision` and `other_customer` (in quarantine), or `erased_customer` (nothing is kept).
    `flag`: `early` before the decision, `late` after its window; recorded, but not counted.
    """

    outcome_id: str
    status: Literal["new", "known", "changed", "unknown_decision", "other_customer", "erased_customer"]
    flag: Literal["", "early", "late"]


class OutcomesAnswer(Strict):
    """One result an outcome, in the order they came."""

    model_config = _example(
        {
            "request_id": "01KE0000000000000000000001",
            "results": [{"outcome_id": "crm-88123", "status": "new", "flag": ""}],
        }
    )

    request_id: str
    results: list[OutcomeResult]
