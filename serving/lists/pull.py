"""Pull a target list: who gets one offer, why, on which channel, with a control group held back."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from features.errors import InputError, RefusedError
from features.home import Home
from features.moments import iso
from features.selling.offers import Offer
from features.settings import Settings
from serving.deciding.arms import assign, list_arm
from serving.deciding.choice import NOTHING
from serving.deciding.decide import Decided
from serving.deciding.effects import of_rows
from serving.deciding.prices import PlanPrices
from serving.lists.export import ListManifest, ListRow, to_csv, write_list
from serving.lists.fresh import check_fresh
from serving.lists.listing import list_rows, served
from serving.lists.selection import Candidates, Selection, candidates, select
from serving.lists.small_groups import folded
from serving.lists.sources import Part, Sources, gather, last_prices, parts
from serving.log.decisions import CONTROL, TARGET, Decision, record_decisions
from serving.log.records import Occasion, records, window_of

__all__ = ["PulledList", "pull"]


@dataclass(frozen=True)
class PulledList:
    """A list's rows by rank, and its manifest."""

    rows: tuple[ListRow, ...]
    manifest: ListManifest


@dataclass(frozen=True)
class _Asked:
    """One list: what of, for which offer, how long, at which prices; its id and the salt of its draws."""

    sources: Sources
    offer: Offer
    size: int
    prices: PlanPrices | None
    list_id: str
    salt: str

    @property
    def options(self) -> list[int]:
        """The places of the offer's options."""
        options = self.sources.catalogue.options
        return [place for place, option in enumerate(options) if option.offer == self.offer.name]


def pull(
    home: Home,
    product: str,
    size: int,
    out: Path,
    *,
    settings: Settings,
    purpose: str,
    pulled_by: str,
    now: datetime,
    tell: Callable[[str], None],
) -> PulledList:
    """Write the `size` customers for whom an offer of one product changes most, after prices.

    Decisions are recorded first, then the list is written into the home and to `out`, each with its
    manifest beside it. Pulling the same list again gives the same rows and records nothing new.

    Raises
    ------
    InputError
        If the catalogue does not offer the product, or size is below the smallest group.
    RefusedError
        If the propensity model does not answer for the product, or too few pass the rules.
    NotReadyError
        If customers are not scored yet, or a simulated bank has lived on since its features were built.
    """
    asked = _asked(home, product, size, settings)
    sources = asked.sources
    check_fresh(home, sources.generation.as_of, tell)
    selection = select(_candidates(asked, tell), size, sources.policy)
    if len(selection.chosen) < settings.min_group:
        raise RefusedError(
            f"fewer than {settings.min_group} customers are left for {product}, "
            f"{folded(selection.removed, settings.min_group)} are not; cure: choose another product"
        )
    # The present of a simulated bank is the end of its history.
    decided_at = sources.as_of if home.simulated else iso(now)
    occasion = Occasion(
        campaign=asked.list_id,
        kind="list",
        models=sources.scorer.versions,
        feature_generation=sources.generation.name,
        prices=asked.prices.plan_id if asked.prices else "",
        as_of=sources.as_of,
        decided_at=decided_at,
        window_days=window_of(sources.catalogue.options[place] for place in asked.options),
    )
    decisions, rows = _decided(asked, selection, occasion)
    content = to_csv(rows)
    removed = folded(selection.removed, settings.min_group)
    manifest = _manifest(asked, selection, removed, rows, content, (purpose, pulled_by, iso(now)))
    new = record_decisions(home.decisions_db, decisions)
    tell(f"list {manifest.list_id}: {len(rows):,} decisions, {new:,} of them new")
    for path in (home.lists / f"{manifest.list_id}.csv", out):
        write_list(path, content, manifest.to_dict())
    return PulledList(rows, manifest)


def _asked(home: Home, product: str, size: int, settings: Settings) -> _Asked:
    sources = gather(home)
    catalogue, scored = sources.catalogue, sources.scorer.products
    offered = [p.name for p in catalogue.offered]
    if product not in offered:
        raise InputError(f"product '{product}' is not offered; cure: one of {', '.join(offered)}")
    if size < settings.min_group:
        raise InputError(
            f"size {size}: a list has at least {settings.min_group} customers; cure: --size 500"
        )
    if product not in scored:
        raise RefusedError(
            f"the propensity champion does not answer for '{product}', only for {', '.join(scored)}; "
            "cure: train on a history with enough takers"
        )
    offer = catalogue.selling(product)
    if offer is None:
        raise InputError(f"product '{product}' has general offers only; cure: add a cross_sell offer of it")
    prices = last_prices(home, catalogue)
    list_id = sources.named(product, str(size), prices.plan_id if prices else "")
    return _Asked(sources, offer, size, prices, list_id, settings.salt)


