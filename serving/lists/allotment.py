"""The champion's customers as one allocation: what they may get, within which limits, at which prices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from features.errors import RefusedError
from features.vocabulary import Catalogue
from serving.allocation import Block, Fairness, Problem, allocate
from serving.allocation import Plan as Allocated
from serving.columns import words
from serving.deciding.decide import draw
from serving.lists.limits import managers_of, rows_of, spent_by
from serving.lists.listing import segments, tiers
from serving.lists.sources import Part, Sources, parts
from serving.policy import Plan

__all__ = ["Allotment", "Book", "Fair", "FairBy", "allot", "enter"]

FairBy = Literal["tier", "segment", "region"]
_BLOCK = 100_000


@dataclass(frozen=True)
class Fair:
    """No group of customers may get more than `delta` contacts a customer less than all others together.

    The rule is about the group that a plan without it leaves furthest behind.
    """

    by: FairBy
    delta: float


@dataclass(frozen=True)
class Book:
    """The customers whom the champion decides for without exploring, by id.

    values
        (n, options) float32, -inf where an option may not be offered.
    managers, groups
        Names of the relationship managers, and (n,) each customer's place among them, -1 for none.
    labels
        (n,), the group that a fairness rule goes by; None without one.
    spent
        (options,), see `serving.lists.limits.spent_by`.
    """

    values: NDArray[np.float32]
    managers: tuple[str, ...]
    groups: NDArray[np.int32]
    labels: NDArray[np.object_] | None
    spent: NDArray[np.float64]


@dataclass(frozen=True)
class Allotment:
    """A solved plan, and with a fairness rule the plan without it and the group that it is about."""

    problem: Problem
    plan: Allocated
    group: str = ""
    free: Allocated | None = None


def enter(sources: Sources, salt: str, fair: Fair | None) -> Book:
    """Read every customer once, and keep what an allocation needs."""
    catalogue = sources.catalogue
    values, named, labels = [], [], []
    accepted, count = np.zeros(len(catalogue.options)), np.zeros(len(catalogue.options))
    for part in parts(sources):
        lot = draw(part.ids, sources.policy, salt=salt, occasion=sources.as_of)
        offered, rows = part.weighed.offered, np.flatnonzero(lot.planned)
        may = offered > -np.inf
        accepted += np.where(may, part.effects.accepts, 0.0).sum(axis=0)
        count += may.sum(axis=0)
        values.append(offered[rows])
        named.append(np.array(words(part.columns, "manager_id"), dtype=object)[rows])
        if fair:
            labels.append(np.array(_labels(part, fair.by, catalogue), dtype=object)[rows])
    managers = np.concatenate(named)
    known = tuple(sorted(set(managers.tolist()) - {""}))
    place = {name: number for number, name in enumerate(known)}
    return Book(
        values=np.concatenate(values),
        managers=known,
        groups=np.array([place.get(name, -1) for name in managers.tolist()], dtype=np.int32),
        labels=np.concatenate(labels) if fair else None,
        spent=spent_by(catalogue, accepted / np.maximum(count, 1.0)),
    )


def allot(book: Book, plan: Plan, catalogue: Catalogue, fair: Fair | None) -> Allotment:
    """Solve for the best offers within the limits of a plan.

    Raises
    ------
    InputError
        If a fairness rule's delta is below 0.
    RefusedError
        If nobody may be offered anything, or minimum volumes cannot be met within the other limits.
    """
    if not (book.values > -np.inf).any():
        raise RefusedError("nobody may be offered anything; cure: `tenure lists check` says why")
    problem = _problem(book, plan, catalogue)
    found = allocate(problem)
    if fair is None or book.labels is None:
        return Allotment(problem, found)
    group = _behind(book.labels, (found.chosen >= 0).sum(axis=1))
    sides = np.where(book.labels == group, 1, 2).astype(np.int32)
    name = f"contacts of {fair.by} {group} beside all others"
    rule = Fairness(name, "contact a customer", fair.delta, "contacts")
    fairly = _problem(book, plan, catalogue, rule, sides)
    return Allotment(fairly, allocate(fairly), group, found)


def _problem(
    book: Book,
    plan: Plan,
    catalogue: Catalogue,
    fairness: Fairness | None = None,
    sides: NDArray[np.int32] | None = None,
) -> Problem:
    group = managers_of(plan, catalogue, book.managers)

    def blocks() -> Iterator[Block]:
        for start in range(0, len(book.values), _BLOCK):
            here = slice(start, start + _BLOCK)
            yield Block(
                values=book.values[here],
                groups=None if group is None else book.groups[here],
                sides=None if sides is None else sides[here],
            )

    offers = {name: code for code, name in enumerate(catalogue.offers)}
    return Problem(
        blocks=blocks,
        offers=np.array([offers[option.offer] for option in catalogue.options]),
        limits=rows_of(plan, catalogue, book.spent),
        group=group,
        fairness=fairness,
        k=plan.max_offers,
    )


def _labels(part: Part, by: FairBy, catalogue: Catalogue) -> Sequence[str]:
    if by == "region":
        return words(part.columns, "region")
    return tiers(part, catalogue) if by == "tier" else segments(part, catalogue)


def _behind(labels: NDArray[np.object_], contacts: NDArray[np.int64]) -> str:
    """The group with the fewest contacts a customer beside all others; the first by name where even."""
    total, size = contacts.sum(), len(labels)
    gaps: dict[str, float] = {}
    for name in sorted(set(labels.tolist())):
        here = labels == name
        own, inside = contacts[here].sum(), here.sum()
        gaps[name] = own / inside - (total - own) / max(size - inside, 1)
    return min(gaps, key=lambda name: gaps[name])
