"""Scores as the API answers them."""

from datetime import UTC, datetime

from serving.api.schemas import (
    Because,
    Churn,
    Horizon,
    ModelAnswer,
    ModelsAnswer,
    Propensity,
    Result,
    ScoresAnswer,
    Value,
)
from serving.live import Answered, CustomerScores, Live
from serving.scoring import Scorer

__all__ = ["models_answer", "scores_answer"]

_DAYS_A_MONTH = 30


def scores_answer(request_id: str, scored: Answered) -> ScoresAnswer:
    """The answer of POST /v1/scores."""
    return ScoresAnswer(
        request_id=request_id,
        as_of=_iso(scored.as_of),
        feature_generation=scored.generation,
        models=scored.scorer.versions,
        results=[_result(scored.scorer, one) for one in scored.answers],
    )


def models_answer(live: Live, request_id: str) -> ModelsAnswer:
    """The answer of GET /v1/models."""
    models = [
        ModelAnswer(
            name=name,
            version=int(version.version),
            sha256=version.sha256,
            definition=model.definition,
            horizon_days=model.horizon_days,
            gap_days=model.gap_days,
            currency=model.currency,
            heads=[head.name for head in model.heads],
        )
        for name, (model, version) in live.scorer.models.items()
    ]
    return ModelsAnswer(
        request_id=request_id, as_of=_iso(live.as_of), feature_generation=live.generation, models=models
    )


def _result(scorer: Scorer, one: CustomerScores) -> Result:
    scored = "churn" in one.values
    horizon, pooled = scorer.model("propensity").horizon_days, scorer.pooled
    return Result(
        customer_id=one.customer_id,
        status=one.status,
        reasons=list(one.reasons),
        churn=_churn(scorer, one) if scored else None,
        value=_value(scorer, one) if scored else None,
        propensity=[
            Propensity(
                product=p,
                horizon_days=horizon,
                probability=one.values[f"propensity_{p}"],
                basis="pooled" if p in pooled else "own",
            )
            for p in scorer.products
            if f"propensity_{p}" in one.values
        ],
    )


def _churn(scorer: Scorer, one: CustomerScores) -> Churn:
    model = scorer.model("churn")
    return Churn(
        definition=model.definition,
        horizon_days=model.horizon_days,
        probability=one.values["churn"],
        survival=scorer.survival(one.values["churn"]),
        because=[Because(code=r.code, text=r.text, weight=r.weight) for r in one.because],
    )


def _value(scorer: Scorer, one: CustomerScores) -> Value:
    model = scorer.model("value")
    own = Horizon(
        months=round(model.horizon_days / _DAYS_A_MONTH),
        expected=one.values["value_expected"],
        p10=one.values["value_p10"],
        p90=one.values["value_p90"],
        parts={part: one.values[f"value_{part}"] for part in scorer.parts},
        missing="",
    )
    return Value(
        currency=model.currency,
        months=own.months,
        expected=one.values["value_expected"],
        p10=one.values["value_p10"],
        p90=one.values["value_p90"],
        parts=own.parts,
        horizons=[own, *(_longer(scorer, one, h.months, h.missing) for h in scorer.horizons)],
    )


def _longer(scorer: Scorer, one: CustomerScores, months: int, missing: str) -> Horizon:
    parts = () if missing else scorer.parts
    return Horizon(
        months=months,
        expected=one.values.get(f"value_{months}m_expected"),
        p10=None,
        p90=None,
        parts={part: one.values[f"value_{months}m_{part}"] for part in parts},
        missing=missing,
    )


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
