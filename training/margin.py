"""What a new holding earns in a year, customer by customer, as far as takers show that it can be told.

Of who takes a loan, one earns the bank ten times what another does. One head a product is learned from
those who took it, by trees and by a straight line, each drawn towards the bank's mean by as much as it may
be noise; the one that errs less on customers and times that it has not seen answers, or the mean where
neither is better.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from features.errors import RefusedError
from features.vocabulary import CUSTOMER_ID
from training.artifact import Head, Matrix, Model
from training.bins import binned, deterministic, eligible, learned_columns
from training.datasets import TrainingSet
from training.evaluate import Evaluation, HeadResult
from training.fit import FitLog, Fitted
from training.measures import amount_measures, ols_line
from training.specs import ModelSpec
from training.split import Split
from training.straight import straight
from training.versions.lineage import learned_from

__all__ = ["fit_margin"]

_FEWEST = 60
"""Of fewer takers only the mean is told."""

_ALIKE = 0.02
"""Margins that differ by less than this share of their mean are one margin."""


def fit_margin(
    spec: ModelSpec,
    examples: TrainingSet,
    split: Split,
    *,
    currency: str,
    threads: int,
    seed: int,
    tell: Callable[[str], None],
) -> tuple[Fitted, Evaluation]:
    """Fit a head for every product that somebody took, and measure it out of time.

    Raises
    ------
    RefusedError
        If there are too few takers of any product to state a mean of.
    """
    frame = examples.frame
    features, columns = learned_columns(examples, split.train)
    lineage = learned_from(spec, examples, split, seed)
    horizon = (spec.horizon_days, spec.gap_days)
    model = Model(spec.name, spec.definition, *horizon, currency, features, (), lineage)
    # The line's trees have smaller leaves, so no feature is dropped for the others'.
    params = {**spec.params, **deterministic(threads, seed), "objective": "regression"}
    params["feature_pre_filter"] = False
    data = binned(columns, features, params)
    held, test = (model.matrix(frame.iloc[rows]) for rows in (split.calibrate, split.test))
    customers = frame[CUSTOMER_ID].to_numpy(dtype=object)[split.train]
    log, heads, results = FitLog(), [], []
    for name in examples.labels:
        target = frame[name].to_numpy(dtype=np.float64)
        learned, apart, later = (target[rows] for rows in (split.train, split.calibrate, split.test))
        takers = int(np.isfinite(learned).sum())
        if takers < spec.gates.min_positives:
            log.refused[name] = f"{takers} took it, {spec.gates.min_positives} needed"
            tell(f"{spec.name}: no margin for '{name}': {log.refused[name]}")
            continue
        line = straight(data, columns, features, learned, customers, params)
        steps = lightgbm.train(params, eligible(data, learned))
        raws = [Head(name, "amount", {}, booster) for booster in (line, steps) if booster]
        head = _calibrated(raws, columns, learned, (held, apart), (test, later))
        told = "each customer's own" if head.calibration["scale"] else "the mean, for everybody"
        tell(f"{spec.name}: '{name}' from {takers:,} takers: {told}")
        heads.append(head)
        log.rows[name] = log.positives[name] = takers
        results.append(_measured(head, test, later, float(np.nanmean(learned))))
    if not heads:
        raise RefusedError(
            f"{spec.name}: nothing was taken often enough: "
            f"{'; '.join(f'{n}: {why}' for n, why in log.refused.items())}; cure: import more history"
        )
    return Fitted(replace(model, heads=tuple(heads)), log), Evaluation(tuple(results))


def _calibrated(
    raws: Sequence[Head],
    columns: Matrix,
    learned: Matrix,
    apart: tuple[Matrix, Matrix],
    later: tuple[Matrix, Matrix],
) -> Head:
    """The head that errs least on rows it has not seen, of those and the one that answers the mean.

    Who errs more than the mean on the test alone is out: one product that cannot be told must not cost the
    others theirs.
    """
    known = np.isfinite(learned)
    mean = float(learned[known].mean())
    constant = replace(raws[-1], calibration={"scale": 0.0, "shift": mean})
    spread = float(learned[known].std())
    seen = known.sum() >= _FEWEST and np.isfinite(later[1]).any()
    if not seen or spread <= _ALIKE * abs(mean):
        return constant
    heads = []
    for raw in raws:
        scale = _shrunk(*_known(raw, apart))
        # The mean answer over the takers is theirs.
        shift = mean - scale * float(raw.raw(columns[known]).mean())
        heads.append(replace(raw, calibration={"scale": scale, "shift": shift}))

    def loss(head: Head, *parts: tuple[Matrix, Matrix]) -> float:
        unseen = (_known(head, part) for part in parts)
        return sum(float(np.sum((y - head.calibrated(raw)) ** 2)) for raw, y in unseen)

    most = loss(constant, later)
    fit = [head for head in heads if head.calibration["scale"] and loss(head, later) <= most]
    return min([constant, *fit], key=lambda head: loss(head, apart, later))


def _known(head: Head, part: tuple[Matrix, Matrix]) -> tuple[Matrix, Matrix]:
    """Raw answers and margins of the takers among some rows."""
    matrix, target = part
    known = np.isfinite(target)
    return (head.raw(matrix[known]) if known.any() else np.empty(0)), target[known]


def _shrunk(raw: Matrix, actual: Matrix) -> float:
    """Slope of margins on raw answers, drawn towards 0 by as much as it may be noise; at most 1."""
    if len(actual) < 3:
        return 0.0
    slope, _, error = ols_line(actual, raw)
    if not slope > 0:
        return 0.0
    return float(min(slope, 1.0) * max(0.0, 1 - (error / slope) ** 2))


def _measured(head: Head, matrix: Matrix, target: Matrix, mean: float) -> HeadResult:
    """Measures of the takers of the test; of a head without any, none."""
    known: NDArray[np.bool_] = np.isfinite(target)
    metrics: dict[str, Any] = {"rows": float(known.sum()), "constant": float(not head.calibration["scale"])}
    actual, predicted = target[known], np.empty(0)
    if known.any():
        predicted = head.calibrated(head.raw(matrix[known]))
        metrics |= amount_measures(actual, predicted)
        metrics["loss_beside_mean"] = float(
            np.sum((actual - predicted) ** 2) / max(float(np.sum((actual - mean) ** 2)), 1e-9)
        )
    metrics |= {"learned_mean": mean}
    finite = {name: float(number) for name, number in metrics.items() if np.isfinite(number)}
    return HeadResult(head.name, "amount", finite, actual, predicted, rows=np.flatnonzero(known))
