"""Requests and answers as strict types: nothing is coerced, nothing extra is let in."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MAX_IDS", "Because", "CustomerId", "ModelsAnswer", "ScoresAnswer", "ScoresRequest", "Strict"]

MAX_IDS = 1000

CustomerId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Strict(BaseModel):
    """A type that coerces nothing and lets nothing extra in."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class ScoresRequest(Strict):
    """Whom to score, and whether to say why."""

    customer_ids: Annotated[list[CustomerId], Field(min_length=1, max_length=MAX_IDS)]
    reasons: bool = False


class Because(Strict):
    """One reason in words; `weight` is its share of everything that pushes the score up."""

    code: str
    text: str
    weight: float


class Churn(Strict):
    """How likely the customer leaves within the horizon.

    `survival` is the probability of being here still at the end of each month of it; empty where the
    definition cannot tell the month.
    """

    definition: str
    horizon_days: int
    probability: float
    survival: list[float]
    because: list[Because]


class Horizon(Strict):
    """Expected margin over so many months, discounted, as the sum of its parts.

    The first horizon is the model's own; a longer one carries its parts on as the bank's customers did
    before, and has no P10 and P90. `missing` says what the bank's history lacks for a horizon, whose
    numbers are then null; empty where there is an answer.
    """

    months: int
    expected: float | None
    p10: float | None
    p90: float | None
    parts: dict[str, float]
    missing: str


class Value(Strict):
    """Expected discounted margin over the next months, with P10 and P90, as the sum of its parts.

    `horizons` has the same and longer horizons, in rising order.
    """

    currency: str
    months: int
    expected: float
    p10: float
    p90: float
    parts: dict[str, float]
    horizons: list[Horizon]


class Propensity(Strict):
    """How likely an eligible customer takes a product up within the horizon.

    `basis` is `own` where the product has a model of its own, and `pooled` where too few have taken it:
    then a model over all products ranks the customers, at the product's level.
    """

    product: str
    horizon_days: int
    probability: float
    basis: Literal["own", "pooled"]


class Result(Strict):
    """One customer; without a score `churn` and `value` are null and `propensity` is empty."""

    customer_id: str
    status: str
    reasons: list[str]
    churn: Churn | None
    value: Value | None
    propensity: list[Propensity]


class ScoresAnswer(Strict):
    """Scores in the order asked for, with everything that they came from."""

    request_id: str
    as_of: str
    feature_generation: str
    models: dict[str, str]
    results: list[Result]


class ModelAnswer(Strict):
    """One champion."""

    name: str
    version: int
    sha256: str
    definition: str
    horizon_days: int
    gap_days: int
    currency: str
    heads: list[str]


class ModelsAnswer(Strict):
    """What is being served."""

    request_id: str
    as_of: str
    feature_generation: str
    models: list[ModelAnswer]
