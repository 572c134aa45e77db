"""Training from end to end, and promotion: the composition of the modules beside it."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from features.catalogue import load_catalogue
from features.errors import CorruptError, InputError, NotReadyError, RefusedError
from features.home import Home
from features.settings import Settings
from training.champions import ModelVersion
from training.datasets import TrainingSet, training_set
from training.evaluate import Evaluation, Metrics, evaluate
from training.fit import Fitted, fit
from training.gates import Verdict, failing, judge
from training.registry import Registry
from training.report import draw
from training.specs import ModelSpec, spec_for
from training.split import Split, out_of_time

__all__ = ["TrainResult", "promote", "train", "train_on"]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class TrainResult:
    """A registered challenger.

    verdict
        What the gates say of it now; `promote` asks them again.
    refused
        Products without a model, name -> reason.
    """

    version: ModelVersion
    metrics: Metrics
    verdict: Verdict
    refused: dict[str, str]


def train(
    home: Home,
    name: str,
    *,
    settings: Settings,
    seed: int,
    tell: Tell,
    definition: str | None = None,
) -> TrainResult:
    """Train one model family on the current feature generation and register it as challenger.

    Raises
    ------
    RefusedError
        If history is too short, or there is too little to learn from.
    """
    spec = spec_for(name, definition)
    currency = load_catalogue(home.catalogue).currency
    examples = training_set(home, spec, settings, tell)
    return train_on(home, spec, examples, currency=currency, threads=settings.threads, seed=seed, tell=tell)


def train_on(
    home: Home,
    spec: ModelSpec,
    examples: TrainingSet,
    *,
    currency: str,
    threads: int,
    seed: int,
    tell: Tell,
) -> TrainResult:
    """Split, fit, evaluate, compare with the champion, draw and register."""
    split = out_of_time(examples.frame, spec)
    fitted = fit(spec, examples, split, currency=currency, threads=threads, seed=seed, tell=tell)
    tell(f"{spec.name}: evaluating on the last mature snapshot")
    fitted, evaluation = _passing(spec, fitted, evaluate(fitted.model, examples, split), tell)
    registry = Registry(home)
    against = _champion(registry, spec, examples, split, tell)
    with tempfile.TemporaryDirectory() as plots:
        draw(evaluation, fitted.model, Path(plots))
        version = registry.log(spec, fitted, evaluation, Path(plots), against)
    tell(f"{spec.name}: registered version {version.version} as challenger")
    verdict = judge(spec, evaluation.metrics, against[1].metrics if against else None)
    return TrainResult(version, evaluation.metrics, verdict, fitted.log.refused)


def promote(home: Home, name: str, *, who: str, at: datetime, tell: Tell) -> tuple[ModelVersion, Verdict]:
    """Make the challenger the champion if its stored metrics pass the gates.

    Raises
    ------
    NotReadyError
        If nothing was trained.
    RefusedError
        With every reason that speaks against it.
    """
    registry = Registry(home)
    challenger = registry.challenger(name)
    measured, theirs = registry.against(challenger)
    if (present := _number(registry, name)) not in (measured, challenger.version):
        raise RefusedError(
            f"{name}/{challenger.version} was measured against champion {measured or 'none'}, "
            f"now it is {present or 'none'}; cure: run `tenure train {name}` again"
        )
    verdict = judge(spec_for(name), registry.metrics(challenger), theirs)
    champion = registry.promote(challenger, verdict, who=who, at=at)
    tell(f"{name}: version {champion.version} is the champion")
    return champion, verdict


def _passing(
    spec: ModelSpec, fitted: Fitted, evaluation: Evaluation, tell: Tell
) -> tuple[Fitted, Evaluation]:
    """Without the products that miss a bound: one weak product must not hold back the others."""
    missed = failing(spec, evaluation.metrics) if spec.name == "propensity" else {}
    kept = tuple(head for head in fitted.model.heads if head.name not in missed)
    if not missed or not kept:
        return fitted, evaluation
    for name, reasons in missed.items():
        tell(f"{spec.name}: no model for '{name}': {'; '.join(reasons)}")
    refused = fitted.log.refused | {name: "; ".join(reasons) for name, reasons in missed.items()}
    model, log = replace(fitted.model, heads=kept), replace(fitted.log, refused=refused)
    return Fitted(model, log), Evaluation(tuple(h for h in evaluation.heads if h.name not in missed))


def _champion(
    registry: Registry, spec: ModelSpec, examples: TrainingSet, split: Split, tell: Tell
) -> tuple[ModelVersion, Evaluation] | None:
    """The champion measured on the challenger's test rows: figures of two periods do not compare."""
    if _number(registry, spec.name) is None:
        return None
    version = registry.champion(spec.name)
    try:
        model = registry.load(version)
        if model.definition == spec.definition:
            return version, evaluate(model, examples, split)
        tell(f"{spec.name}: the champion answers '{model.definition}', so the two are not compared")
    except (CorruptError, InputError) as error:
        # A broken champion is the very reason to train again, so it must not be in the way.
        tell(f"{spec.name}: the champion cannot be measured, so the two are not compared: {error}")
    return version, Evaluation(())


def _number(registry: Registry, name: str) -> int | None:
    try:
        return registry.champion(name).version
    except NotReadyError:
        return None
