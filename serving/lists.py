"""Pull a target list: who, which offer, why, on which channel, with a control group held back."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import InputError, RefusedError
from features.home import Home
from features.settings import Settings
from features.snapshots import Generation, read_snapshot
from features.vocabulary import CUSTOMER_ID, Product
from serving.batch import read_scores
from serving.champions import load_scorer
from serving.columns import Columns, from_frame, take, words
from serving.decisions import CONTROL, TARGET, Decision, record_decisions
from serving.export import ListManifest, ListRow, to_csv, write_list
from serving.policy import Policy, policy_of
from serving.ranking import arm_of, segments, tiers
from serving.scoring import Scorer
from serving.selection import Selection, select

__all__ = ["PulledList", "pull"]

_PROFILE = {
    *(CUSTOMER_ID, "kind", "age_years", "preferred_channel", "manager_id"),
    *("consent_profiling", "consent_marketing", "balance_min_3m", "balance_total"),
    *("contacts_30d", "contacts_90d", "refusals_180d", "complaints_open"),
}


@dataclass(frozen=True)
class PulledList:
    """A list's rows by rank, and its manifest."""

    rows: tuple[ListRow, ...]
    manifest: ListManifest


@dataclass(frozen=True)
class _Sources:
    """Everything a list is made of; `snapshot` and `scores` have the same customers in the same order."""

    scorer: Scorer
    policy: Policy
    product: Product
    size: int
    generation: Generation
    snapshot: pd.DataFrame
    scores: pd.DataFrame

    @property
    def as_of(self) -> str:
        return _iso(self.generation.as_of)

    @property
    def list_id(self) -> str:
        """The same sources and size give the same id, and so the same arms."""
        parts = (
            *(self.product.name, str(self.size), self.generation.name, self.scorer.catalogue.version),
            *(self.policy.version, *sorted(self.scorer.versions.values())),
        )
        digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
        return f"{self.product.name}-{self.generation.as_of:%Y%m%d}-{digest[:8]}"

    def score(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return self.scores[name].to_numpy(dtype=np.float64)


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
    """Write the `size` customers with the highest expected value from an offer of one product.

    Decisions are recorded first, then the list is written into the home and to `out`, each with its
    manifest beside it. Pulling the same list again gives the same rows and records nothing new.

    Raises
    ------
    InputError
        If the catalogue does not offer the product, or size is below 1.
    RefusedError
        If the propensity model does not answer for the product, or nobody passes the rules.
    NotReadyError
        If customers are not scored yet.
    """
    sources = _gather(home, product, size)
    considered = len(sources.snapshot)
    tell(f"{considered:,} customers considered for {product}")
    profile = _profile(sources.snapshot)
    selection = select(
        profile,
        sources.score(f"propensity_{product}"),
        sources.product,
        sources.scorer.catalogue,
        sources.policy,
        size,
    )
    rows = _rows(sources, selection, profile, settings.salt)
    content = to_csv(rows)
    manifest = _manifest(sources, selection, rows, content, (purpose, pulled_by, _iso(now)))
    new = record_decisions(home.decisions_db, _decisions(sources, rows, manifest.pulled_at))
    tell(f"list {manifest.list_id}: {len(rows):,} decisions, {new:,} of them new")
    for path in (home.lists / f"{manifest.list_id}.csv", out):
        write_list(path, content, manifest)
    return PulledList(rows, manifest)


def _gather(home: Home, name: str, size: int) -> _Sources:
    scorer = load_scorer(home)
    offered = [p.name for p in scorer.catalogue.offered]
    if name not in offered:
        raise InputError(f"product '{name}' is not offered; cure: one of {', '.join(offered)}")
    if size < 1:
        raise InputError(f"size {size}: a list has at least one customer; cure: --size 500")
    if name not in scorer.products:
        raise RefusedError(
            f"the propensity champion does not answer for '{name}', only for "
            f"{', '.join(scorer.products)}; cure: train on a history with enough takers"
        )
    generation, scores = read_scores(home, scorer)
    snapshot = read_snapshot(home, generation.as_of)
    product = scorer.catalogue.products[name]
    return _Sources(scorer, policy_of(home), product, size, generation, snapshot, scores)


def _profile(snapshot: pd.DataFrame) -> dict[str, list[Any]]:
    """The columns that rules, channels and segments read."""
    names = [c for c in snapshot.columns if c in _PROFILE or str(c).startswith(("holds_", "used_"))]
    return from_frame(snapshot[names])


def _rows(sources: _Sources, selection: Selection, profile: Columns, salt: str) -> tuple[ListRow, ...]:
    offer, catalogue, list_id = sources.product, sources.scorer.catalogue, sources.list_id
    chosen = take(profile, selection.rows)
    reasons = sources.scorer.because(
        from_frame(sources.snapshot.iloc[selection.rows]), "propensity", offer.name
    )
    tier = tiers(sources.score("value_expected")[selection.rows], catalogue)
    segment, managers = segments(chosen, catalogue), words(chosen, "manager_id")
    probability = sources.score(f"propensity_{offer.name}")
    return tuple(
        ListRow(
            list_id=list_id,
            rank=place + 1,
            customer_id=customer_id,
            arm=arm_of(salt, list_id, customer_id, sources.policy.control_share),
            offer=offer.offer,
            product=offer.name,
            channel=selection.channels[row],
            probability=float(probability[row]),
            expected_value=float(selection.expected[row]),
            currency=catalogue.currency,
            reasons=tuple(reason.text for reason in reasons[place]),
            tier=tier[place],
            segment=segment[place],
            manager_id=managers[place],
            as_of=sources.as_of,
        )
        for place, (row, customer_id) in enumerate(
            zip(selection.rows, words(chosen, CUSTOMER_ID), strict=True)
        )
    )


def _manifest(
    sources: _Sources,
    selection: Selection,
    rows: tuple[ListRow, ...],
    content: bytes,
    pulled: tuple[str, str, str],
) -> ListManifest:
    purpose, pulled_by, pulled_at = pulled
    arms = [row.arm for row in rows]
    return ListManifest(
        list_id=sources.list_id,
        product=sources.product.name,
        offer=sources.product.offer,
        size=sources.size,
        rows=len(rows),
        target=arms.count(TARGET),
        control=arms.count(CONTROL),
        control_share=sources.policy.control_share,
        considered=len(sources.snapshot),
        removed=selection.removed,
        not_selected=selection.not_selected,
        expected_value=sum(row.expected_value for row in rows if row.arm == TARGET),
        currency=sources.scorer.catalogue.currency,
        as_of=sources.as_of,
        feature_generation=sources.generation.name,
        models=sources.scorer.versions,
        catalogue=sources.scorer.catalogue.version,
        policy=sources.policy.version,
        purpose=purpose,
        pulled_by=pulled_by,
        pulled_at=pulled_at,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _decisions(sources: _Sources, rows: tuple[ListRow, ...], decided_at: str) -> list[Decision]:
    share = sources.policy.control_share
    channels = sources.scorer.catalogue.channels
    return [
        Decision(
            decision_id=f"{row.list_id}:{row.customer_id}",
            list_id=row.list_id,
            customer_id=row.customer_id,
            rank=row.rank,
            arm=row.arm,
            arm_probability=share if row.arm == CONTROL else 1.0 - share,
            product=row.product,
            channel=row.channel,
            probability=row.probability,
            expected_value=row.expected_value,
            margin=sources.product.takeup_margin,
            contact_cost=channels[row.channel].cost,
            currency=row.currency,
            models=" ".join(sources.scorer.versions.values()),
            catalogue_version=sources.scorer.catalogue.version,
            policy_version=sources.policy.version,
            feature_generation=sources.generation.name,
            as_of=row.as_of,
            decided_at=decided_at,
        )
        for row in rows
    ]


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
