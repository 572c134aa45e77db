"""POST /v1/events: a complaint or a large outflow counts in the next answer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response

from serving.api.happenings import EventResult, EventsAnswer, EventsRequest, as_row
from serving.api.intake import Intake

if TYPE_CHECKING:
    from features.online.push import Pushed

__all__ = ["add_events"]


def add_events(app: FastAPI, intake: Intake, errors: Mapping[int | str, dict[str, Any]]) -> None:
    """Add the route; `errors` describes how it refuses."""

    @app.post("/v1/events", response_model=EventsAnswer, responses=dict(errors))
    async def events(request: Request, told: EventsRequest) -> Response:
        """What has just happened: contacts and bookings, in any order; sending one again changes nothing.

        An event is stored before anything else, so that none is lost. Where the status is `applied`, the
        next answer about the customer counts it.
        """
        pushed, applied = await intake.take([as_row(event) for event in told.events])
        answer = EventsAnswer(
            request_id=request.state.request_id,
            results=[_result(event.event_id, pushed, applied=applied) for event in told.events],
        )
        return Response(answer.model_dump_json(), media_type="application/json")


def _result(event_id: str, pushed: "Pushed", *, applied: bool) -> EventResult:
    if event_id in pushed.accepted:
        return EventResult(event_id=event_id, status="applied" if applied else "accepted", reason="")
    if event_id in pushed.changed:
        return EventResult(event_id=event_id, status="changed", reason="")
    if event_id in pushed.duplicates:
        return EventResult(event_id=event_id, status="known", reason="")
    reason = pushed.rejected[event_id]
    if reason == "unknown_customer":
        return EventResult(event_id=event_id, status="unknown_customer", reason="")
    return EventResult(event_id=event_id, status="quarantined", reason=reason)
