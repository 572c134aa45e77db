"""Requests and answers as strict types: nothing is coerced, nothing extra is let in."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MAX_IDS", "ModelsAnswer", "ScoresAnswer", "ScoresRequest"]

MAX_IDS = 1000

CustomerId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ScoresRequest(_Strict):
    """Whom to score, and whether to say why."""

    customer_ids: Annotated[list[CustomerId], Field(min_length=1, max_length=MAX_IDS)]
    reasons: bool = False


class Because(_Strict):
    """One reason in words; `weight` is its share of everything that pushes the score up."""

    code: str
    text: str
    weight: float


class Churn(_Strict):
    """How likely the customer leaves within the horizon.

    `survival` is the probability of being here still at the end of each month of it; empty where the
    definition cannot tell the month.
    """

    definition: str
    horizon_days: int
    probability: float
    survival: list[float]
    because: list[Because]


class Value(_Strict):
    """Expected margin over the next months, with P10 and P90, as the sum of its parts."""

    currency: str
    months: int
    expected: float
    p10: float
    p90: float
    parts: dict[str, float]


class Propensity(_Strict):
    """How likely an eligible customer takes a product up within the horizon."""

    product: str
    horizon_days: int
    probability: float


class Result(_Strict):
    """One customer; without a score `churn` and `value` are null and `propensity` is empty."""

    customer_id: str
    status: str
    reasons: list[str]
    churn: Churn | None
    value: Value | None
    propensity: list[Propensity]


class ScoresAnswer(_Strict):
    """Scores in the order asked for, with everything that they came from."""

    request_id: str
    as_of: str
    feature_generation: str
    models: dict[str, str]
    results: list[Result]


class ModelAnswer(_Strict):
    """One champion."""

    name: str
    version: int
    sha256: str
    definition: str
    horizon_days: int
    gap_days: int
    currency: str
    heads: list[str]


class ModelsAnswer(_Strict):
    """What is being served."""

    request_id: str
    as_of: str
    feature_generation: str
    models: list[ModelAnswer]
