"""Offers and outcomes: from the API's types to the deciding side and back."""

import json
from typing import Any

from features.moments import iso
from features.selling.offers import Offer
from features.tombstones import Tombstones
from features.vocabulary import Catalogue
from serving.api.decisions import OffersRequest, OutcomeResult, OutcomesAnswer, OutcomesRequest
from serving.api.retries import name_of
from serving.api.watch import Tell
from serving.deciding.adviser import Advice, Adviser, Answer
from serving.deciding.suggestions import Suggestion
from serving.log.outcomes import Outcome, Received
from serving.steps import Steps

_JSON = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))

__all__ = ["offers_result", "offers_text", "outcomes_answer", "sources_of"]


def offers_text(
    adviser: Adviser,
    request_id: str,
    asked: OffersRequest,
    tell: Tell,
    key: str | None = None,
    by: str = "",
) -> Steps[str]:
    """Decide for everybody who was asked for, the JSON of `OffersAnswer`.

    Plain text: to build the types and check them again costs as much as to decide.

    Parameters
    ----------
    key
        Names the decisions where it is given.
    by
        Who asks, as decisions record it.

    Raises
    ------
    ValueError
        If a number is not finite: it is never told as null.
    """
    advice = yield from adviser.steps(
        asked.customer_ids,
        name=name_of(key, request_id),
        limit=asked.limit,
        with_reasons=asked.reasons,
        by=by,
    )
    scorer = adviser.live.scorer
    tell(advice.answers, scorer.versions)
    return _JSON.encode(
        {
            **sources_of(adviser, request_id, advice),
            "results": [offers_result(one, scorer.catalogue) for one in advice.answers],
        }
    )


def sources_of(adviser: Adviser, request_id: str, advice: Advice) -> dict[str, Any]:
    """The fields of `Sourced`."""
    scorer = adviser.live.scorer
    return {
        "request_id": request_id,
        "as_of": iso(advice.as_of),
        "feature_generation": advice.generation,
        "models": scorer.versions,
        "catalogue": scorer.catalogue.version,
        "policy": adviser.policy.version,
        "plan": next((a.decision.prices for a in advice.answers if a.decision), ""),
        "currency": scorer.catalogue.currency,
    }


def outcomes_answer(adviser: Adviser, request_id: str, told: OutcomesRequest) -> OutcomesAnswer:
    """Record what followed on decisions."""
    gone = Tombstones.of(adviser.home, adviser.salt).among(one.customer_id for one in told.outcomes)
    outcomes = [Outcome(**dict(one)) for one in told.outcomes if one.customer_id not in gone]
    received = iter(adviser.take(outcomes) if outcomes else ())
    results = [
        OutcomeResult(outcome_id=one.outcome_id, status="erased_customer", flag="")
        if one.customer_id in gone
        else _became(next(received))
        for one in told.outcomes
    ]
    return OutcomesAnswer(request_id=request_id, results=results)


def _became(one: Received) -> OutcomeResult:
    return OutcomeResult(outcome_id=one.outcome_id, status=one.status, flag=one.flag)


def offers_result(one: Answer, catalogue: Catalogue) -> dict[str, Any]:
    """What was decided for one customer, the fields of `OffersResult`."""
    made = one.decision
    return {
        "customer_id": one.customer_id,
        "status": one.status,
        "reasons": one.reasons,
        "decision_id": made.decision_id if made else "",
        "arm": made.arm if made else "",
        "action": made.action if made else "",
        "probability": made.probability if made else None,
        "nothing": one.nothing,
        "offers": [_offer(suggestion, catalogue) for suggestion in one.suggestions],
        "removed": one.removed,
    }


def _offer(one: Suggestion, catalogue: Catalogue) -> dict[str, Any]:
    option = catalogue.options[one.place]
    offer = catalogue.offers[option.offer]
    return {
        "option": option.name,
        "offer": option.offer,
        "label": offer.label,
        "product": option.product,
        "channel": option.channel,
        "probability": one.chance,
        "uplift": one.uplift,
        "expected_value": one.expected_value,
        "price": one.price,
        "basis": one.basis,
        "terms": _terms(offer),
        "because": [{"code": r.code, "text": r.text, "weight": r.weight} for r in one.because],
    }


def _terms(offer: Offer) -> dict[str, Any] | None:
    terms = offer.terms
    if terms is None:
        return None
    return {"share": terms.share, "months": terms.months, "because": terms.because}
