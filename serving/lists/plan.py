"""Plan a month: the best offer for every customer within all limits, arms and exploration beside it."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.errors import InputError
from features.home import Home
from features.moments import iso
from features.settings import Settings
from features.vocabulary import Catalogue
from serving.deciding.choice import NOTHING, at_prices
from serving.deciding.decide import Decided, decide, draw
from serving.deciding.effects import of_rows
from serving.deciding.prices import PlanPrices, write_prices
from serving.deciding.room import room_draws, within
from serving.deciding.spending import Spending
from serving.lists.allotment import Fair, allot, enter
from serving.lists.export import ListRow, to_csv, write_list
from serving.lists.fresh import check_fresh
from serving.lists.listing import list_rows, served
from serving.lists.plan_manifest import AskedFor, PlanManifest, manifest_of, prices_of
from serving.lists.sources import Part, Sources, gather, parts
from serving.lists.tally import Tally
from serving.log.decisions import record_decisions
from serving.log.records import Occasion, records, window_of
from serving.policy import Policy

__all__ = ["MadePlan", "make_plan", "with_budgets"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class MadePlan:
    """A plan's rows by falling value, its manifest, and the file that holds them."""

    rows: tuple[ListRow, ...]
    manifest: PlanManifest
    file: Path


@dataclass(frozen=True)
class _Made:
    """One plan under way: the allocated options of the customers whom the champion plans for, (n, k)."""

    sources: Sources
    prices: PlanPrices
    chosen: NDArray[np.int16]
    occasion: Occasion
    salt: str


def make_plan(
    home: Home,
    out: Path | None,
    *,
    budgets: Mapping[str, float],
    fair: Fair | None,
    settings: Settings,
    purpose: str,
    pulled_by: str,
    now: datetime,
    tell: Callable[[str], None],
) -> MadePlan:
    """Decide for every customer of the current generation, record it, and write who is contacted.

    The limits bind everything together: what the month until now used (`serving.deciding.spending`, from
    the features' as_of on), what the other arms and exploration use, each of them within their share of
    every limit (`serving.deciding.room`), and what the champion plans, which gets all that is left.
    Consent is asked for again: who withdrew it since the features were built is left out. The same plan
    again, nothing used since, has the same id and rows, and records nothing new.

    Parameters
    ----------
    out
        A file, or a folder for `<plan id>.csv`, beside the copy in the home.
    budgets
        In major units, "total" or by channel; each instead of the policy's.

    Raises
    ------
    InputError
        If a budget is of no channel or below 0, or a fairness rule's delta is below 0.
    RefusedError
        If nobody may be offered anything, or minimum volumes cannot be met within the other limits.
    NotReadyError
        If customers are not scored yet, or a simulated bank has lived on since its features were built.
    """
    sources = gather(home)
    check_fresh(home, sources.generation.as_of, tell)
    sources = replace(sources, policy=with_budgets(sources.policy, budgets, sources.catalogue))
    policy, catalogue = sources.policy, sources.catalogue
    options = [option.name for option in catalogue.options]
    before = Spending(home, options).since(sources.as_of).contacts
    asked_for = (repr(sorted(policy.plan.budgets.items())), repr(fair), repr(before.tolist()))
    plan_id = sources.named("plan", *asked_for)
    book = enter(sources, settings.salt, fair)
    tell(f"{len(book.values):,} customers are planned for")
    allotment = allot(book, policy.plan, catalogue, fair, before)
    tell(f"certified gap {allotment.plan.gap:.4%}")
    prices = prices_of(plan_id, sources, book, allotment)
    occasion = _occasion(home, sources, plan_id, now)
    made, tally = _Made(sources, prices, allotment.plan.chosen, occasion, settings.salt), Tally()
    rows = _carried_out(home, made, tally, tell)
    write_prices(home, prices)
    content = to_csv(rows)
    asked = AskedFor(purpose, pulled_by, iso(now), fair, hashlib.sha256(content).hexdigest())
    manifest = manifest_of(sources, book, allotment, prices, tally, rows, asked, settings.min_group)
    kept = home.lists / f"{plan_id}.csv"
    file = kept if out is None else out / kept.name if out.is_dir() else out
    for path in dict.fromkeys((kept, file)):
        write_list(path, content, manifest.to_dict())
    return MadePlan(rows, manifest, file)


