"""What to tell about one customer: the option decided for, others should it be turned down, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.vocabulary import Catalogue
from serving.columns import Columns, take
from serving.deciding.choice import NOTHING, best
from serving.deciding.decide import Decided
from serving.deciding.worth import Basis, Effects
from serving.explain import Reason
from serving.policy import Policy
from serving.scoring import Scorer

__all__ = ["Suggestion", "explained", "nothing_because", "suggest"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Suggestion:
    """One option for one customer.

    place
        Of the option in the catalogue's order.
    chance, uplift
        P(what the offer is for | contacted), and by how much the contact changes it; None if not known.
    expected_value
        Incremental, after costs, in major units; None if not known, as of some options that are explored.
    price
        What the scarce things that it uses are worth elsewhere, in major units.
    basis
        Where the effect comes from: "prior" or "model".
    because
        Facts in words that may be told to the customer.
    """

    place: int
    chance: float | None
    uplift: float | None
    expected_value: float | None
    price: float
    basis: Basis
    because: tuple[Reason, ...] = ()


def suggest(
    row: int, decided: Decided, effects: Effects, prices: Floats, catalogue: Catalogue, limit: int
) -> tuple[Suggestion, ...]:
    """At most `limit` options for one row, the action first; none where the action is to do nothing.

    Only where the champion decided do others follow: the best option of each other offer by value after
    prices, as long as that is above zero.
    """
    action = int(decided.action[row])
    if action == NOTHING:
        return ()
    places = [action]
    if limit > 1 and decided.planned[row]:
        offers = [option.offer for option in catalogue.options]
        net = np.where(decided.weighed.removed.allowed[row], decided.net[row], np.nan)
        for place in np.argsort(-net, kind="stable").tolist():
            if net[place] > 0.0 and offers[place] not in {offers[taken] for taken in places}:
                places.append(place)
    return tuple(_suggestion(row, place, decided, effects, prices, catalogue) for place in places[:limit])


def nothing_because(row: int, decided: Decided, policy: Policy) -> str:
    """Why nothing is offered to one row, in a word; "" where something is.

    `held_out` (universal control), `all_removed` (by the rules), `drawn` (by chance, so that effects can
    be learned), `too_scarce` (an option gains, but less than what it uses is worth elsewhere),
    `nothing_gains` (no option is worth its costs).
    """
    what, may = policy.arms[int(decided.arm[row])].what, decided.weighed.removed.allowed[row]
    if decided.action[row] != NOTHING:
        return ""
    if what == "universal_control":
        return "held_out"
    if not may.any():
        return "all_removed"
    if what == "random_eligible" or (what == "champion" and not decided.planned[row]):
        return "drawn"
    values = decided.weighed.values[row : row + 1].astype(np.float64)
    gains = best(values, may[None, :])[0] != NOTHING
    return "too_scarce" if gains and what == "champion" else "nothing_gains"


def explained(
    suggestions: Sequence[tuple[Suggestion, ...]], scorer: Scorer, columns: Columns
) -> list[tuple[Suggestion, ...]]:
    """The suggestions of each row with reasons that may be told to the customer.

    A general offer has none: it is the same for everybody, and no model looks at who gets it.
    """
    options, found = scorer.catalogue.options, [list(row) for row in suggestions]
    asked: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row, some in enumerate(suggestions):
        for nth, one in enumerate(some):
            option = options[one.place]
            if option.kind == "retention":
                asked.setdefault(("churn", "churn"), []).append((row, nth))
            elif option.kind == "cross_sell" and option.product in scorer.products:
                asked.setdefault(("propensity", option.product), []).append((row, nth))
    for (model, head), places in asked.items():
        rows = take(columns, [row for row, _ in places])
        reasons = scorer.because(rows, model, head, audience="customer")
        for (row, nth), because in zip(places, reasons, strict=True):
            found[row][nth] = replace(found[row][nth], because=because)
    return [tuple(row) for row in found]


def _suggestion(
    row: int, place: int, decided: Decided, effects: Effects, prices: Floats, catalogue: Catalogue
) -> Suggestion:
    alone, contacted = effects.alone[row, place], effects.contacted[row, place]
    retention = catalogue.options[place].kind == "retention"
    return Suggestion(
        place=place,
        chance=_known(contacted),
        uplift=_known(alone - contacted if retention else contacted - alone),
        expected_value=_known(decided.weighed.values[row, place]),
        price=float(prices[row, place]),
        basis=effects.basis[place],
    )


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
