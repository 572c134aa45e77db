"""The page of a model just trained, with what the registry knows of champions and of value."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from features.errors import CorruptError, InputError, NotReadyError
from training.artifact import Matrix, Model
from training.datasets import TrainingSet
from training.evaluate import Evaluation
from training.fit import Fitted
from training.gates import Verdict
from training.pages.changes import Champion
from training.pages.page import model_page
from training.profit import total_value
from training.slices import Parts
from training.split import Split
from training.versions.champions import ModelVersion

if TYPE_CHECKING:
    from training.registry import Registry

__all__ = ["expected_values", "trained_page"]


def trained_page(
    registry: "Registry",
    fitted: Fitted,
    examples: TrainingSet,
    split: Split,
    evaluation: Evaluation,
    slices: Mapping[str, Parts],
    against: tuple[ModelVersion, Evaluation] | None,
    values: Matrix | None,
    verdict: Verdict,
) -> str:
    """Write the page of a challenger.

    Parameters
    ----------
    against
        The champion and its evaluation on the same test rows; None if there is none.
    values
        What each customer of the test is worth (`expected_values`).
    """
    champion = None
    if against:
        version, theirs = against
        champion = Champion(f"version {version.version}", theirs, _loaded(registry, version))
    return model_page(
        *(fitted.model, examples, split, evaluation, slices),
        title=f"{fitted.model.name.title()}: {fitted.model.definition.replace('_', ' ')}",
        champion=champion,
        values=values if fitted.model.name == "churn" else None,
        refused=fitted.log.refused,
        pooled=fitted.log.pooled,
        verdict=verdict,
    )


def expected_values(
    registry: "Registry", model: Model, examples: TrainingSet, split: Split
) -> Matrix | None:
    """What each test customer is worth by the model if it is one of value, else by its champion.

    Shape (n_test,), in the reporting currency; None if there is no champion of value. Then the page says
    that one published value stands for all.
    """
    try:
        value = model if model.name == "value" else registry.load(registry.champion("value"))
        return total_value(value, value.matrix(examples.frame.iloc[split.test]))
    except (NotReadyError, CorruptError, InputError):
        return None


def _loaded(registry: "Registry", version: ModelVersion) -> Model | None:
    try:
        return registry.load(version)
    except CorruptError:
        return None  # training has told of it already; the page goes without its drivers
