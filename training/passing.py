"""Fit, measure, and put right what the gates would refuse of a model with many heads."""

from collections.abc import Callable
from dataclasses import replace

from training.datasets import TrainingSet
from training.evaluate import Evaluation, evaluate
from training.fit import Fitted, fit
from training.gates import failing
from training.slices import judged, slices_of
from training.specs import ModelSpec
from training.split import Split

__all__ = ["fit_passing"]

Tell = Callable[[str], None]


def fit_passing(
    spec: ModelSpec,
    examples: TrainingSet,
    split: Split,
    *,
    currency: str,
    threads: int,
    seed: int,
    tell: Tell,
) -> tuple[Fitted, Evaluation]:
    """Fit and measure; a product that misses a bound is pooled with the others.

    One that misses a bound even so is left out, so that it holds back no other.
    """
    fitted = fit(spec, examples, split, currency=currency, threads=threads, seed=seed, tell=tell)
    evaluation = evaluate(fitted.model, examples, split)
    if spec.name != "propensity":
        return fitted, evaluation
    missed = _missed(spec, fitted, evaluation, examples, split)
    spare = fitted.pool.keys() - fitted.log.pooled.keys()
    own = {name: why for name, why in missed.items() if name in spare}
    if own:
        for name, why in own.items():
            tell(f"{spec.name}: '{name}' is pooled with the other products: {why}")
        fitted, evaluation = _pooled(fitted, evaluation, own, examples, split)
        missed = _missed(spec, fitted, evaluation, examples, split)
    return _left_out(fitted, evaluation, missed, tell)


def _missed(
    spec: ModelSpec, fitted: Fitted, evaluation: Evaluation, examples: TrainingSet, split: Split
) -> dict[str, str]:
    """Heads that miss a bound, and why."""
    slices = judged(slices_of(fitted.model, evaluation, examples, split))
    return {name: "; ".join(why) for name, why in failing(spec, evaluation.metrics, slices).items()}


def _pooled(
    fitted: Fitted, evaluation: Evaluation, why: dict[str, str], examples: TrainingSet, split: Split
) -> tuple[Fitted, Evaluation]:
    """The same with some products on the common booster, and what they show then."""
    heads = tuple(fitted.pool[h.name] if h.name in why else h for h in fitted.model.heads)
    changed = replace(fitted.model, heads=tuple(h for h in heads if h.name in why))
    found = {result.name: result for result in evaluate(changed, examples, split).heads}
    log = replace(fitted.log, pooled=fitted.log.pooled | why)
    results = tuple(found.get(result.name, result) for result in evaluation.heads)
    return replace(fitted, model=replace(fitted.model, heads=heads), log=log), Evaluation(results)


def _left_out(
    fitted: Fitted, evaluation: Evaluation, missed: dict[str, str], tell: Tell
) -> tuple[Fitted, Evaluation]:
    """The same without the heads that miss a bound; as it is where that leaves none."""
    kept = tuple(head for head in fitted.model.heads if head.name not in missed)
    if not missed or not kept:
        return fitted, evaluation
    for name, why in missed.items():
        tell(f"{fitted.model.name}: no model for '{name}': {why}")
    pooled = {name: why for name, why in fitted.log.pooled.items() if name not in missed}
    log = replace(fitted.log, refused=missed, pooled=pooled)
    results = tuple(result for result in evaluation.heads if result.name not in missed)
    return replace(fitted, model=replace(fitted.model, heads=kept), log=log), Evaluation(results)
