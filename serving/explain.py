"""Reasons in words: which facts push a customer's score up, told for whoever reads them."""

from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np

from serving.columns import Columns, cell, length
from training.artifact import Model
from training.contract import Feature

__all__ = ["Audience", "Reason", "explain", "in_words"]

Audience = Literal["manager", "customer", "marketer"]
"""Who reads a reason: the figure and what is typical; the own figure, politely; a word without figures."""

_UNTOLD = frozenset(
    {
        # Other people's money and holdings: members of the household, customers of the same manager.
        *("household_size", "household_balance", "household_holdings", "household_closed_90d"),
        *("household_balance_share", "manager_portfolio", "manager_contacts_90d"),
        # The bank's own judgement of the customer.
        *("lifecycle_stage", "leaving_signs", "primacy_score", "primacy_ending", "rating_group"),
        *("products_missing", "fatigue_30d", "response_rate_365d", "refusal_share_365d"),
    }
)
"""Features that are never named to a customer."""


@dataclass(frozen=True)
class Reason:
    """One fact; `weight` is its share of everything that pushes the score up, in (0, 1]."""

    code: str
    text: str
    weight: float


def explain(
    model: Model, head: str, columns: Columns, top: int = 3, audience: Audience = "manager"
) -> list[tuple[Reason, ...]]:
    """The strongest facts behind a head's score for each row, strongest first, at most `top`.

    Facts that push the score down are not reasons, and a protected feature is never one. A customer
    reads of the own facts alone: nothing about other people, no judgement, nothing of what is typical.

    Raises
    ------
    InputError
        If the model has no such head, or a feature's column is missing.
    """
    if length(columns) == 0:
        return []
    push = np.clip(model.contributions(head, model.matrix(columns)), 0.0, None)
    total = push.sum(axis=1)
    order = np.argsort(-push, axis=1, kind="stable").tolist()
    found = []
    for row, pushed in enumerate(push):
        pushing = ((i, model.features[i]) for i in order[row] if pushed[i] > 0.0)
        told = islice(((i, f) for i, f in pushing if not _silent(f, audience)), top)
        found.append(
            tuple(
                _reason(model, f, cell(columns, f.name, row), pushed[i] / total[row], audience)
                for i, f in told
            )
        )
    return found


def in_words(value: Any, unit: str, currency: str) -> str:
    """A feature's value as a person reads it; `unit` is the feature's.

    >>> in_words(120000, "cents", "EUR"), in_words(0.384, "ratio", "EUR"), in_words(None, "days", "EUR")
    ('1,200.00 EUR', '38%', 'not known')
    """
    if value is None or value != value:
        return "not known"
    if isinstance(value, str):
        return value
    if unit.startswith("cents"):
        return f"{value / 100:,.2f} {currency}"
    if unit == "ratio":
        return f"{value:.0%}"
    if unit == "0/1":
        return "yes" if value else "no"
    number = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    return f"{number} {unit}" if unit in ("days", "years") else number


def _silent(feature: Feature, audience: Audience) -> bool:
    return feature.protected or (audience == "customer" and feature.name in _UNTOLD)


def _reason(model: Model, feature: Feature, value: Any, weight: float, audience: Audience) -> Reason:
    figure = in_words(value, feature.unit, model.currency)
    if audience == "customer":
        text = f"We took into account: {feature.label[:1].lower()}{feature.label[1:]} ({figure})."
    elif audience == "marketer":
        text = f"{feature.label}: {_against_typical(feature, value)}"
    else:
        text = f"{feature.label}: {figure}"
        if feature.typical is not None:
            text += f", typical {in_words(feature.typical, feature.unit, model.currency)}"
    return Reason(feature.name, text, float(weight))


def _against_typical(feature: Feature, value: Any) -> str:
    """A value without its figure: a word as it is, a number as low, high or as usual."""
    if value is None or value != value:
        return "not known"
    if isinstance(value, str):
        return value
    if feature.unit == "0/1":
        return "yes" if value else "no"
    if feature.typical is None or value == feature.typical:
        return "as usual"
    return "high" if value > feature.typical else "low"
