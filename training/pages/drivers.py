"""What moves a model's answers: features by the size of their contributions, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from training.artifact import Matrix, Model
from training.contract import Feature
from training.fit import TOTAL
from training.measures import spearman

__all__ = ["Driver", "Shift", "drivers", "shifts"]

_ROWS = 800
_CLEAR = 0.5


@dataclass(frozen=True)
class Driver:
    """One feature; `share` is its part of all mean absolute contributions, and `way` how it works."""

    feature: Feature
    share: float
    way: str


@dataclass(frozen=True)
class Shift:
    """How much more of the answers a feature moves than in the champion, in shares; below 0: less."""

    label: str
    before: float
    now: float


def drivers(model: Model, head: str, frame: pd.DataFrame, outcome: str) -> tuple[Driver, ...]:
    """Every feature with a part in a head's answers, the largest first, over about 800 rows.

    Parameters
    ----------
    head
        A head of the model, or `value` for the sum of a value model's parts.
    outcome
        What the answer is of, in words, such as 'probability'.
    """
    matrix = model.matrix(frame.iloc[:: max(1, len(frame) // _ROWS)])
    names = [h.name for h in model.heads if h.kind == "amount"] if head == TOTAL else [head]
    moved: Matrix = np.sum([model.contributions(name, matrix) for name in names], axis=0)
    size = np.abs(moved).mean(axis=0)
    total = float(size.sum()) or 1.0
    order = np.argsort(-size, kind="stable")
    return tuple(
        Driver(
            model.features[i],
            float(size[i]) / total,
            _way(model.features[i], matrix[:, i], moved[:, i], outcome),
        )
        for i in order
        if size[i] > 0
    )


def shifts(now: tuple[Driver, ...], before: tuple[Driver, ...], most: int = 8) -> tuple[Shift, ...]:
    """The features whose part changed most between two models, the largest change first."""
    mine, theirs = _by_name(now), _by_name(before)
    labels = {d.feature.name: d.feature.label for d in (*before, *now)}
    found = [Shift(label, theirs.get(name, 0.0), mine.get(name, 0.0)) for name, label in labels.items()]
    found.sort(key=lambda s: -abs(s.now - s.before))
    return tuple(s for s in found[:most] if s.now != s.before)


def _by_name(found: tuple[Driver, ...]) -> Mapping[str, float]:
    return {d.feature.name: d.share for d in found}


def _way(feature: Feature, values: Matrix, moved: Matrix, outcome: str) -> str:
    known = np.isfinite(values)
    if not known.any():
        return "it is missing for everybody here"
    if feature.levels is not None:
        level = max(np.unique(values[known]), key=lambda v: float(moved[known & (values == v)].mean()))
        return f"'{feature.levels[int(level)]}' goes with the highest {outcome}"
    agreement = spearman(values[known], moved[known])
    if agreement >= _CLEAR:
        return f"the higher, the higher the {outcome}"
    if agreement <= -_CLEAR:
        return f"the lower, the higher the {outcome}"
    return "works up or down, depending on the rest"
