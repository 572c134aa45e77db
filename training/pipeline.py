"""Training from end to end: the composition of the modules beside it."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from features.catalogue import load_catalogue
from features.errors import CorruptError, InputError, NotReadyError
from features.home import Home
from features.settings import Settings
from features.snapshots import current_generation
from training.datasets import TrainingSet
from training.evaluate import Evaluation, Metrics, evaluate
from training.facts import bundle_files
from training.gates import Verdict, judge
from training.groups import groups_of
from training.kinds import examples_of, has_own_page, make
from training.pages.page import write_page
from training.pages.plots import draw
from training.pages.trained import expected_values, trained_page
from training.registry import Registry
from training.slices import judged, slices_of
from training.sound import check_sound
from training.specs import ModelSpec, spec_for
from training.split import Split, out_of_time
from training.staleness import age_days
from training.tune import Budget, tune
from training.versions.bundle import Bundle, discard, keep, open_bundle
from training.versions.champions import ModelVersion
from training.versions.recipe import Origin, recipe_of

__all__ = ["TrainResult", "log_pending", "train", "train_on"]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class TrainResult:
    """A registered challenger.

    verdict
        What the gates say of it now; `training.versions.promotion` asks them again.
    refused
        Products without a model, name -> reason.
    pooled
        Products without a model of their own, name -> reason; they share one.
    """

    version: ModelVersion
    metrics: Metrics
    verdict: Verdict
    refused: dict[str, str]
    pooled: dict[str, str]


def train(
    home: Home,
    name: str,
    *,
    settings: Settings,
    seed: int,
    tell: Tell,
    definition: str | None = None,
    who: str = "",
    budget: Budget | None = None,
) -> TrainResult:
    """Train one model family on the current feature generation and register it as challenger.

    Raises
    ------
    RefusedError
        If history is too short, or there is too little to learn from.
    NotReadyError
        If another generation took the place of the current one meanwhile, or MLflow cannot be used:
        then the message says where the finished model is kept.
    """
    spec, generation = spec_for(name, definition), current_generation(home)
    if budget is not None and has_own_page(spec):
        raise InputError(f"{name}: what it learns is not tuned; cure: leave out --tune")
    currency = load_catalogue(home.catalogue).currency
    origin = Origin(generation.name, home.catalogue.read_text(encoding="utf-8"))
    examples = examples_of(home, spec, settings, tell)
    if current_generation(home) != generation:
        raise NotReadyError(
            f"{home.offline}: the features were built anew meanwhile; cure: run `tenure train {name}` again"
        )
    return train_on(
        *(home, spec, examples),
        currency=currency,
        threads=settings.threads,
        seed=seed,
        tell=tell,
        origin=origin,
        who=who,
        budget=budget,
    )


def train_on(
    home: Home,
    spec: ModelSpec,
    examples: TrainingSet,
    *,
    currency: str,
    threads: int,
    seed: int,
    tell: Tell,
    origin: Origin | None = None,
    who: str = "",
    budget: Budget | None = None,
) -> TrainResult:
    """Train on given examples, measure out of time beside the champion, and register.

    The finished run is kept whole below `<home>/artifacts/pending` until MLflow has it.

    Parameters
    ----------
    origin
        What the examples were joined from; without it a run cannot be reproduced.
    who
        Who trains, for the rule that another must promote.
    budget
        How much to tune first; the recipe keeps what was chosen. None: not at all.
    """
    if has_own_page(spec):
        return _train_apart(*(home, spec, examples, currency, threads, seed, tell, origin, who))
    present = current_generation(home).as_of if origin else None
    check_sound(spec, examples, present, tell)
    split = out_of_time(examples.frame, spec)
    if budget is not None:
        found = tune(spec, examples, split, budget=budget, seed=seed, threads=threads, tell=tell)
        spec = replace(spec, params=found.params)
    made = make(spec, examples, currency=currency, threads=threads, seed=seed, tell=tell, split=split)
    fitted, evaluation, registry = made.fitted, made.evaluation, Registry(home)
    against = _champion(registry, spec, examples, split, tell)
    theirs = against[1].metrics if against else None
    tell(f"{spec.name}: judging it part by part, and writing its page")
    values = expected_values(registry, fitted.model, examples, split)
    groups = (
        groups_of(examples.frame.iloc[split.test], load_catalogue(home.catalogue), values) if origin else {}
    )
    parts = slices_of(fitted.model, evaluation, examples, split, groups)
    slices, age = judged(parts), age_days(spec, fitted.model, present)
    verdict = judge(spec, evaluation.metrics, theirs, slices=slices, age_days=age)
    recipe = recipe_of(spec, origin, currency=currency, seed=seed, fingerprint=examples.fingerprint)
    with tempfile.TemporaryDirectory() as plots:
        draw(evaluation, fitted.model, Path(plots))
        page = trained_page(registry, fitted, examples, split, evaluation, parts, against, values, verdict)
        (Path(plots) / "page.html").write_text(page, encoding="utf-8")
        files = bundle_files(recipe, fitted, evaluation, slices, Path(plots), against=against, who=who)
    version = _registered(registry, home, spec, files, page, tell)
    return TrainResult(version, evaluation.metrics, verdict, fitted.log.refused, fitted.log.pooled)


def _train_apart(
    home: Home,
    spec: ModelSpec,
    examples: TrainingSet,
    currency: str,
    threads: int,
    seed: int,
    tell: Tell,
    origin: Origin | None,
    who: str,
) -> TrainResult:
    """As `train_on`, of a family with measures and a page of its own."""
    made = make(spec, examples, currency=currency, threads=threads, seed=seed, tell=tell)
    fitted, evaluation, registry = made.fitted, made.evaluation, Registry(home)
    age = age_days(spec, fitted.model, current_generation(home).as_of if origin else None)
    verdict = judge(spec, evaluation.metrics, None, age_days=age)
    recipe = recipe_of(spec, origin, currency=currency, seed=seed, fingerprint=examples.fingerprint)
    page = made.page(verdict) if made.page else ""
    against = _present(registry, spec)
    with tempfile.TemporaryDirectory() as plots:
        (Path(plots) / "page.html").write_text(page, encoding="utf-8")
        files = bundle_files(recipe, fitted, evaluation, {}, Path(plots), against=against, who=who)
    version = _registered(registry, home, spec, files, page, tell)
    return TrainResult(version, evaluation.metrics, verdict, fitted.log.refused, fitted.log.pooled)


def _present(registry: Registry, spec: ModelSpec) -> tuple[ModelVersion, Evaluation] | None:
    """The champion, not measured: it has seen rows that the challenger was held apart from."""
    try:
        return registry.champion(spec.name), Evaluation(())
    except NotReadyError:
        return None


def _registered(
    registry: Registry, home: Home, spec: ModelSpec, files: Mapping[str, bytes], page: str, tell: Tell
) -> ModelVersion:
    """Keep the finished run, log it, and put its page in its place."""
    bundle = keep(home, files)
    tell(f"{spec.name}: logging the finished model")
    version = _log(registry, bundle)
    write_page(home, spec.name, str(version.version), page)
    tell(f"{spec.name}: registered version {version.version} as challenger")
    return version


def log_pending(home: Home, folder: Path) -> ModelVersion:
    """Log a bundle that MLflow could not take when it was trained; doing it twice changes nothing.

    Raises
    ------
    NotReadyError
        If MLflow still cannot be used; the bundle stays.
    CorruptError, InputError
        If it is not a finished run as it was written.
    """
    registry = Registry(home)
    if not folder.is_dir() and (found := registry.logged(folder.name)):
        return found
    return _log(registry, open_bundle(folder), once=True)


def _log(registry: Registry, bundle: Bundle, *, once: bool = False) -> ModelVersion:
    """Log a bundle and drop it; `once` finds the version that it has become earlier."""
    try:
        version = (registry.logged(bundle.sha256) if once else None) or registry.log(bundle)
    except NotReadyError as error:
        raise NotReadyError(
            f"{error}; the finished model is kept: log it with `tenure models log {bundle.folder}`"
        ) from error
    discard(bundle)
    return version


def _champion(
    registry: Registry, spec: ModelSpec, examples: TrainingSet, split: Split, tell: Tell
) -> tuple[ModelVersion, Evaluation] | None:
    """The champion measured on the challenger's test rows: figures of two periods do not compare."""
    try:
        version = registry.champion(spec.name)
    except NotReadyError:
        return None
    try:
        model = registry.load(version)
        if model.definition == spec.definition:
            return version, evaluate(model, examples, split)
        tell(f"{spec.name}: the champion answers '{model.definition}', so the two are not compared")
    except (CorruptError, InputError) as error:
        # A broken champion is the very reason to train again, so it must not be in the way.
        tell(f"{spec.name}: the champion cannot be measured, so the two are not compared: {error}")
    return version, Evaluation(())
