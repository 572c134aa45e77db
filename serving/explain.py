"""Reasons in words: which facts push a customer's score up, beside what is typical."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.columns import Columns, length
from training.artifact import Model
from training.contract import Feature

__all__ = ["Reason", "explain", "in_words"]


@dataclass(frozen=True)
class Reason:
    """One fact; `weight` is its share of everything that pushes the score up, in (0, 1]."""

    code: str
    text: str
    weight: float


def explain(model: Model, head: str, columns: Columns, top: int = 3) -> list[tuple[Reason, ...]]:
    """The strongest facts behind a head's score for each row, strongest first, at most `top`.

    Facts that push the score down are not reasons, and a protected feature is never one.

    Raises
    ------
    InputError
        If the model has no such head, or a feature's column is missing.
    """
    if length(columns) == 0:
        return []
    push = np.clip(model.contributions(head, model.matrix(columns)), 0.0, None)
    total = push.sum(axis=1)
    push[:, [f.protected for f in model.features]] = 0.0
    strongest = np.argsort(-push, axis=1, kind="stable")[:, :top]
    return [
        tuple(
            _reason(model, model.features[i], columns, row, push[row, i] / total[row])
            for i in strongest[row]
            if push[row, i] > 0.0
        )
        for row in range(len(push))
    ]


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


def _reason(model: Model, feature: Feature, columns: Columns, row: int, weight: float) -> Reason:
    values: Sequence[Any] = columns[feature.name]
    text = f"{feature.label}: {in_words(values[row], feature.unit, model.currency)}"
    if feature.typical is not None:
        text += f", typical {in_words(feature.typical, feature.unit, model.currency)}"
    return Reason(feature.name, text, float(weight))
