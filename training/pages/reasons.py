"""Whether a model's reasons are true, and would be the same again: taken away, and trained anew.

A reason is a feature that pushes a customer's answer up, the strongest first; a protected feature is
never one (`serving.explain` tells them in words).
"""

from dataclasses import dataclass, replace

import lightgbm
import numpy as np
import pandas as pd

from training.artifact import Head, Matrix, Model
from training.bins import binned, deterministic
from training.measures import spearman
from training.monotone import KNOWN_SIGNS, constraints
from training.split import Split

__all__ = ["Agreement", "Reasons", "agreement", "reasons", "taken_away"]

_ROWS = 400
_LEARNED = 10_000
_TOP = 3


@dataclass(frozen=True)
class Agreement:
    """How alike the reasons of two models are, over the same customers; shares in [0, 1].

    same
        Of the customers with a reason, those whose first is the same.
    among
        Those whose first is among the other model's first three.
    drivers
        Rank correlation of the features' mean absolute contributions.
    """

    same: float
    among: float
    drivers: float


@dataclass(frozen=True)
class Reasons:
    """What is known of a head's reasons.

    true
        Share of the customers whose answer falls if the first reason becomes what is typical.
    again
        Against the same training with another seed.
    """

    true: float
    again: Agreement


def reasons(model: Model, head: str, frame: pd.DataFrame, split: Split) -> Reasons | None:
    """A probability's reasons on about 400 test rows; None if nothing pushes anybody's answer up.

    The other seed learns from at most 10,000 rows, evenly spread, so it is no closer than a whole
    training would be. `model.training` says by which parameters.
    """
    learned = split.train[np.isfinite(frame[head].to_numpy(dtype=np.float64)[split.train])]
    learned = learned[:: -(-len(learned) // _LEARNED)]
    outcome = frame[head].to_numpy(dtype=np.float64)[learned]
    signs = constraints(model.features, KNOWN_SIGNS.get(model.name, {}))
    params = {**model.training["params"], **signs, **deterministic(1, model.training["seed"] + 1)}
    rows = binned(model.matrix(frame.iloc[learned]), model.features, params).set_label(outcome)
    boosted = {**params, "objective": "binary"}
    other = replace(model, heads=(Head(head, "probability", {}, lightgbm.train(boosted, rows)),))
    test = frame.iloc[split.test]
    alike = agreement((model, other), head, test)
    return Reasons(taken_away(model, head, test), alike) if alike else None


def agreement(models: tuple[Model, Model], head: str, frame: pd.DataFrame) -> Agreement | None:
    """Compare the reasons that two models give for about 400 of the same customers; None if there are none.

    The models may differ in features.
    """
    frame = _some(frame)
    names = list(dict.fromkeys(f.name for model in models for f in model.features))
    moved = [_aligned(model, head, frame, names) for model in models]
    mine, theirs = (_pushed(model, each, names) for model, each in zip(models, moved, strict=True))
    told = mine.max(axis=1) > 0
    if not told.any():
        return None
    first = mine[told].argmax(axis=1)
    others = np.argsort(-theirs[told], axis=1, kind="stable")[:, :_TOP]
    sizes = [np.abs(each).mean(axis=0) for each in moved]
    return Agreement(
        float(np.mean(first == others[:, 0])),
        float(np.mean((first[:, None] == others).any(axis=1))),
        spearman(*sizes),
    )


def taken_away(model: Model, head: str, frame: pd.DataFrame) -> float:
    """Share of the customers whose answer falls once their first reason becomes what is typical.

    A number becomes the median of the training rows, a word is taken as not known.
    """
    matrix = model.matrix(_some(frame))
    push = _pushed(model, model.contributions(head, matrix), [f.name for f in model.features])
    rows = np.flatnonzero(push.max(axis=1) > 0)
    first = push[rows].argmax(axis=1)
    typical = np.array([np.nan if f.typical is None else f.typical for f in model.features])
    changed = matrix[rows]
    changed[np.arange(len(rows)), first] = typical[first]
    raw = model.head(head).raw
    return float(np.mean(raw(changed) < raw(matrix[rows]))) if len(rows) else float("nan")


def _some(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:: max(1, len(frame) // _ROWS)]


def _aligned(model: Model, head: str, frame: pd.DataFrame, names: list[str]) -> Matrix:
    """Contributions, a column for each name; 0 for a feature that the model does not have."""
    moved = pd.DataFrame(
        model.contributions(head, model.matrix(frame)), columns=[f.name for f in model.features]
    )
    return moved.reindex(columns=names, fill_value=0.0).to_numpy()


def _pushed(model: Model, moved: Matrix, names: list[str]) -> Matrix:
    """What pushes up and may be named."""
    silent = {f.name for f in model.features if f.protected}
    return np.where([name in silent for name in names], 0.0, np.clip(moved, 0.0, None))
