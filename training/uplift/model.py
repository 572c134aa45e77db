"""What a contact changes: P(outcome | not contacted), P(outcome | contacted) and their difference.

Learned from logged randomised contacts; the out-of-fold doubly robust Qini decides which learner answers.
The difference is calibrated so that its mean is the average effect of the log, and drawn towards that
effect, the same for everybody on the log-odds, by as much as the log leaves in doubt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit

from features.errors import RefusedError
from training.artifact import Head, Matrix, Model
from training.checks import ERRORS
from training.datasets import TrainingSet
from training.estimate import Estimate
from training.specs import ModelSpec
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
    learn_linear,
)
from training.uplift.linear import Linear
from training.uplift.prepared import in_order, prepared
from training.uplift.qini import UpliftCurve, uplift_curve
from training.uplift.responses import CHANNEL, PRODUCT
from training.uplift.scores import (
    TRUST,
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
    log, contract = prepared(spec, examples, currency, threads, seed)
    explained = explained_choice(log)
    if explained > _CHANCE:
        raise RefusedError(
            f"{spec.name}: features explain {explained:.1%} of who was contacted beyond the stated "
            "probabilities, so contacts were not left to chance; cure: learn from randomised contacts only"
        )
    tell(f"{spec.name}: {len(log.outcome):,} rows, four learners on three folds of customers")
    cross = cross_fitted(log)
    qini = {learner: rate(cross.uplift[learner], cross.scores, log.customers) for learner in LEARNERS}
    chosen = _plainest(qini)
    tell(f"{spec.name}: '{chosen}' by its doubly robust Qini of {qini[chosen].point:.5f}")
    everybody = np.arange(len(log.outcome))
    left = alone_model(log, everybody)
    if chosen == "linear":
        learned = learn_linear(log, everybody, left, cross)
    else:
        learned = learn(log, chosen, everybody, left, cross.scores)
    alone = expit(cross.odds)
    even = even_uplift(alone, even_shift(alone, float(cross.scores.mean())))
    line, answers = _believed(log, cross, chosen, even, spec.gates.slope[0])
    model = UpliftModel(_artifact(contract, log, learned, line, cross.tilt))
    told = (log.treated, log.outcome)
    curve = uplift_curve(answers, *told, seed=seed, draws=_DRAWS, propensity=log.propensity)
    slope, order = (law(answers, cross.scores, log.customers) for law in (effect_slope, rate))
    counts = (float(a.sum()) for a in (log.treated, log.outcome, log.treated * log.outcome))
    told_by = [c for c in (PRODUCT, CHANNEL) if c in examples.frame]
    offers = effects_by(in_order(examples.frame)[told_by], cross.scores, log.treated, log.customers)
    shown = (qini, order, line, curve, slope, explained, offers)
    return UpliftFit(model, chosen, *shown, len(log.outcome), *map(int, counts))


def _plainest(qini: Mapping[Learner, Estimate]) -> Learner:
    """The plainest learner whose Qini is within one standard error of the best (Breiman et al. 1984)."""
    best = max(qini.values(), key=lambda found: found.point)
    return next(learner for learner in LEARNERS if qini[learner].point >= best.point - best.error)


def _believed(log: Log, cross: Cross, chosen: Learner, even: Matrix, least: float) -> tuple[Line, Matrix]:
    """The line and its answers; an order that may be chance is no order, and everybody gets the even."""
    # The linear one's coefficients are drawn to the even shift already, and it keeps to what probabilities
    # bear: it is believed whole, unless what it promises is found too seldom for that to be chance.
    trust = 1.0 if chosen == "linear" else TRUST
    line = shrunk_line(cross.uplift[chosen], even, cross.scores, log.customers, trust)
    if chosen == "linear":
        found = effect_slope(cross.uplift[chosen], cross.scores, log.customers)
        if found.point + ERRORS * found.error >= least:
            line = replace(line, slope=1.0, centre=0.0)
    answers = on_line(cross.uplift[chosen], even, vars(line))
    if rate(answers, cross.scores, log.customers).low > 0:
        return line, answers
    return replace(line, slope=0.0), even


def _artifact(contract: Model, log: Log, learned: Learned, line: Line, tilt: tuple[float, float]) -> Model:
    heads = _heads(learned, tilt)
    # The mean answer over the log is its average effect: shift and centre are of the final models.
    raw, uplift = learned.predict(log.matrix)
    alone = heads[0].calibrated(raw)
    shift = even_shift(alone, line.average.point)
    whole = isinstance(learned.other, Linear) and line.slope == 1.0
    centre = 0.0 if whole else float(np.mean(uplift - even_uplift(alone, shift)))
    told = {"shift": shift, "slope": line.slope, "centre": centre, "found": line.found}
    told |= dict(zip(("average", "low", "high"), line.average, strict=True))
    about: dict[str, Any] = {"uplift": {"learner": learned.learner, "line": told}}
    if isinstance(learned.other, Linear):
        about["uplift"]["linear"] = learned.other.told()
    return Model(**{**vars(contract), "heads": heads, "training": {**contract.training, **about}})


def _heads(learned: Learned, tilt: tuple[float, float]) -> tuple[Head, ...]:
    slope, intercept = tilt
    alone = Head("alone", "probability", {"slope": slope, "intercept": intercept}, learned.alone)
    if isinstance(learned.other, Linear):
        return (alone,)
    other = OTHER_HEAD[learned.learner]
    if other == "contacted":
        return alone, Head(other, "probability", {"slope": 1.0, "intercept": 0.0}, learned.other)
    return alone, Head(other, "amount", {"shift": learned.start}, learned.other)
