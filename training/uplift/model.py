"""What a contact changes: P(outcome | not contacted), P(outcome | contacted) and their difference.

Learned from logged randomised contacts; the out-of-fold doubly robust Qini decides which learner answers.
The difference is calibrated so that its mean is the average effect of the log, and drawn towards that
effect, the same for everybody on the log-odds, by as much as the log leaves in doubt.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from features.errors import InputError, RefusedError, first_five
from features.vocabulary import AS_OF, CUSTOMER_ID
from training.artifact import Head, Matrix, Model
from training.bins import binned, deterministic, learned_columns
from training.calibrate import platt
from training.contract import Feature
from training.datasets import TrainingSet
from training.estimate import Estimate
from training.specs import ModelSpec
from training.split import bucket
from training.uplift.answers import OTHER_HEAD, UpliftModel, on_line
from training.uplift.learners import (
    LEARNERS,
    Cross,
    Learned,
    Learner,
    Log,
    alone_model,
    cross_fitted,
    explained_choice,
    learn,
)
from training.uplift.qini import UpliftCurve, uplift_curve
from training.uplift.responses import CHANNEL, OUTCOME, PREFERRED, PROBABILITY, PRODUCT, TREATED
from training.uplift.scores import (
    Line,
    effect_slope,
    effects_by,
    even_shift,
    even_uplift,
    rate,
    shrunk_line,
)

__all__ = ["UpliftFit", "fit_uplift"]

_CHANCE = 0.01
"""Where features explain more than this of who was contacted, it was not left to chance."""
_DRAWS = 200


@dataclass(frozen=True)
class UpliftFit:
    """A fitted model and how its learners did on customers that they had not seen.

    qini
        Learner -> doubly robust Qini of its raw order, by which `learner` was chosen.
    order
        Doubly robust Qini of the calibrated answers.
    line
        The calibration: the average effect, and how far differences are to be believed.
    curve
        The out-of-fold answers, calibrated, against the log: Qini, AUUC, promised and found by decile.
    slope
        Of the doubly robust scores on the out-of-fold answers: 1 where promised differences are right.
    offers
        Product, channel, contacts and average effect (doubly robust) of each offer in the log.
    explained
        Share of who was contacted that features explain beyond the stated probabilities.
    rows, contacted, positives, positives_contacted
        What was learned from.
    """

    uplift: UpliftModel
    learner: Learner
    qini: Mapping[Learner, Estimate]
    order: Estimate
    line: Line
    curve: UpliftCurve
    slope: Estimate
    explained: float
    offers: tuple[tuple[str, str, int, Estimate], ...]
    rows: int
    contacted: int
    positives: int
    positives_contacted: int


def fit_uplift(
    spec: ModelSpec,
    examples: TrainingSet,
    *,
    currency: str,
    threads: int,
    seed: int,
    tell: Callable[[str], None],
) -> UpliftFit:
    """Learn what a contact changes; the same bytes for the same rows and seed.

    Parameters
    ----------
    spec
        RESPONSE or RETENTION; `params` are of the models of the outcome, `gates.min_positives` the
        fewest outcomes of either arm.
    examples
        From `training.uplift.responses.response_set`, or of the same form: the fields, customer_id, as_of,
        treated, probability (of having been contacted), and the label outcome (0 or 1).

    Raises
    ------
    InputError
        If an outcome is neither 0 nor 1, or a probability not strictly between 0 and 1.
    RefusedError
        If either arm has too few outcomes to learn from, saying how many: stated priors must do. Or if
        features tell who was contacted, so that it was not left to chance.
    """
    log, contract = _prepared(spec, examples, currency, threads, seed)
    explained = explained_choice(log)
    if explained > _CHANCE:
        raise RefusedError(
            f"{spec.name}: features explain {explained:.1%} of who was contacted beyond the stated "
            "probabilities, so contacts were not left to chance; cure: learn from randomised contacts only"
        )
    tell(f"{spec.name}: {len(log.outcome):,} rows, three learners on three folds of customers")
    cross = cross_fitted(log)
    qini = {learner: rate(cross.uplift[learner], cross.scores, log.customers) for learner in LEARNERS}
    chosen = max(LEARNERS, key=lambda learner: qini[learner].point)
    tell(f"{spec.name}: '{chosen}' by its doubly robust Qini of {qini[chosen].point:.5f}")
    everybody = np.arange(len(log.outcome))
    learned = learn(log, chosen, everybody, alone_model(log, everybody), cross.scores)
    tilt = platt(*_left_alone(log, cross.alone))
    alone = expit(tilt[0] * cross.alone + tilt[1])
    even = even_uplift(alone, even_shift(alone, float(cross.scores.mean())))
    line, answers = _believed(log, cross, chosen, even)
    model = UpliftModel(_artifact(contract, log, learned, line, tilt))
    told = (log.treated, log.outcome)
    curve = uplift_curve(answers, *told, seed=seed, draws=_DRAWS, propensity=log.propensity)
    slope, order = (law(answers, cross.scores, log.customers) for law in (effect_slope, rate))
    counts = (float(a.sum()) for a in (log.treated, log.outcome, log.treated * log.outcome))
    told_by = [c for c in (PRODUCT, CHANNEL) if c in examples.frame]
    offers = effects_by(_sorted(examples.frame)[told_by], cross.scores, log.treated, log.customers)
    shown = (qini, order, line, curve, slope, explained, offers)
    return UpliftFit(model, chosen, *shown, len(log.outcome), *map(int, counts))


def _believed(log: Log, cross: Cross, chosen: Learner, even: Matrix) -> tuple[Line, Matrix]:
    """The line and its answers; an order that may be chance is no order, and everybody gets the even."""
    line = shrunk_line(cross.uplift[chosen], even, cross.scores, log.customers)
    answers = on_line(cross.uplift[chosen], even, vars(line))
    if rate(answers, cross.scores, log.customers).low > 0:
        return line, answers
    return replace(line, slope=0.0), even


def _prepared(
    spec: ModelSpec, examples: TrainingSet, currency: str, threads: int, seed: int
) -> tuple[Log, Model]:
    """The log as arrays, sorted so that any order of rows gives the same model, and the contract."""
    frame = _sorted(examples.frame)
    examples = replace(examples, frame=frame)
    treated, outcome, propensity = (
        frame[name].to_numpy(dtype=np.float64) for name in (TREATED, OUTCOME, PROBABILITY)
    )
    customers = frame[CUSTOMER_ID].to_numpy(dtype=object)
    _check(spec, customers, treated, outcome, propensity)
    features, matrix = learned_columns(examples, np.arange(len(frame)))
    # Learners differ in their smallest leaf, so no feature is dropped for one.
    params = {**spec.params, **deterministic(threads, seed), "feature_pre_filter": False}
    data = binned(matrix, features, params)
    fold = bucket(frame[CUSTOMER_ID], "uplift")
    # Who is left alone is left so by every channel.
    left = _moved_by(features, [f.name for f in features if f.name not in (CHANNEL, PREFERRED)])
    few = _moved_by(features, (PRODUCT, CHANNEL, PREFERRED, *spec.effect)) | {"feature_fraction": 1.0}
    lineage = {
        "fingerprint": examples.fingerprint,
        "snapshots": [moment.isoformat() for moment in sorted(frame[AS_OF].unique())],
        "test_snapshots": [frame[AS_OF].max().isoformat()],
        "rows": len(frame),
        "customers": int(frame[CUSTOMER_ID].nunique()),
        "seed": seed,
        "params": dict(spec.params),
        "lightgbm": lightgbm.__version__,
        "contacts": dict(examples.contacts),
    }
    horizon = (spec.horizon_days, spec.gap_days)
    contract = Model(spec.name, spec.definition, *horizon, currency, features, (), lineage)
    told = (params, {**params, **left}, {**params, **(few if spec.effect else {})})
    return Log(matrix, data, treated, outcome, propensity, fold, customers, *told), contract


def _moved_by(features: Sequence[Feature], names: Collection[str]) -> dict[str, Any]:
    """LightGBM's word for features that may split; a gain of the others counts nothing."""
    return {"feature_contri": [float(f.name in names) for f in features]}


