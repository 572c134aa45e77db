"""A run made again from what it recorded: the same bytes, or what is no longer the same."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from features.errors import CorruptError, RefusedError
from features.home import Home
from features.settings import Settings
from training.artifact import save_model
from training.datasets import TrainingSet
from training.kinds import examples_of, make
from training.versions.bundle import FACTS, RECIPE
from training.versions.champions import Champions
from training.versions.pinned import pinned
from training.versions.recipe import Recipe, differences, recipe_from, recipe_of

__all__ = ["Reproduced", "reproduce"]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Reproduced:
    """Two artifacts of the same bytes."""

    name: str
    run_id: str
    recorded_sha256: str
    reproduced_sha256: str


def reproduce(home: Home, run_id: str, settings: Settings, tell: Tell) -> Reproduced:
    """Build a run's training set again, train as it was trained, and compare the artifacts.

    Nothing is registered and nothing in the home changes.

    Raises
    ------
    NotReadyError
        If the run recorded nothing, or its generation of features is no longer there.
    RefusedError
        If its rows did not come from the feature store.
    CorruptError
        If the artifacts differ; it names what is no longer as recorded.
    """
    champions = Champions(home)
    recorded_sha256: str = champions.record(run_id, FACTS)["model_sha256"]
    where = champions.folder(run_id).parent / RECIPE
    recipe = recipe_from(champions.record(run_id, RECIPE), where)
    if recipe.origin is None:
        raise RefusedError(f"run {run_id}: trained on rows from elsewhere; cure: train on that table again")
    with pinned(home, recipe.origin) as then:
        examples = examples_of(then, recipe.spec, settings, tell)
    found = _artifact(recipe, examples, settings.threads, tell)
    if found == recorded_sha256:
        return Reproduced(recipe.spec.name, run_id, recorded_sha256, found)
    changed = differences(recipe, _present(recipe, examples))
    raise CorruptError(
        f"run {run_id}: recorded {recorded_sha256[:12]}, reproduced {found[:12]}; "
        f"{'; '.join(changed) or 'nothing that is recorded differs: the stored files, or the machine'}; "
        "cure: reproduce it with the code, libraries and history of then"
    )


def _present(recipe: Recipe, examples: TrainingSet) -> Recipe:
    """The same run as this process sees it."""
    return recipe_of(
        *(recipe.spec, recipe.origin),
        currency=recipe.currency,
        seed=recipe.seed,
        fingerprint=examples.fingerprint,
    )


def _artifact(recipe: Recipe, examples: TrainingSet, threads: int, tell: Tell) -> str:
    made = make(
        recipe.spec, examples, currency=recipe.currency, threads=threads, seed=recipe.seed, tell=tell
    )
    with TemporaryDirectory() as scratch:
        return save_model(Path(scratch) / "model", made.fitted.model)
