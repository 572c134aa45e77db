"""The ASGI app: scores, offers, outcomes, models and probes."""

from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse

from serving.api.body import StrictRoute
from serving.api.deciding import offers_answer, outcomes_answer
from serving.api.decisions import OffersAnswer, OffersRequest, OutcomesAnswer, OutcomesRequest
from serving.api.desk import Desk
from serving.api.docs import docs_page
from serving.api.edge import Edge
from serving.api.problems import Problem, install
from serving.api.render import models_answer, scores_answer
from serving.api.retries import Retries
from serving.api.schemas import ModelsAnswer, ScoresAnswer, ScoresRequest

__all__ = ["create_app"]

_PROBLEM: dict[str, Any] = {
    "description": "RFC 9457 problem details; never a customer's value",
    "content": {"application/problem+json": {}},
}
_ERRORS: dict[int | str, dict[str, Any]] = dict.fromkeys((400, 413, 415, 422, 503), _PROBLEM)


def create_app(desk: Desk, now: Callable[[], datetime]) -> Edge:
    """The app over a desk; `now` dates the ids of requests."""
    app = FastAPI(title="Tenure", version=version("tenure"), docs_url=None, redoc_url=None)
    app.router.route_class = StrictRoute
    install(app)
    _add_scoring(app, desk)
    _add_deciding(app, desk)
    _add_probes(app, desk)
    return Edge(app, now)


def _add_scoring(app: FastAPI, desk: Desk) -> None:
    @app.post("/v1/scores", response_model=ScoresAnswer, responses=_ERRORS)
    async def scores(request: Request, asked: ScoresRequest) -> Response:
        """Churn with reasons, value with its parts, and propensity for each product."""
        request_id = request.state.request_id
        answer = await desk.ask(
            lambda adviser: scores_answer(
                adviser.live, request_id, adviser.live.answer(asked.customer_ids, asked.reasons)
            )
        )
        return Response(answer.model_dump_json(), media_type="application/json")

    @app.get("/v1/models", response_model=ModelsAnswer, responses={503: _PROBLEM})
    async def models(request: Request) -> Response:
        """The champions that answer, with versions and hashes."""
        request_id = request.state.request_id
        answer = await desk.ask(lambda adviser: models_answer(adviser.live, request_id))
        return Response(answer.model_dump_json(), media_type="application/json")


def _add_deciding(app: FastAPI, desk: Desk) -> None:
    retries = Retries()

    @app.post("/v1/offers", response_model=OffersAnswer, responses=_ERRORS | {409: _PROBLEM})
    async def offers(
        request: Request,
        asked: OffersRequest,
        idempotency_key: Annotated[str | None, Header(pattern=r"^[!-~]{1,128}$")] = None,
    ) -> Response:
        """The next best offer for each customer, or why there is none; every decision is logged first.

        A question that may be sent again has an Idempotency-Key: it is decided once, and a repeat gets
        the same answer.
        """
        request_id = request.state.request_id
        text = await desk.ask(
            lambda adviser: retries.once(
                idempotency_key,
                asked.model_dump_json(),
                lambda: offers_answer(adviser, request_id, asked, idempotency_key).model_dump_json(),
            )
        )
        return Response(text, media_type="application/json")

    @app.post("/v1/outcomes", response_model=OutcomesAnswer, responses=_ERRORS)
    async def outcomes(request: Request, told: OutcomesRequest) -> Response:
        """What followed on decisions; sending it again changes nothing."""
        request_id = request.state.request_id
        answer = await desk.ask(lambda adviser: outcomes_answer(adviser, request_id, told))
        return Response(answer.model_dump_json(), media_type="application/json")


def _add_probes(app: FastAPI, desk: Desk) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", responses={503: _PROBLEM})
    async def readyz() -> dict[str, str]:
        """Champions and features are loaded."""
        if not await run_in_threadpool(desk.ready):
            raise Problem(503, "champions or online features are not loaded yet")
        return {"status": "ready"}

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")
