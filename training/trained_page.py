"""The page of a model just trained, with what the registry knows of champions and of value."""

from typing import TYPE_CHECKING

from features.errors import CorruptError, InputError, NotReadyError
from training.artifact import Matrix, Model
from training.champions import ModelVersion
from training.datasets import TrainingSet
from training.evaluate import Evaluation
from training.fit import Fitted
from training.page import Champion, model_page
from training.profit import total_value
from training.split import Split

if TYPE_CHECKING:
    from training.registry import Registry

__all__ = ["trained_page"]


def trained_page(
    registry: "Registry",
    fitted: Fitted,
    examples: TrainingSet,
    split: Split,
    evaluation: Evaluation,
    against: tuple[ModelVersion, Evaluation] | None,
) -> str:
    """Write the page of a challenger.

    Parameters
    ----------
    against
        The champion and its evaluation on the same test rows; None if there is none.
    """
    champion = None
    if against:
        version, theirs = against
        champion = Champion(f"version {version.version}", theirs, _loaded(registry, version))
    return model_page(
        *(fitted.model, examples, split, evaluation),
        title=f"{fitted.model.name.title()}: {fitted.model.definition.replace('_', ' ')}",
        champion=champion,
        values=_values(registry, examples, split) if fitted.model.name == "churn" else None,
        refused=fitted.log.refused,
    )


def _values(registry: "Registry", examples: TrainingSet, split: Split) -> Matrix | None:
    """What the champion of value expects of each test customer, shape (n_test,); None without one."""
    try:
        model = registry.load(registry.champion("value"))
        return total_value(model, model.matrix(examples.frame.iloc[split.test]))
    except (NotReadyError, CorruptError, InputError):
        return None  # the page then says that one published value stands for all


def _loaded(registry: "Registry", version: ModelVersion) -> Model | None:
    try:
        return registry.load(version)
    except CorruptError:
        return None  # training has told of it already; the page goes without its drivers
