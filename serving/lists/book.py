"""What a plan needs to know of every customer: read once, in blocks, and kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from features.vocabulary import Catalogue
from serving.columns import words
from serving.deciding.choice import NOTHING
from serving.deciding.decide import Decided, decide
from serving.deciding.room import experimental, room_draws
from serving.deciding.served import team_sizes
from serving.lists.limits import spent_by
from serving.lists.listing import segments, served, tiers
from serving.lists.sources import Part, Sources, parts

__all__ = ["Book", "Fair", "FairBy", "FairIn", "Trials", "enter"]

FairBy = Literal["tier", "segment", "region"]
FairIn = Literal["benefit", "contacts"]


@dataclass(frozen=True)
class Fair:
    """No group of customers may get more than `delta` a customer less than all others together.

    The rule is about the group that a plan without it leaves furthest behind.

    of
        What the group gets: `benefit`, the value of its offers in major units, or `contacts`.
    """

    by: FairBy
    delta: float
    of: FairIn = "benefit"


@dataclass(frozen=True)
class Trials:
    """What the arms beside the champion, and exploration, would do with all room there; one row a contact.

    share
        Of the customers who are experimented with.
    options, groups
        What would be done, and the place of the customer's manager, -1 for none.
    draws
        The customer's number for the room, see `serving.deciding.room`.
    """

    share: float
    options: NDArray[np.int64]
    groups: NDArray[np.int32]
    draws: NDArray[np.float64]


@dataclass(frozen=True)
class Book:
    """The customers whom the champion decides for without exploring, by id; the others as trials.

    values
        (n, options) float32, -inf where an option may not be offered.
    managers, teams, groups
        Names of the relationship managers, how many share the work of each, and (n,) each customer's place
        among them, -1 for none, see `serving.deciding.served`.
    labels
        (n,), the group that a fairness rule goes by; None without one.
    spent
        (options,), see `serving.lists.limits.spent_by`.
    customers
        How many there are, of all arms.
    """

    values: NDArray[np.float32]
    managers: tuple[str, ...]
    teams: tuple[int, ...]
    groups: NDArray[np.int32]
    labels: NDArray[np.object_] | None
    spent: NDArray[np.float64]
    customers: int
    trials: Trials


def enter(sources: Sources, salt: str, fair: Fair | None) -> Book:
    """Read every customer once, and keep what an allocation needs."""
    catalogue = sources.catalogue
    values, named, worth, labels, tried = [], [], [], [], []
    accepted, count = np.zeros(len(catalogue.options)), np.zeros(len(catalogue.options))
    customers = 0
    for part in parts(sources):
        beside, draws = _beside(part, sources, salt)
        offered, rows = part.weighed.offered, np.flatnonzero(beside.planned)
        may = offered > -np.inf
        accepted += np.where(may, part.effects.accepts, 0.0).sum(axis=0)
        count += may.sum(axis=0)
        customers += len(part.ids)
        values.append(offered[rows])
        value = part.scores["value_expected"]
        managers = np.array(served(part, catalogue), dtype=object)
        named.append(managers[rows])
        worth.append(value[rows])
        acts = beside.action != NOTHING
        tried.append((beside.action[acts], draws[acts], managers[acts]))
        if fair:
            labels.append(np.array(_labels(part, fair.by, catalogue), dtype=object)[rows])
    managers = np.concatenate(named)
    known = tuple(sorted(set(managers.tolist()) - {""}))
    options, draws, of = (np.concatenate(column) for column in zip(*tried, strict=True))
    return Book(
        values=np.concatenate(values),
        managers=known,
        teams=tuple(team_sizes(managers.tolist(), np.concatenate(worth), known, catalogue)),
        groups=_places(managers, known),
        labels=np.concatenate(labels) if fair else None,
        spent=spent_by(catalogue, accepted / np.maximum(count, 1.0)),
        customers=customers,
        trials=Trials(experimental(sources.policy), options, _places(of, known), draws),
    )


def _beside(part: Part, sources: Sources, salt: str) -> tuple[Decided, NDArray[np.float64]]:
    """What happens without the champion's plan, all room there, and the draws for that room."""
    nothing = np.full(len(part.ids), NOTHING, dtype=np.int64)
    said = {"salt": salt, "occasion": sources.as_of}
    free = np.zeros(len(sources.catalogue.options))
    found = decide(part.ids, part.weighed, free, sources.policy, planned=nothing, **said)
    return found, room_draws(part.ids, **said)


def _places(names: NDArray[np.object_], known: tuple[str, ...]) -> NDArray[np.int32]:
    """Each name's place among those known, -1 for none."""
    place = {name: number for number, name in enumerate(known)}
    return np.array([place.get(name, -1) for name in names.tolist()], dtype=np.int32)


def _labels(part: Part, by: FairBy, catalogue: Catalogue) -> Sequence[str]:
    if by == "region":
        return words(part.columns, "region")
    return tiers(part, catalogue) if by == "tier" else segments(part, catalogue)
