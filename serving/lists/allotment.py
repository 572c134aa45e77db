"""The champion's customers as one allocation: what they may get, within which limits, at which prices."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.errors import RefusedError, first_five
from features.vocabulary import Catalogue
from serving.allocation import Block, Fairness, Limit, Problem, allocate
from serving.allocation import Plan as Allocated
from serving.deciding.room import kept_of
from serving.lists.book import Book, Fair, enter
from serving.lists.limits import managers_of, rows_of, use_of
from serving.policy import Plan

__all__ = ["Allotment", "Book", "Fair", "allot", "enter"]

_BLOCK = 100_000


@dataclass(frozen=True)
class Allotment:
    """A solved plan, and with a fairness rule the plan without it and the group that it is about.

    problem
        Its limits are what experiments and the month until now leave of those of the policy.
    limits
        Those of the policy, in the same order.
    kept
        (options,), what experiments may use of each, see `serving.deciding.room`.
    experiment, before
        (options,), contacts of experiments, and of the month until now.
    """

    problem: Problem
    plan: Allocated
    limits: tuple[Limit, ...]
    kept: NDArray[np.float64]
    experiment: NDArray[np.int64]
    before: NDArray[np.int64]
    group: str = ""
    free: Allocated | None = None


@dataclass(frozen=True)
class _Beside:
    """What is used beside the champion's plan; `by_group` (managers + 1, options), the last for none."""

    limits: tuple[Limit, ...]
    kept: NDArray[np.float64]
    by_group: NDArray[np.int64]
    before: NDArray[np.int64]

    @property
    def experiment(self) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self.by_group.sum(axis=0)
        return found

    @property
    def left(self) -> tuple[Limit, ...]:
        """The limits less what is used."""
        contacts = self.experiment + self.before
        left = (max(row.limit - use_of(row, contacts), 0.0) for row in self.limits)
        return tuple(replace(row, limit=limit) for row, limit in zip(self.limits, left, strict=True))

    @property
    def words(self) -> str:
        """What is left of limits, where that is not all; empty where it is."""
        rows = zip(self.limits, self.left, strict=True)
        said = [f"{left.limit:,.2f} of '{row.name}'" for row, left in rows if left.limit < row.limit]
        return f" (experiments and the month until now leave {first_five(said)})" if said else ""


def allot(
    book: Book, plan: Plan, catalogue: Catalogue, fair: Fair | None, before: NDArray[np.int64] | None = None
) -> Allotment:
    """Solve for the best offers within what experiments and the month until now leave of a plan's limits.

    Parameters
    ----------
    before
        (options,), contacts of the month until now; none if not given. They are not told by manager, whose
        limits they leave alone.

    Raises
    ------
    InputError
        If a fairness rule's delta is below 0.
    RefusedError
        If nobody may be offered anything, or minimum volumes cannot be met within the other limits.
    """
    if not (book.values > -np.inf).any():
        raise RefusedError("nobody may be offered anything; cure: `tenure lists check` says why")
    beside = _beside(book, plan, catalogue, before)
    problem = _problem(book, plan, catalogue, beside)
    try:
        found = allocate(problem)
    except RefusedError as error:
        raise RefusedError(f"{error}{beside.words}") from None
    told = (beside.limits, beside.kept, beside.experiment, beside.before)
    if fair is None or book.labels is None:
        return Allotment(problem, found, *told)
    group = _behind(book.labels, _got(book, found, fair))
    sides = np.where(book.labels == group, 1, 2).astype(np.int32)
    name = f"{fair.of} of {fair.by} {group} beside all others"
    unit = catalogue.currency if fair.of == "benefit" else "contact"
    rule = Fairness(name, f"{unit} a customer", fair.delta, "value" if fair.of == "benefit" else fair.of)
    fairly = _problem(book, plan, catalogue, beside, rule, sides)
    return Allotment(fairly, allocate(fairly), *told, group, found)


def _problem(
    book: Book,
    plan: Plan,
    catalogue: Catalogue,
    beside: _Beside,
    fairness: Fairness | None = None,
    sides: NDArray[np.int32] | None = None,
) -> Problem:
    group = managers_of(plan, catalogue, book.teams)
    if group is not None:
        left = group.limits - beside.by_group[:-1] @ group.usage
        group = replace(group, limits=np.maximum(left, 0.0))

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
        limits=beside.left,
        group=group,
        fairness=fairness,
        k=plan.max_offers,
    )


def _beside(book: Book, plan: Plan, catalogue: Catalogue, before: NDArray[np.int64] | None) -> _Beside:
    trials, limits = book.trials, rows_of(plan, catalogue, book.spent)
    group, every = managers_of(plan, catalogue, book.teams), list(limits)
    if group is not None:
        every.append(Limit(group.name, group.unit, float(group.limits.sum()), group.usage))
    options = len(book.spent)
    kept = kept_of(every, trials.share, trials.options, trials.draws, options)
    made = trials.draws < kept[trials.options]
    by_group = np.zeros((len(book.managers) + 1, options), dtype=np.int64)
    np.add.at(by_group, (trials.groups[made], trials.options[made]), 1)
    return _Beside(limits, kept, by_group, np.zeros(options, np.int64) if before is None else before)


def _got(book: Book, found: Allocated, fair: Fair) -> NDArray[np.float64]:
    """What each customer gets of what a fairness rule is about, (n,)."""
    taken = found.chosen >= 0
    values = np.take_along_axis(book.values, np.maximum(found.chosen, 0).astype(np.int64), axis=1)
    each = values if fair.of == "benefit" else np.ones_like(values)
    got: NDArray[np.float64] = np.where(taken, each, 0.0).sum(axis=1, dtype=np.float64)
    return got


def _behind(labels: NDArray[np.object_], got: NDArray[np.float64]) -> str:
    """The group that gets least a customer beside all others; the first by name where even."""
    total, size = got.sum(), len(labels)
    gaps: dict[str, float] = {}
    for name in sorted(set(labels.tolist())):
        here = labels == name
        own, inside = got[here].sum(), here.sum()
        gaps[name] = own / inside - (total - own) / max(size - inside, 1)
    return min(gaps, key=lambda name: gaps[name])
