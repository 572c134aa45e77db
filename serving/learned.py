"""What the optional champions say: what contacts change, and what a new holding would earn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from features.selling.offers import Option
from features.vocabulary import Catalogue
from serving.columns import Columns, length
from serving.deciding.worth import Basis, Effects, prior_effects
from training.artifact import Model
from training.uplift.answers import UpliftModel

__all__ = ["OPTIONAL", "learned_effects", "learned_names", "learned_scores"]

Floats = NDArray[np.float64]

OPTIONAL = ("margin", "response", "retention")
"""Champions that a bank may do without."""

_MODEL_OF = {"cross_sell": "response", "retention": "retention"}
"""Kind of an offer -> the model that knows what it changes; general offers go to who is not modelled."""


def learned_names(models: Mapping[str, Model], catalogue: Catalogue) -> list[str]:
    """The scores that the optional champions add, in a fixed order.

    `margin_<product>`: what a new holding earns in a year, in major units; `alone_<offer>` and
    `contacted_<option>`: P(takes the product up), of a retention offer P(leaves), without a contact and
    with one, within the model's horizon.
    """
    names = [f"margin_{p}" for p in _margins(models, catalogue)]
    for name in ("response", "retention"):
        options = _options(models, catalogue, name)
        names += [f"alone_{offer}" for offer in dict.fromkeys(o.offer for o in options)]
        names += [f"contacted_{option.name}" for option in options]
    return names


def learned_scores(
    models: Mapping[str, Model], catalogue: Catalogue, columns: Columns
) -> dict[str, Floats]:
    """Those scores for n rows, each (n,); the trees take all options of a customer in one call."""
    found: dict[str, Floats] = {}
    if products := _margins(models, catalogue):
        answers = models["margin"].predict(models["margin"].matrix(columns))
        found |= {f"margin_{p}": answers[p] for p in products}
    for name in ("response", "retention"):
        if not (options := _options(models, catalogue, name)):
            continue
        uplift = UpliftModel(models[name]).options(columns, [(o.product, o.channel) for o in options])
        # Who is left alone is left so by every channel: the first option of an offer answers for all.
        first = {o.offer: place for place, o in reversed(list(enumerate(options)))}
        found |= {f"alone_{offer}": uplift.alone[:, place] for offer, place in sorted(first.items())}
        found |= {f"contacted_{o.name}": uplift.contacted[:, place] for place, o in enumerate(options)}
    return found


def learned_effects(
    models: Mapping[str, Model], catalogue: Catalogue, columns: Columns, scores: Mapping[str, Floats]
) -> Effects:
    """Effects of every option: learned where a champion knows it, else as the catalogue's priors state.

    Parameters
    ----------
    models
        The champions by name, with or without the optional ones.
    columns
        Features by name, n rows.
    scores
        Scores of the same customers by name, each (n,), NaN where there is none.
    """
    effects = prior_effects(scores, catalogue, length(columns))
    basis: list[Basis] = list(effects.basis)
    alone, contacted, accepts, stake = (
        a.copy() for a in (effects.alone, effects.contacted, effects.accepts, effects.stake)
    )
    fatigue = effects.fatigue.copy()
    tired = _said(models, "response", "fatigue")
    for place, option in enumerate(catalogue.options):
        fatigue[place] = tired.get(option.channel, max(tired.values(), default=0.0))
        if option.kind == "cross_sell" and f"margin_{option.product}" in scores:
            stake[:, place] = scores[f"margin_{option.product}"]
        if f"contacted_{option.name}" not in scores:
            continue
        basis[place] = "model"
        alone[:, place] = scores[f"alone_{option.offer}"]
        contacted[:, place] = scores[f"contacted_{option.name}"]
        if option.kind == "retention":
            agreed = _said(models, "retention", "accepts")
            accepts[:, place] = agreed.get(option.channel, catalogue.offers[option.offer].prior.accepts)
        else:
            accepts[:, place] = contacted[:, place]
    return replace(
        effects,
        alone=alone,
        contacted=contacted,
        accepts=accepts,
        stake=stake,
        fatigue=fatigue,
        basis=tuple(basis),
    )


def _margins(models: Mapping[str, Model], catalogue: Catalogue) -> list[str]:
    heads = {head.name for head in models["margin"].heads} if "margin" in models else set()
    return [p.name for p in catalogue.offered if p.name in heads]


def _options(models: Mapping[str, Model], catalogue: Catalogue, name: str) -> Sequence[Option]:
    """The options whose change a model knows, because contacts about their product were learned from."""
    if name not in models:
        return ()
    uplift = UpliftModel(models[name])
    return [o for o in catalogue.options if _MODEL_OF.get(o.kind) == name and uplift.knows(o.product)]


def _said(models: Mapping[str, Model], name: str, what: str) -> Mapping[str, float]:
    """What an artifact says of contacts by channel; empty where it does not."""
    if name not in models:
        return {}
    said: Mapping[str, float] = models[name].training.get("contacts", {}).get(what, {})
    return said
