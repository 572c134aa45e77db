"""Load the champions of a home into the one scorer."""

from collections.abc import Iterator, Mapping

from features.catalogue import load_catalogue
from features.errors import CorruptError, NotReadyError, RefusedError, first_five
from features.families import all_families
from features.home import Home
from serving.learned import OPTIONAL
from serving.scoring import MODELS, Scorer
from training.uplift.answers import OF_THE_OPTION
from training.versions.champions import Champions

__all__ = ["load_scorer", "refuse_misfits", "refuse_removal"]


def load_scorer(home: Home, *, rehearsed: bool = False) -> Scorer:
    """The champions, every byte verified, with the bank's catalogue; optional ones where there are any.

    Parameters
    ----------
    rehearsed
        Let the models answer in a process of their own first, so that none can take this one along.

    Raises
    ------
    NotReadyError
        If one of the three models that every bank has, has no champion yet.
    CorruptError
        If an artifact is not what was registered, or kills the process that loads it.
    """
    champions = Champions(home)
    found = champions.in_force()
    needed = {name: found.get(name) or champions.champion(name) for name in MODELS}
    versions = needed | {name: found[name] for name in OPTIONAL if name in found}
    if rehearsed:
        champions.rehearse(versions.values())
    models = {name: (champions.load(version), version) for name, version in versions.items()}
    return Scorer(models, load_catalogue(home.catalogue))


def refuse_misfits(scorer: Scorer, fields: Mapping[str, str]) -> None:
    """Raise NotReadyError if a model needs a feature that `fields` (name -> dtype) does not have so."""
    for name, wrong in _misfits(scorer, fields):
        raise NotReadyError(
            f"model '{name}': the online features lack {wrong[:5]}, or have them in another type "
            f"({len(wrong)} in all); cure: run `tenure features materialize`"
        )


def refuse_removal(home: Home) -> None:
    """Refuse to put features online without which the champions cannot answer.

    Raises
    ------
    RefusedError
        If a champion needs a feature that is not declared any more, or in another type. Where nobody
        serves yet, nothing is refused.
    """
    try:
        scorer = load_scorer(home)
    except (NotReadyError, CorruptError):
        return
    families = all_families(scorer.catalogue)
    declared = {field.name: field.dtype for family in families for field in family.fields}
    for name, wrong in _misfits(scorer, declared):
        raise RefusedError(
            f"model '{name}', which serves, needs features that are there no more, or in another type: "
            f"{first_five(wrong)}; cure: bring them back into the catalogue, or train and promote a model "
            "without them first; with --allow-removal nobody is answered until then"
        )


def _misfits(scorer: Scorer, fields: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Models with those of their features that `fields` does not have so."""
    for name, model in scorer.loaded.items():
        asked = (f for f in model.features if f.name not in OF_THE_OPTION)
        if wrong := [f.name for f in asked if fields.get(f.name) != f.dtype]:
            yield name, wrong