def _candidates(asked: _Asked, tell: Callable[[str], None]) -> Iterator[Candidates]:
    policy, considered = asked.sources.policy, 0
    alone = np.array([arm.what == "universal_control" for arm in policy.arms])
    for part in parts(asked.sources):
        places = assign(asked.salt, policy.period, policy.arms, part.ids)
        yield candidates(part.ids, part.weighed, _charged(asked, part), asked.options, alone[places])
        considered += len(part.ids)
        tell(f"{considered:,} customers considered for {asked.offer.product}")


def _charged(asked: _Asked, part: Part) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    if asked.prices is None:
        return np.zeros(part.weighed.values.shape)
    return asked.prices.of(served(part, asked.sources.catalogue))


def _decided(
    asked: _Asked, selection: Selection, occasion: Occasion
) -> tuple[list[Decision], tuple[ListRow, ...]]:
    """The decisions of a list and its rows, by rank."""
    sources = asked.sources
    decisions: list[Decision] = []
    listed: list[ListRow] = []
    for part in parts(sources):
        rows = [row for row, who in enumerate(part.ids) if who in selection.chosen]
        made = _decisions(asked, selection, occasion, part, rows)
        decisions += made
        listed += list_rows(sources, part, rows, made)
    return sorted(decisions, key=lambda d: d.rank), tuple(sorted(listed, key=lambda row: row.rank))


def _decisions(
    asked: _Asked, selection: Selection, occasion: Occasion, part: Part, rows: list[int]
) -> list[Decision]:
    share, sources = asked.sources.policy.control_share, asked.sources
    here, ids = np.array(rows, dtype=np.int64), [part.ids[row] for row in rows]
    prices, weighed = _charged(asked, part)[here], part.weighed.of_rows(here)
    option = candidates(ids, weighed, prices, asked.options, np.zeros(len(rows), dtype=bool)).option
    held = np.array([list_arm(asked.salt, asked.list_id, who, share) == CONTROL for who in ids], dtype=bool)
    decided = Decided(
        weighed=weighed,
        arm=held.astype(np.uint8),
        planned=~held,
        option=option,
        action=np.where(held, NOTHING, option),
        probability=np.where(held, share, 1.0 - share),
        net=weighed.values - prices,
    )
    return records(
        occasion,
        [f"{asked.list_id}:{who}" for who in ids],
        ids,
        decided,
        of_rows(part.effects, here),
        part.scores["value_expected"][here],
        sources.catalogue,
        sources.policy,
        ranks=[selection.chosen[who] + 1 for who in ids],
        arms=[(TARGET, 1.0 - share), (CONTROL, share)],
    )


def _manifest(
    asked: _Asked,
    selection: Selection,
    removed: dict[str, int],
    rows: tuple[ListRow, ...],
    content: bytes,
    pulled: tuple[str, str, str],
) -> ListManifest:
    sources = asked.sources
    purpose, pulled_by, pulled_at = pulled
    arms = [row.arm for row in rows]
    return ListManifest(
        list_id=asked.list_id,
        product=asked.offer.product,
        offer=asked.offer.label,
        size=asked.size,
        rows=len(rows),
        target=arms.count(TARGET),
        control=arms.count(CONTROL),
        control_share=sources.policy.control_share,
        considered=len(rows) + selection.not_selected + sum(selection.removed.values()),
        removed=removed,
        not_selected=selection.not_selected,
        expected_value=sum(row.expected_value for row in rows if row.arm == TARGET),
        currency=sources.catalogue.currency,
        as_of=sources.as_of,
        feature_generation=sources.generation.name,
        models=sources.scorer.versions,
        catalogue=sources.catalogue.version,
        policy=sources.policy.version,
        prices=asked.prices.plan_id if asked.prices else "",
        purpose=purpose,
        pulled_by=pulled_by,
        pulled_at=pulled_at,
        sha256=hashlib.sha256(content).hexdigest(),
    )
