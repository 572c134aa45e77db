"""POST /v1/profile: record, scores and offers of customers on the line, from one read and one adviser."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response

from features.selling.expressions import SCORES
from serving.api.deciding import offers_result, sources_of
from serving.api.decisions import OfferTerms
from serving.api.desk import Desk
from serving.api.profiles import (
    ProfileAnswer,
    ProfileOffer,
    ProfileRequest,
    ProfileResult,
)
from serving.api.render import scores_answer
from serving.api.retries import IdempotencyKey, Retries, name_of
from serving.api.schemas import Because, Result
from serving.api.watch import Tell, asker, teller
from serving.deciding.adviser import Adviser
from serving.live import Answered, CustomerScores, Seen
from serving.profile import Record, Relation, record_of, relations
from serving.scoring import ABSTAIN, DEGRADED, OK
from serving.steps import Steps

__all__ = ["add_profile"]

_Told = tuple[Record, Relation | None]


def add_profile(app: FastAPI, desk: Desk, errors: Mapping[int | str, dict[str, Any]]) -> None:
    """Add the route; `errors` describes how it refuses."""
    retries = Retries("/v1/profile")

    @app.post("/v1/profile", response_model=ProfileAnswer, responses=dict(errors))
    async def profile(
        request: Request,
        asked: ProfileRequest,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Who is on the line, what they hold, what they are worth, whether they may leave and why, what
        they complained about, what to offer and what to say.

        The offer is decided and logged as by POST /v1/offers; its `decision_id` takes outcomes. A question
        that may be sent again has an Idempotency-Key.
        """
        request_id, by = request.state.request_id, asker(request)
        text = await desk.answer(
            lambda adviser: retries.once(
                adviser.home,
                idempotency_key,
                asked.model_dump_json,
                lambda: profile_text(adviser, request_id, asked, teller(request), idempotency_key, by),
            )
        )
        return Response(text, media_type="application/json")


def profile_text(
    adviser: Adviser, request_id: str, asked: ProfileRequest, tell: Tell, key: str | None, by: str
) -> Steps[str]:
    """The answer for everybody who was asked for; `key` and `by` as in `offers_text`."""
    live, catalogue = adviser.live, adviser.live.scorer.catalogue
    advice = yield from adviser.steps(
        asked.customer_ids,
        name=name_of(key, request_id),
        limit=asked.limit,
        with_reasons=asked.reasons,
        by=by,
        alone=True,
    )
    tell(advice.answers, live.scorer.versions)
    told: dict[str, _Told] = {}
    scored: dict[str, CustomerScores] = {}
    for seen in advice.seen:
        yield None
        told |= _told(adviser, seen)
        scored |= live.explained(seen) if asked.reasons else seen.answers
    order = [scored[customer_id] for customer_id in asked.customer_ids]
    answered = Answered(live.scorer, advice.generation, advice.as_of, order)
    results = scores_answer(request_id, answered).results
    answer = ProfileAnswer(
        **sources_of(adviser, request_id, advice),
        results=[
            _result(adviser, offers_result(decided, catalogue), result, told)
            for decided, result in zip(advice.answers, results, strict=True)
        ],
    )
    return answer.model_dump_json()


def _told(adviser: Adviser, seen: Seen) -> dict[str, _Told]:
    """Record and relation by customer, of those of whom the record may be shown."""
    if seen.columns is None or seen.scores is None:
        return {}
    catalogue = adviser.live.scorer.catalogue
    values = seen.scores.values
    columns = {**seen.columns, **{name: values[name].tolist() for name in SCORES}}  # segments may name them
    relation = relations(columns, values["value_expected"], catalogue)
    told: dict[str, _Told] = {}
    for row, customer_id in enumerate(seen.known):
        status = seen.answers[customer_id].status
        if status == ABSTAIN:
            continue
        profiled = relation[row] if status in (OK, DEGRADED) else None
        told[customer_id] = record_of(seen.columns, row, catalogue), profiled
    return told


def _result(
    adviser: Adviser, decided: Mapping[str, Any], scores: Result, told: Mapping[str, _Told]
) -> ProfileResult:
    record, relation = told.get(decided["customer_id"], (None, None))
    offers = adviser.live.scorer.catalogue.offers
    shared = ("customer_id", "status", "decision_id", "action", "nothing")
    return ProfileResult(
        **{name: decided[name] for name in shared},
        reasons=list(decided["reasons"]),
        record=record,
        relation=relation,
        churn=scores.churn,
        value=scores.value,
        offers=[_offer(offer, offers[offer["offer"]].say) for offer in decided["offers"]],
    )


def _offer(offer: Mapping[str, Any], say: str) -> ProfileOffer:
    terms, because = offer["terms"], [Because(**reason) for reason in offer["because"]]
    typed = {"terms": terms and OfferTerms(**terms), "because": because, "say": say}
    return ProfileOffer(**{**offer, **typed})