def _check(
    spec: ModelSpec, ids: NDArray[Any], treated: Matrix, outcome: Matrix, propensity: Matrix
) -> None:
    for what, good in (
        ("treated is neither 0 nor 1", np.isin(treated, (0, 1))),
        ("outcome is neither 0 nor 1", np.isin(outcome, (0, 1))),
        ("probability is not strictly between 0 and 1", (propensity > 0) & (propensity < 1)),
    ):
        if not good.all():
            raise InputError(f"{spec.name}: {what}: {first_five(ids[~good])}; cure: mend the log")
    needed = spec.gates.min_positives
    for arm, rows in (("contacted", treated == 1), ("not contacted", treated == 0)):
        positives = int(outcome[rows].sum())
        if min(positives, int(rows.sum()) - positives) < needed:
            raise RefusedError(
                f"{spec.name}: {positives} outcomes among {int(rows.sum())} customers {arm}, at least "
                f"{needed} with and without are needed; cure: log more randomised contacts; until then "
                "stated priors must do"
            )


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    keys = [c for c in (AS_OF, CUSTOMER_ID, PRODUCT, CHANNEL) if c in frame]
    return frame.sort_values(keys, ignore_index=True)


def _left_alone(log: Log, raw: Matrix) -> tuple[Matrix, Matrix]:
    rows = log.treated == 0
    return raw[rows], log.outcome[rows]


def _artifact(contract: Model, log: Log, learned: Learned, line: Line, tilt: tuple[float, float]) -> Model:
    slope, intercept = tilt
    other = OTHER_HEAD[learned.learner]
    kept = {"slope": 1.0, "intercept": 0.0} if other == "contacted" else {"shift": learned.start}
    heads = (
        Head("alone", "probability", {"slope": slope, "intercept": intercept}, learned.alone),
        Head(other, "probability" if other == "contacted" else "amount", kept, learned.other),
    )
    # The mean answer over the log is its average effect: shift and centre are of the final models.
    raw, uplift = learned.predict(log.matrix)
    alone = heads[0].calibrated(raw)
    shift = even_shift(alone, line.average.point)
    centre = float(np.mean(uplift - even_uplift(alone, shift)))
    told = {"shift": shift, "slope": line.slope, "centre": centre, "found": line.found}
    told |= dict(zip(("average", "low", "high"), line.average, strict=True))
    about = {"uplift": {"learner": learned.learner, "line": told}}
    return Model(**{**vars(contract), "heads": heads, "training": {**contract.training, **about}})
