"""What each of Tenure's estimates costs: one month's decisions with single estimates made true."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.policy_bank import Floats, carried, later_worth
from benchmarks.policy_players import Situation, allocated
from benchmarks.policy_year import look
from features.home import Home
from serving.champions import load_scorer

__all__ = ["Part", "parts_of"]

_WHOLE = "nothing / everything"
_NAMES = {
    "uplift": "uplift of products, with what is carried over to later months",
    "margin": "margin of a new holding",
    "kept": "change in leaving",
    "worth": "what leaves with the customer",
    "waived": "fees that a waiver gives up",
    "later": "later effects: fatigue, opting out, complaints, who stops parting",
}


@dataclass(frozen=True)
class Part:
    """Decisions' true worth as a share of the oracle's: with this estimate alone true, and all but it."""

    name: str
    alone: float
    but: float


def parts_of(start: Path, left: int, seed: int) -> list[Part]:
    """Of the first month of a bank; the first part is Tenure's own decisions, and the oracle's."""
    now, _ = look(Home(start), load_scorer(Home(start)), left, seed)
    found, true = _estimates(now), _truth(now)
    best = _earns(true, now)
    parts = [Part(_WHOLE, _earns(found, now) / best, 1.0)]
    for key, name in _NAMES.items():
        alone, but = found | {key: true[key]}, true | {key: found[key]}
        parts.append(Part(name, _earns(alone, now) / best, _earns(but, now) / best))
    return parts


def _earns(estimates: Mapping[str, Floats], now: Situation) -> float:
    """What the decisions by these estimates are truly worth."""
    action = allocated(_worth(estimates, now), now)
    who = np.flatnonzero(action >= 0)
    may = now.truth.may[who, action[who]]
    costs = np.array([option.cost for option in now.catalogue.options])
    truly = _worth(_truth(now), now)[who, action[who]]
    return float(np.where(may, truly, -costs[action[who]]).sum())


def _worth(of: Mapping[str, Floats], now: Situation) -> Floats:
    costs = np.array([option.cost for option in now.catalogue.options])
    found: Floats = (
        of["uplift"] * of["margin"] + of["kept"] * of["worth"] - of["waived"] - costs + of["later"]
    )
    return found


def _truth(now: Situation) -> dict[str, Floats]:
    truth = now.truth
    costs = np.array([option.cost for option in now.catalogue.options])
    after = carried(now.left) * truth.uplift
    return {
        # As the models count it, whose windows are longer than a month.
        "uplift": truth.uplift + after,
        "margin": truth.margin,
        "kept": truth.kept,
        "worth": np.tile(truth.worth[:, None], (1, len(costs))),
        "waived": truth.price - costs,
        "later": later_worth(truth, now.allowed, now.left, now.rest) - after * truth.margin,
    }


def _estimates(now: Situation) -> dict[str, Floats]:
    effects, options = now.learned, now.catalogue.options
    retention = np.array([option.kind == "retention" for option in options])
    change = effects.contacted - effects.alone
    granted = np.array([option.incentive for option in options])
    return {
        "uplift": np.where(retention, 0.0, change),
        "margin": np.where(retention, 0.0, effects.stake),
        "kept": np.where(retention, -change, 0.0),
        "worth": np.where(retention, effects.stake, 0.0),
        "waived": effects.accepts * granted,
        "later": -effects.fatigue,
    }
