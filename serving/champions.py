"""Load the champions of a home into the one scorer."""

from features.catalogue import load_catalogue
from features.home import Home
from serving.learned import OPTIONAL
from serving.scoring import MODELS, Scorer
from training.versions.champions import Champions

__all__ = ["load_scorer"]


def load_scorer(home: Home) -> Scorer:
    """The champions, every byte verified, with the bank's catalogue; optional ones where there are any.

    Raises
    ------
    NotReadyError
        If one of the three models that every bank has, has no champion yet.
    CorruptError
        If an artifact is not what was registered.
    """
    champions = Champions(home)
    names = (*MODELS, *(name for name in OPTIONAL if champions.stack(name)))
    versions = {name: champions.champion(name) for name in names}
    models = {name: (champions.load(version), version) for name, version in versions.items()}
    return Scorer(models, load_catalogue(home.catalogue))
