"""The ASGI app: scores, offers, outcomes, models and probes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse

from features import __version__
from serving.access.describe import describe_access
from serving.access.guard import Access, Guard
from serving.api.deciding import offers_text, outcomes_answer
from serving.api.decisions import OffersAnswer, OffersRequest, OutcomesAnswer, OutcomesRequest
from serving.api.desk import Desk
from serving.api.docs import describe_examples, docs_page
from serving.api.edge import Edge
from serving.api.events import add_events
from serving.api.intake import Intake
from serving.api.limits import Threshold
from serving.api.problems import Problem, install
from serving.api.profile import add_profile
from serving.api.questions import Questions
from serving.api.render import models_answer, scores_answer
from serving.api.retries import IdempotencyKey, Retries
from serving.api.schemas import ModelsAnswer, ScoresAnswer, ScoresRequest
from serving.api.watch import Watch, add_metrics, asker, teller
from serving.metrics import Metrics

__all__ = ["create_app"]

_PROBLEM: dict[str, Any] = {
    "description": "RFC 9457 problem details; never a customer's value",
    "content": {"application/problem+json": {}},
}
_ERRORS: dict[int | str, dict[str, Any]] = dict.fromkeys((400, 408, 413, 415, 422, 503), _PROBLEM)

_ASKED = ("/v1/scores", "/v1/offers", "/v1/profile", "/v1/outcomes")
"""What the desk answers."""


def create_app(
    desk: Desk,
    now: Callable[[], datetime],
    access: Callable[[], Access] | None = None,
    intake: Intake | None = None,
    metrics: Metrics | None = None,
    ready: Callable[[], bool] | None = None,
) -> Edge:
    """The app over a desk.

    Parameters
    ----------
    now
        Dates the ids of requests.
    access
        Says who may ask; None: unguarded.
    intake
        Takes events; None: without that route.
    metrics
        Counts; None: begins anew.
    ready
        Whether all that an answer needs is there; None: whether the desk has an adviser.
    """
    app = FastAPI(title="Tenure", version=__version__, docs_url=None, redoc_url=None)
    install(app)
    _add_scoring(app, desk)
    _add_deciding(app, desk)
    add_profile(app, desk, _ERRORS | {409: _PROBLEM})
    if intake is not None:
        add_events(app, intake, _ERRORS | {507: _PROBLEM})
    metrics = metrics or Metrics()
    add_metrics(app, metrics)
    _add_probes(app, ready or desk.ready)
    describe_access(app)
    describe_examples(app)
    asked = Questions(app)
    guarded = asked if access is None else Guard(asked, access)
    return Edge(Watch(Threshold(guarded, desk.room, _ASKED), metrics), now)


def _add_scoring(app: FastAPI, desk: Desk) -> None:
    @app.post("/v1/scores", response_model=ScoresAnswer, responses=_ERRORS)
    async def scores(request: Request, asked: ScoresRequest) -> Response:
        """Churn with reasons, value with its parts, and propensity for each product."""
        request_id = request.state.request_id
        scored = await desk.answer(lambda adviser: adviser.live.steps(asked.customer_ids, asked.reasons))
        teller(request)(scored.answers, scored.scorer.versions)
        text = scores_answer(request_id, scored).model_dump_json()
        return Response(text, media_type="application/json")

    @app.get("/v1/models", response_model=ModelsAnswer, responses={503: _PROBLEM})
    async def models(request: Request) -> Response:
        """The champions that answer, with versions and hashes."""
        request_id = request.state.request_id
        answer = await desk.ask(lambda adviser: models_answer(adviser.live, request_id))
        return Response(answer.model_dump_json(), media_type="application/json")


def _add_deciding(app: FastAPI, desk: Desk) -> None:
    retries = Retries("/v1/offers")

    @app.post("/v1/offers", response_model=OffersAnswer, responses=_ERRORS | {409: _PROBLEM})
    async def offers(
        request: Request,
        asked: OffersRequest,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """The next best offer for each customer, or why there is none; every decision is logged first.

        A question that may be sent again has an Idempotency-Key: it is decided once, and a repeat gets
        the same answer.
        """
        request_id, by = request.state.request_id, asker(request)
        text = await desk.answer(
            lambda adviser: retries.once(
                adviser.home,
                idempotency_key,
                asked.model_dump_json,
                lambda: offers_text(adviser, request_id, asked, teller(request), idempotency_key, by),
            )
        )
        return Response(text, media_type="application/json")

    @app.post("/v1/outcomes", response_model=OutcomesAnswer, responses=_ERRORS)
    async def outcomes(request: Request, told: OutcomesRequest) -> Response:
        """What followed on decisions; sending it again changes nothing."""
        request_id = request.state.request_id
        answer = await desk.ask(lambda adviser: outcomes_answer(adviser, request_id, told))
        return Response(answer.model_dump_json(), media_type="application/json")


def _add_probes(app: FastAPI, ready: Callable[[], bool]) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", responses={503: _PROBLEM})
    async def readyz() -> dict[str, str]:
        """Champions and features are loaded, and decisions can be kept."""
        if not await run_in_threadpool(ready):
            raise Problem(503, "champions or features are not loaded, or decisions cannot be kept")
        return {"status": "ready"}

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")
