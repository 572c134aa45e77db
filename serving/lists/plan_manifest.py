"""How a plan came about, for its manifest: limits and their use, prices in words, arms, and counts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from serving.allocation import words
from serving.deciding.prices import PlanPrices
from serving.lists.allotment import Allotment, Book, Fair
from serving.lists.export import ListRow
from serving.lists.limits import use_of
from serving.lists.small_groups import in_steps, told
from serving.lists.sources import Sources
from serving.lists.steering import demand
from serving.lists.tally import Tally
from serving.log.decisions import CONTROL

__all__ = ["AskedFor", "PlanManifest", "Use", "manifest_of", "prices_of"]


@dataclass(frozen=True)
class Use:
    """One limit: what the plan uses of it, what the other arms and exploration use beside, what the month
    until now used, its price."""

    row: str
    unit: str
    limit: float
    plan: float
    experiment: float
    before: float
    price: float


@dataclass(frozen=True)
class PlanManifest:
    """How a plan came about; money in major units of `currency`.

    rows, contacted, control
        Of the list: all, those to contact, and those of the universal control who are held out.
    arms
        What each arm does -> its customers, and how many of them are contacted.
    options
        Option -> contacts.
    removed
        Option -> rule -> customers, in steps; None for few.
    segments, tiers
        Customers to contact; None for groups that are too small to be told.
    value, bound, gap
        Of the champion's allocation: what it is worth, what no other exceeds, and the share between.
    expected_value
        Of all contacts.
    fairness
        What the rule goes by, what it allows, and the group that it is about; empty without one.
    """

    plan_id: str
    rows: int
    contacted: int
    control: int
    considered: int
    consent_withdrawn: int
    arms: Mapping[str, Mapping[str, int]]
    options: Mapping[str, int]
    removed: Mapping[str, Mapping[str, int | None]]
    segments: Mapping[str, int | None]
    tiers: Mapping[str, int | None]
    uses: Sequence[Use]
    manager_prices: Mapping[str, float]
    value: float
    bound: float
    gap: float
    expected_value: float
    fairness: Mapping[str, Any]
    words: Sequence[str]
    currency: str
    as_of: str
    feature_generation: str
    models: Mapping[str, str]
    catalogue: str
    policy: str
    purpose: str
    pulled_by: str
    pulled_at: str
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class AskedFor:
    """Why, by whom, when and with which fairness rule a plan was asked for; the hash of its list."""

    purpose: str
    pulled_by: str
    pulled_at: str
    fair: Fair | None
    sha256: str


def prices_of(plan_id: str, sources: Sources, book: Book, allotment: Allotment) -> PlanPrices:
    """The prices of a plan; those of a fairness rule are left out: it is a rule of the plan alone."""
    problem, plan = allotment.problem, allotment.plan
    rows, group = problem.limits, problem.group
    managers = zip(book.managers, plan.group_prices.tolist(), strict=True) if group else ()
    names, each = [row.name for row in rows], [plan.prices[row.name] for row in rows]
    signed = np.array([-p if row.at_least else p for row, p in zip(rows, each, strict=True)])
    beside = [use_of(row, allotment.experiment) for row in rows]
    uses = demand(book.values, problem, signed, np.array(beside))
    taken = plan.chosen[plan.chosen >= 0]
    contacts = np.bincount(taken, minlength=len(book.spent)) + allotment.experiment
    return PlanPrices(
        plan_id=plan_id,
        as_of=sources.as_of,
        feature_generation=sources.generation.name,
        catalogue=sources.catalogue.version,
        policy=sources.policy.version,
        models=sources.scorer.versions,
        options=tuple(option.name for option in sources.catalogue.options),
        prices=dict(zip(names, signed.tolist(), strict=True)),
        usage={row.name: np.asarray(row.usage, dtype=np.float64).tolist() for row in rows},
        group_prices=dict(managers),
        group_usage=[] if group is None else group.usage.tolist(),
        spent={row.name: plan.usage[row.name] + used for row, used in zip(rows, beside, strict=True)},
        limits={row.name: float(row.limit) for row in allotment.limits},
        value=plan.value,
        bound=plan.bound,
        gap=plan.gap,
        customers=book.customers,
        demand=dict(zip(names, uses.tolist(), strict=True)),
        contacts=contacts.tolist(),
        kept=allotment.kept.tolist(),
    )


def _uses(allotment: Allotment, prices: PlanPrices) -> tuple[Use, ...]:
    """Each limit with its use, in the order of the policy's file."""
    return tuple(
        Use(
            row=row.name,
            unit=row.unit,
            limit=float(row.limit),
            plan=allotment.plan.usage[row.name],
            experiment=use_of(row, allotment.experiment),
            before=use_of(row, allotment.before),
            price=prices.prices[row.name],
        )
        for row in allotment.limits
    )


def _in_words(allotment: Allotment, book: Book, currency: str) -> list[str]:
    """What the prices say, a sentence a limit; a manager's is told by name."""
    problem, plan = allotment.problem, allotment.plan
    fairness = problem.fairness
    freed = {fairness.name: allotment.free} if fairness and allotment.free else {}
    found = words(replace(problem, group=None), plan, currency, freed)
    if problem.group is not None:
        scarce = np.flatnonzero(plan.group_prices > 0.0)
        found.append(f"{len(scarce):,} of {len(book.managers):,} managers have no time left")
        if len(scarce):
            dearest = int(plan.group_prices.argmax())
            price, unit = plan.group_prices[dearest], problem.group.unit
            found[-1] += f"; one more {unit} of {book.managers[dearest]} is worth {price:,.2f} {currency}"
    return found


def manifest_of(
    sources: Sources,
    book: Book,
    allotment: Allotment,
    prices: PlanPrices,
    tally: Tally,
    rows: Sequence[ListRow],
    asked: AskedFor,
    few: int,
) -> PlanManifest:
    """The manifest of a plan whose decisions are made; groups of fewer than `few` are not counted."""
    listed, fair = [row for row in rows if row.arm != CONTROL], asked.fair
    arms = {
        arm: {"customers": count, "contacted": tally.contacted[arm]} for arm, count in tally.arms.items()
    }
    return PlanManifest(
        plan_id=prices.plan_id,
        rows=len(rows),
        contacted=len(listed),
        control=len(rows) - len(listed),
        considered=tally.considered,
        consent_withdrawn=len(sources.withdrawn.marketing | sources.withdrawn.profiling),
        arms=arms,
        options=dict(tally.options),
        removed={
            option: {rule: in_steps(count, few) for rule, count in counts.items() if count}
            for option, counts in tally.removed.items()
        },
        segments=told((row.segment for row in listed), few),
        tiers=told((row.tier for row in listed), few),
        uses=_uses(allotment, prices),
        manager_prices=prices.group_prices,
        value=prices.value,
        bound=prices.bound,
        gap=prices.gap,
        expected_value=sum(row.expected_value for row in listed),
        fairness={"group": allotment.group, **asdict(fair)} if fair else {},
        words=_in_words(allotment, book, sources.catalogue.currency),
        currency=sources.catalogue.currency,
        as_of=sources.as_of,
        feature_generation=sources.generation.name,
        models=sources.scorer.versions,
        catalogue=sources.catalogue.version,
        policy=sources.policy.version,
        purpose=asked.purpose,
        pulled_by=asked.pulled_by,
        pulled_at=asked.pulled_at,
        sha256=asked.sha256,
    )
