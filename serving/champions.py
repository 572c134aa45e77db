"""Load the three champions of a home into the one scorer."""

from features.catalogue import load_catalogue
from features.home import Home
from serving.scoring import MODELS, Scorer
from training.champions import Champions

__all__ = ["load_scorer"]


def load_scorer(home: Home) -> Scorer:
    """The champions, every byte verified, with the bank's catalogue.

    Raises
    ------
    NotReadyError
        If a model has no champion yet.
    CorruptError
        If an artifact is not what was registered.
    """
    champions = Champions(home)
    versions = {name: champions.champion(name) for name in MODELS}
    models = {name: (champions.load(version), version) for name, version in versions.items()}
    return Scorer(models, load_catalogue(home.catalogue))
