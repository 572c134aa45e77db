"""What changed since the champion: how good the answers are, what they rest on, and who is asked about."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.vocabulary import AS_OF
from training.artifact import Matrix, Model
from training.datasets import TrainingSet
from training.estimate import Estimate, by_influence
from training.evaluate import Evaluation, HeadResult
from training.monitor import Drift, psi
from training.pages.drivers import Driver, Shift, drivers, shifts
from training.pages.grade import paired_auc, paired_gini
from training.pages.reasons import Agreement, agreement
from training.split import Split

__all__ = ["Champion", "Change", "change"]

_WATCHED = 0.1
"""Population stability from which a feature is worth a look (Siddiqi 2006)."""

_MOVED = 5


@dataclass(frozen=True)
class Champion:
    """What a model is compared with: the champion on the same test rows.

    model
        None if only its answers are at hand; then nothing is said of its features.
    """

    name: str
    evaluation: Evaluation
    model: Model | None = None


@dataclass(frozen=True)
class Change:
    """One head against the champion's of that name, on the customers that both answered for.

    better
        Measure -> how much better this model is, with its interval; below 0 it is worse.
    added, removed
        Labels of the features that one of the two has and the other has not.
    shifts
        The features whose part in the answers changed most.
    reasons
        How alike the reasons of both are; None for amounts.
    since
        The snapshot that the champion was tested on, as 2026-01-31; empty if it is not at hand.
    moved
        The features whose distribution moved most from then to this test, stability index 0.1 or more.
    """

    name: str
    better: dict[str, Estimate]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    shifts: tuple[Shift, ...] = ()
    reasons: Agreement | None = None
    since: str = ""
    moved: tuple[Drift, ...] = ()


def change(
    model: Model,
    head: HeadResult,
    champion: Champion,
    training_set: TrainingSet,
    split: Split,
    now: tuple[Driver, ...],
) -> Change | None:
    """Compare one head with the champion's; None if the champion did not answer the same rows.

    Parameters
    ----------
    now
        The head's drivers (`training.pages.drivers`).
    """
    theirs = [h for h in champion.evaluation.heads if h.name == head.name]
    if not theirs or not np.array_equal(theirs[0].rows, head.rows):
        return None
    better = _better(head, theirs[0].predicted)
    before = champion.model
    if before is None:
        return Change(champion.name, better)
    test = training_set.frame.iloc[split.test[head.rows]]
    mine, old = ({f.name: f.label for f in each.features} for each in (model, before))
    since, moved = _moved(model, before, training_set.frame, test)
    alike = head.kind == "probability"
    return Change(
        *(champion.name, better),
        added=tuple(label for name, label in mine.items() if name not in old),
        removed=tuple(label for name, label in old.items() if name not in mine),
        shifts=shifts(now, drivers(before, head.name, test, "")),
        reasons=agreement((model, before), head.name, test) if alike else None,
        since=since,
        moved=moved,
    )


def _better(head: HeadResult, theirs: Matrix) -> dict[str, Estimate]:
    """Ranking, and the error of each customer's answer, both so that more is better."""
    actual, mine = head.actual, head.predicted
    rank: Callable[[Matrix, Matrix, Matrix], tuple[float, float, float]]
    if head.kind == "probability":
        name, rank, less = "AUC", paired_auc, (theirs - actual) ** 2 - (mine - actual) ** 2
        error = "squared error of the probability"
    else:
        name, rank, less = "Gini", paired_gini, np.abs(theirs - actual) - np.abs(mine - actual)
        error = "error of the amount"
    return {
        name: Estimate(*rank(actual, mine, theirs)),
        error: by_influence(float(less.mean()), less - less.mean()),
    }


def _moved(
    model: Model, before: Model, frame: pd.DataFrame, test: pd.DataFrame
) -> tuple[str, tuple[Drift, ...]]:
    """When the champion was tested, and what moved since; nothing where that snapshot is not at hand."""
    since = before.training["test_snapshots"][-1]
    then = frame[frame[AS_OF] == pd.Timestamp(since)]
    if then.empty:
        return "", ()
    was, now = model.matrix(then), model.matrix(test)
    found = [Drift(f.label, psi(was[:, i], now[:, i])) for i, f in enumerate(model.features)]
    found = sorted((d for d in found if d.psi >= _WATCHED), key=lambda d: (-d.psi, d.name))
    return since[:10], tuple(found[:_MOVED])