def with_budgets(policy: Policy, budgets: Mapping[str, float], catalogue: Catalogue) -> Policy:
    """The policy with some budgets of its plan instead of its own.

    Raises
    ------
    InputError
        If a budget is of no channel, or below 0.
    """
    known = ("total", *catalogue.channels)
    for name, amount in budgets.items():
        if name not in known:
            raise InputError(f"budget '{name}': unknown; cure: one of {', '.join(known)}")
        if not 0.0 <= amount < np.inf:
            raise InputError(f"budget '{name}': {amount} is no amount of money; cure: from 0 on")
    return replace(policy, plan=replace(policy.plan, budgets={**policy.plan.budgets, **budgets}))


def _occasion(home: Home, sources: Sources, plan_id: str, now: datetime) -> Occasion:
    return Occasion(
        campaign=plan_id,
        kind="plan",
        models=sources.scorer.versions,
        feature_generation=sources.generation.name,
        prices=plan_id,
        as_of=sources.as_of,
        # The present of a simulated bank is the end of its history.
        decided_at=sources.as_of if home.simulated else iso(now),
        window_days=window_of(sources.catalogue.options),
    )


def _carried_out(home: Home, made: _Made, tally: Tally, tell: Callable[[str], None]) -> tuple[ListRow, ...]:
    """Record every decision; gives the contacts and who is held out from one, by falling value."""
    listed: list[ListRow] = []
    at = new = 0
    for part in parts(made.sources):
        for slot, (decided, rows) in enumerate(_decided(made, part, at)):
            found = _recorded(home, made, part, decided, rows, slot)
            new += found[0]
            listed += found[1]
            if slot == 0:
                tally.add(decided, made.sources.catalogue, made.sources.policy)
                at += int(decided.planned.sum())
            else:
                tally.add_contacts(decided, rows, made.sources.catalogue, made.sources.policy)
        tell(f"{tally.considered:,} customers decided for, {new:,} decisions new")
    ordered = sorted(listed, key=lambda row: (-row.expected_value, row.customer_id, row.rank))
    return tuple(replace(row, rank=place) for place, row in enumerate(ordered, 1))


def _decided(made: _Made, part: Part, at: int) -> Iterator[tuple[Decided, Ints]]:
    """Decisions about a part, one slot after the other, and the rows of the part that a slot is about.

    Whoever is not planned for is counted with what the champion would do at the plan's prices. Only
    those planned for may get more than one offer, the one worth most first.
    """
    policy, weighed = made.sources.policy, part.weighed
    charged = made.prices.of(served(part, made.sources.catalogue))
    lot = draw(part.ids, policy, salt=made.salt, occasion=made.sources.as_of)
    draws = room_draws(part.ids, salt=made.salt, occasion=made.sources.as_of)
    room = draws[:, None] < np.asarray(made.prices.kept)
    planned = np.flatnonzero(lot.planned)
    taken = made.chosen[at : at + len(planned)].astype(np.int64)
    net = (weighed.values - charged)[planned[:, None], taken]
    order = np.argsort(np.where(taken >= 0, -net, np.inf), axis=1, kind="stable")
    taken = np.take_along_axis(taken, order, axis=1)
    for slot in range(taken.shape[1]):
        choice = np.full(len(part.ids), NOTHING, dtype=np.int64)
        if slot == 0:
            choice = at_prices(weighed.values.astype(np.float64), weighed.removed.allowed, charged)
        choice[planned] = taken[:, slot]
        decided = decide(
            part.ids, weighed, charged, policy, salt=made.salt, occasion=made.sources.as_of, planned=choice
        )
        decided = within(decided, choice, room, policy)
        everybody = np.arange(len(part.ids))
        yield decided, everybody if slot == 0 else planned[taken[:, slot] >= 0]


def _recorded(
    home: Home, made: _Made, part: Part, decided: Decided, rows: Ints, slot: int
) -> tuple[int, list[ListRow]]:
    """How many decisions were new, and the rows of the list among them."""
    sources = made.sources
    ids = [part.ids[row] for row in rows.tolist()]
    suffix = f":{slot + 1}" if slot else ""
    said = records(
        made.occasion,
        [f"{made.occasion.campaign}:{who}{suffix}" for who in ids],
        ids,
        decided.of_rows(rows),
        of_rows(part.effects, rows),
        part.scores["value_expected"][rows],
        sources.catalogue,
        sources.policy,
    )
    new = record_decisions(home.decisions_db, said)
    contacts = [place for place, one in enumerate(said) if one.option]
    where, told_of = rows[contacts].tolist(), [said[place] for place in contacts]
    return new, [replace(row, rank=slot) for row in list_rows(sources, part, where, told_of)]
