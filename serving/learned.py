"""What the optional champions say: what contacts change, and what a new holding would earn."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.selling.offers import Option
from features.vocabulary import Catalogue
from serving.columns import Columns
from serving.deciding.worth import Basis, Effects, prior_effects
from training.artifact import Model
from training.uplift.answers import UpliftModel

__all__ = [
    "OPTIONAL",
    "Known",
    "learned_effects",
    "learned_names",
    "learned_options",
    "learned_scores",
    "uplift_models",
]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

OPTIONAL = ("margin", "response", "retention")
"""Champions that a bank may do without."""

_MODEL_OF = {"cross_sell": "response", "retention": "retention"}
"""Kind of an offer -> the model that knows what it changes; general offers go to who is not modelled."""


def uplift_models(models: Mapping[str, Model]) -> dict[str, UpliftModel]:
    """By name the champions that say what contacts change, as far as there are."""
    return {name: UpliftModel(models[name]) for name in ("response", "retention") if name in models}


def learned_options(
    uplift: Mapping[str, UpliftModel], catalogue: Catalogue
) -> dict[str, tuple[Option, ...]]:
    """By model the options whose change it knows: contacts about their product were learned from."""
    return {
        name: tuple(
            o for o in catalogue.options if _MODEL_OF.get(o.kind) == name and model.knows(o.product)
        )
        for name, model in uplift.items()
    }


def learned_names(
    models: Mapping[str, Model], catalogue: Catalogue, known: Mapping[str, Sequence[Option]]
) -> list[str]:
    """The scores that the optional champions add, in a fixed order.

    `margin_<product>`: what a new holding earns in a year, in major units; `alone_<offer>` and
    `contacted_<option>`: P(takes the product up), of a retention offer P(leaves), without a contact and
    with one, within the model's horizon.
    """
    names = [f"margin_{p}" for p in _margins(models, catalogue)]
    for options in known.values():
        names += [f"alone_{offer}" for offer in dict.fromkeys(o.offer for o in options)]
        names += [f"contacted_{option.name}" for option in options]
    return names


def learned_scores(
    uplift: Mapping[str, UpliftModel],
    catalogue: Catalogue,
    columns: Columns,
    known: Mapping[str, Sequence[Option]],
    margins: Mapping[str, Floats],
) -> dict[str, Floats]:
    """Those scores for n rows, each (n,); the trees take all options of a customer in one call.

    Parameters
    ----------
    uplift, known
        From `uplift_models` and `learned_options`.
    margins
        The answers of the model of margins, as far as there is one.
    """
    found = {f"margin_{p.name}": margins[p.name] for p in catalogue.offered if p.name in margins}
    for name, options in known.items():
        if not options:
            continue
        told = uplift[name].options(columns, [(o.product, o.channel) for o in options])
        # Who is left alone is left so by every channel: the first option of an offer answers for all.
        first = {o.offer: place for place, o in reversed(list(enumerate(options)))}
        found |= {f"alone_{offer}": told.alone[:, place] for offer, place in sorted(first.items())}
        found |= {f"contacted_{o.name}": told.contacted[:, place] for place, o in enumerate(options)}
    return found


@dataclass(frozen=True)
class Known:
    """What the optional champions know of a catalogue's options; places are those of options.

    margins, learned, tired
        Options whose stake is a learned margin, whose change is learned, and that a weary customer takes
        up less; with each the names of the scores that say it, learned ones with those of alone and
        contacted.
    accepts
        P(accepts | contacted) of the learned options, NaN where it is that of taking the product up.
    alike, weaker
        What one more contact costs later: the same for all by option, and per unit of what an answer's
        log-odds are worth.
    """

    margins: tuple[Places, tuple[str, ...]]
    learned: tuple[Places, tuple[str, ...], tuple[str, ...]]
    tired: tuple[Places, tuple[str, ...]]
    accepts: Floats
    basis: tuple[Basis, ...]
    alike: Floats
    weaker: float

    @classmethod
    def of(cls, models: Mapping[str, Model], catalogue: Catalogue, names: Collection[str]) -> "Known":
        """Prepare it; `names` are those of all scores there are."""
        options = list(enumerate(catalogue.options))
        sold = [(at, o) for at, o in options if o.kind == "cross_sell"]
        margins = [(at, o) for at, o in sold if f"margin_{o.product}" in names]
        tired = [(at, o) for at, o in sold if f"propensity_{o.product}" in names]
        learned = [(at, o) for at, o in options if f"contacted_{o.name}" in names]
        agreed = _said(models, "retention", "accepts")
        prices = _said(models, "response", "fatigue")
        dearest = max(prices.values(), default=0.0)
        places = {at for at, _ in learned}
        return cls(
            (_places(margins), tuple(f"margin_{o.product}" for _, o in margins)),
            (
                _places(learned),
                tuple(f"alone_{o.offer}" for _, o in learned),
                tuple(f"contacted_{o.name}" for _, o in learned),
            ),
            (_places(tired), tuple(f"propensity_{o.product}" for _, o in tired)),
            np.array(
                [
                    agreed.get(o.channel, catalogue.offers[o.offer].prior.accepts)
                    if o.kind == "retention"
                    else np.nan
                    for _, o in learned
                ],
                dtype=np.float64,
            ),
            tuple("model" if at in places else "prior" for at, _ in options),
            np.array([prices.get(o.channel, dearest) for _, o in options], dtype=np.float64),
            _said(models, "response", "tiring").get("weaker", 0.0),
        )


def learned_effects(known: Known, catalogue: Catalogue, scores: Mapping[str, Floats], rows: int) -> Effects:
    """Effects of every option: learned where a champion knows it, else as the catalogue's priors state.

    Parameters
    ----------
    scores
        Scores of the customers by name, each (rows,), NaN where there is none.
    """
    effects = prior_effects(scores, catalogue, rows)
    alone, contacted, accepts, stake = effects.alone, effects.contacted, effects.accepts, effects.stake
    places, names = known.margins
    if names:
        stake[:, places] = np.stack([scores[name] for name in names], axis=1)
    places, left, met = known.learned
    if met:
        alone[:, places] = np.stack([scores[name] for name in left], axis=1)
        contacted[:, places] = np.stack([scores[name] for name in met], axis=1)
        own = np.isnan(known.accepts)
        accepts[:, places] = np.where(own, contacted[:, places], known.accepts)
    return replace(effects, fatigue=_fatigue(known, effects, scores), basis=known.basis)


def _fatigue(known: Known, effects: Effects, scores: Mapping[str, Floats]) -> Floats:
    """What one more contact costs each customer later, (n, options).

    Opting out and complaints cost all alike; weaker answers cost in proportion to what a unit of log-odds
    is worth with the customer, p (1 - p) x stake of the product for which that is most, of those that the
    customer may newly take.
    """
    places, names = known.tired
    most = np.zeros(len(effects.alone))
    if names:
        p = effects.contacted[:, places]
        may = np.isfinite(np.stack([scores[name] for name in names], axis=1))
        # Where nothing is known, there is nothing to weaken.
        worth = np.where(may, p * (1.0 - p) * effects.stake[:, places], 0.0)
        most = np.fmax(most, np.fmax.reduce(worth, axis=1))
    found: Floats = known.alike + known.weaker * most[:, None]
    return found


def _places(options: Sequence[tuple[int, Option]]) -> Places:
    return np.array([at for at, _ in options], dtype=np.intp)


def _margins(models: Mapping[str, Model], catalogue: Catalogue) -> list[str]:
    heads = {head.name for head in models["margin"].heads} if "margin" in models else set()
    return [p.name for p in catalogue.offered if p.name in heads]


def _said(models: Mapping[str, Model], name: str, what: str) -> Mapping[str, float]:
    """What an artifact says of contacts by channel; empty where it does not."""
    if name not in models:
        return {}
    said: Mapping[str, float] = models[name].training.get("contacts", {}).get(what, {})
    return said
