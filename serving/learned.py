"""What the optional champions say: what contacts change, and what a new holding would earn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from features.native import FLOATS, INTS, TABLE, Array, compiled
from features.selling.offers import Option
from features.vocabulary import Catalogue
from serving.deciding.worth import Basis, Effects, stated_effects
from training.artifact import Model
from training.uplift.answers import Options, UpliftModel

__all__ = [
    "OPTIONAL",
    "Known",
    "LearnedScores",
    "learned_effects",
    "learned_names",
    "learned_options",
    "uplift_models",
]

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

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


class LearnedScores:
    """Writes what contacts change, by one model, into the table of scores.

    Parameters
    ----------
    options
        Those whose change it knows, at least one.
    features, width
        Where its features stand in a coded row, and how long that is.
    columns
        Column of each score in the table.
    """

    def __init__(
        self,
        model: UpliftModel,
        options: Sequence[Option],
        features: NDArray[np.intp],
        width: int,
        columns: Mapping[str, int],
    ) -> None:
        self._options = Options(model, [(o.product, o.channel) for o in options], features, width)
        # Who is left alone is left so by every channel: the first option of an offer answers for all.
        first = {o.offer: place for place, o in reversed(list(enumerate(options)))}
        self._first = list(first.values())
        self._alone = [columns[f"alone_{offer}"] for offer in first]
        self._contacted = [columns[f"contacted_{option.name}"] for option in options]

    def write(self, coded: Floats, liked: Sequence[Any], table: Floats) -> None:
        """Fill the columns of some coded rows, whose customers prefer the channels `liked`."""
        alone, contacted = self._options.answer(coded, liked)
        table[:, self._alone] = alone[:, self._first]
        table[:, self._contacted] = contacted


@dataclass(frozen=True)
class Known:
    """What the optional champions know of a catalogue's options; columns are those of the table of scores.

    margin, alone, contacted
        By option the column that says its stake, and those of its chances; -1 where none was learned.
    tired
        By option the column that says whether the customer may newly take what a weary one takes up less,
        -1 where that is nothing.
    accepts
        P(accepts | contacted) by option, NaN where it is that of taking the product up.
    alike, weaker
        What one more contact costs later: the same for all by option, and per unit of what an answer's
        log-odds are worth.
    """

    names: tuple[str, ...]
    margin: Places
    alone: Places
    contacted: Places
    tired: Places
    accepts: Floats
    basis: tuple[Basis, ...]
    alike: Floats
    weaker: float

    @classmethod
    def of(cls, models: Mapping[str, Model], catalogue: Catalogue, names: Sequence[str]) -> "Known":
        """Prepare it; `names` are those of all scores there are, in the order of the table."""
        options, place = catalogue.options, {name: at for at, name in enumerate(names)}
        agreed = _said(models, "retention", "accepts")
        prices = _said(models, "response", "fatigue")
        dearest = max(prices.values(), default=0.0)

        def columns(name: Callable[[Option], str], *, sold: bool) -> Places:
            of = (place.get(name(o), -1) if o.kind == "cross_sell" or not sold else -1 for o in options)
            return np.array(list(of), dtype=np.int64)

        learned = columns(lambda o: f"contacted_{o.name}", sold=False)
        accepts = [
            agreed.get(o.channel, catalogue.offers[o.offer].prior.accepts)
            if o.kind == "retention"
            else np.nan
            for o in options
        ]
        return cls(
            tuple(names),
            columns(lambda o: f"margin_{o.product}", sold=True),
            columns(lambda o: f"alone_{o.offer}", sold=False),
            learned,
            columns(lambda o: f"propensity_{o.product}", sold=True),
            np.array(accepts, dtype=np.float64),
            tuple("model" if at >= 0 else "prior" for at in learned.tolist()),
            np.array([prices.get(o.channel, dearest) for o in options], dtype=np.float64),
            _said(models, "response", "tiring").get("weaker", 0.0),
        )


def learned_effects(known: Known, catalogue: Catalogue, table: Floats) -> Effects:
    """Effects of every option: learned where a champion knows it, else as the catalogue's priors state.

    One more contact costs each customer later: opting out and complaints cost all alike; weaker answers
    cost in proportion to what a unit of log-odds is worth with the customer, p (1 - p) x stake of the
    product for which that is most, of those that the customer may newly take.

    Parameters
    ----------
    table
        Scores of the customers, (n, names) in the order of `known.names`, NaN where there is none.
    """
    effects = replace(stated_effects(table, known.names, catalogue), basis=known.basis)
    _learn(
        *(table, known.margin, known.alone, known.contacted, known.tired, known.accepts),
        *(known.alike, known.weaker),
        *(effects.alone, effects.contacted, effects.accepts, effects.stake, effects.fatigue),
    )
    return effects


@compiled(
    numba.void(
        *(TABLE, INTS, INTS, INTS, INTS, FLOATS, FLOATS, numba.float64),
        *(TABLE, TABLE, TABLE, TABLE, TABLE),
    )
)
def _learn(
    table: Array,
    margin_at: Array,
    alone_at: Array,
    contacted_at: Array,
    tired_at: Array,
    agreed: Array,
    alike: Array,
    weaker: float,
    alone: Array,
    contacted: Array,
    accepts: Array,
    stake: Array,
    fatigue: Array,
) -> None:
    """Write what is learned over what is stated, and the price of one more contact."""
    for row in range(len(table)):
        most = 0.0
        for o in range(len(alike)):
            if margin_at[o] >= 0:
                stake[row, o] = table[row, margin_at[o]]
            if contacted_at[o] >= 0:
                alone[row, o], contacted[row, o] = table[row, alone_at[o]], table[row, contacted_at[o]]
                accepts[row, o] = contacted[row, o] if np.isnan(agreed[o]) else agreed[o]
            if tired_at[o] >= 0 and np.isfinite(table[row, tired_at[o]]):
                p = contacted[row, o]
                worth = p * (1.0 - p) * stake[row, o]
                if worth > most:  # where nothing is known, there is nothing to weaken
                    most = worth
        for o in range(len(alike)):
            fatigue[row, o] = alike[o] + weaker * most


def _margins(models: Mapping[str, Model], catalogue: Catalogue) -> list[str]:
    heads = {head.name for head in models["margin"].heads} if "margin" in models else set()
    return [p.name for p in catalogue.offered if p.name in heads]


def _said(models: Mapping[str, Model], name: str, what: str) -> Mapping[str, float]:
    """What an artifact says of contacts by channel; empty where it does not."""
    if name not in models:
        return {}
    said: Mapping[str, float] = models[name].training.get("contacts", {}).get(what, {})
    return said
