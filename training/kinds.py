"""Which way each family is learned: its examples, its fit with what it shows, and its own page."""

from collections.abc import Callable
from dataclasses import dataclass

from features.home import Home
from features.settings import Settings
from training.datasets import TrainingSet, training_set
from training.evaluate import Evaluation, HeadResult
from training.fit import FitLog, Fitted
from training.gates import Verdict
from training.margin import fit_margin
from training.passing import fit_passing
from training.specs import CONTACT_MODELS, ModelSpec
from training.split import Split, out_of_time
from training.uplift.contacts import contact_examples
from training.uplift.gates import UPLIFT, uplift_metrics
from training.uplift.model import fit_uplift

__all__ = ["Made", "examples_of", "has_own_page", "make"]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Made:
    """A fitted model and what it shows on rows apart.

    page
        Writes the page of a family that has its own; None where `training.pages.trained` does.
    """

    fitted: Fitted
    evaluation: Evaluation
    page: Callable[[Verdict], str] | None = None


def has_own_page(spec: ModelSpec) -> bool:
    """Whether a family is measured by other rules than discrimination of customers out of time."""
    return spec.name == "margin" or spec.name in CONTACT_MODELS


def examples_of(home: Home, spec: ModelSpec, settings: Settings, tell: Tell) -> TrainingSet:
    """Build a family's examples from the current generation; errors as `training_set` raises them."""
    if spec.name in CONTACT_MODELS:
        return contact_examples(home, spec, settings, tell)
    return training_set(home, spec, settings, tell)


def make(
    spec: ModelSpec,
    examples: TrainingSet,
    *,
    currency: str,
    threads: int,
    seed: int,
    tell: Tell,
    split: Split | None = None,
) -> Made:
    """Fit and measure; the same bytes for the same examples and seed.

    Parameters
    ----------
    split
        By default out of time. What contacts change is learned from all rows, each held apart in turn.
    """
    if spec.name in CONTACT_MODELS:
        return _contacts_made(spec, examples, currency, threads, seed, tell)
    split = split or out_of_time(examples.frame, spec)
    if spec.name == "margin":
        fitted, evaluation = fit_margin(
            spec, examples, split, currency=currency, threads=threads, seed=seed, tell=tell
        )
        return Made(fitted, evaluation, lambda verdict: _margin_page(fitted, evaluation, verdict))
    fitted, evaluation = fit_passing(
        spec, examples, split, currency=currency, threads=threads, seed=seed, tell=tell
    )
    return Made(fitted, evaluation)


def _contacts_made(
    spec: ModelSpec, examples: TrainingSet, currency: str, threads: int, seed: int, tell: Tell
) -> Made:
    found = fit_uplift(spec, examples, currency=currency, threads=threads, seed=seed, tell=tell)
    measures = uplift_metrics(found)
    log = FitLog({UPLIFT: found.rows}, {UPLIFT: found.positives})
    # The rows of a log have no answer of their own to be shown beside: only both arms together do.
    result = HeadResult(UPLIFT, "amount", measures, found.curve.gain, found.curve.share)

    def page(verdict: Verdict) -> str:
        from training.pages.learned import uplift_page  # pictures, which a reproduction need not load

        return uplift_page(found, verdict)

    return Made(Fitted(found.uplift.model, log), Evaluation((result,)), page)


def _margin_page(fitted: Fitted, evaluation: Evaluation, verdict: Verdict) -> str:
    from training.pages.learned import margin_page

    return margin_page(fitted.model, evaluation, verdict)
