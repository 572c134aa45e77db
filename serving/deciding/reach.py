"""Whether every entry of the catalogue can win for somebody, on the customers of today.

An option wins where it is allowed and worth most, by the priors that the catalogue states; an offer or
a channel where one of its options does; a segment or a tier where it has customers. An entry that wins
for nobody is dead, and is named with the reason.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.home import Home
from features.selling.expressions import Facts
from features.selling.segments import segment_codes, tier_codes
from features.snapshots import read_snapshot
from features.vocabulary import Catalogue
from serving.batch import read_scores
from serving.champions import load_scorer
from serving.deciding.choice import best
from serving.deciding.worth import prior_effects, values
from serving.lists.small_groups import in_steps
from serving.lists.sources import profile_of
from serving.policy import Policy, allowed, policy_of, rules_of

__all__ = ["Entry", "Reach", "reach", "reach_of"]

_CHUNK = 50_000


@dataclass(frozen=True)
class Entry:
    """One entry with the customers for whom it is allowed, and those for whom it wins.

    allowed, wins
        None where they are too few to be told.
    why
        Why it wins for nobody; empty where it wins.
    """

    kind: Literal["offer", "channel", "option", "segment", "tier"]
    name: str
    allowed: int | None
    wins: int | None
    why: str

    def told(self, few: int) -> "Entry":
        """What may be told: counts in whole steps of `few`, and None of fewer, even of nobody."""
        allowed, wins = in_steps(self.allowed or 0, few), in_steps(self.wins or 0, few)
        if allowed is None:
            return replace(self, allowed=None, wins=None, why=f"fits fewer than {few}, or nobody")
        if wins is None and self.wins:
            return replace(self, allowed=allowed, wins=None, why=f"wins for fewer than {few}")
        return replace(self, allowed=allowed, wins=wins or 0)


@dataclass(frozen=True)
class Reach:
    """Every offer, channel, option, segment and tier of a catalogue, each kind in its order.

    customers
        How many were looked at.
    """

    customers: int
    entries: tuple[Entry, ...]

    @property
    def dead(self) -> tuple[Entry, ...]:
        """The entries that win for nobody, or for too few to be told."""
        return tuple(entry for entry in self.entries if not entry.wins)

    def told(self, few: int) -> "Reach":
        """What may be told of groups of at least `few` customers."""
        return replace(self, entries=tuple(entry.told(few) for entry in self.entries))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "dead": [entry.name for entry in self.dead]}


class _Judged(NamedTuple):
    """Of a block of n customers: codes of removing rules, whether an option's value is known and whether it
    is worth its cost, (n, options) each; the winning option; which segments fit, (n, segments); the
    segment; the tier.
    """

    codes: NDArray[np.uint8]
    known: NDArray[np.bool_]
    gains: NDArray[np.bool_]
    winner: NDArray[np.int64]
    fits: NDArray[np.bool_]
    segment: NDArray[np.int64]
    tier: NDArray[np.int64]


def reach(home: Home) -> Reach:
    """Look at everybody of the current snapshot, under the home's catalogue and policy.

    Raises
    ------
    NotReadyError
        If customers are not scored yet.
    """
    scorer = load_scorer(home)
    generation, scores = read_scores(home, scorer)
    snapshot = read_snapshot(home, generation.as_of)
    return reach_of(snapshot, scores, scorer.catalogue, policy_of(home, scorer.catalogue))


def reach_of(snapshot: pd.DataFrame, scores: pd.DataFrame, catalogue: Catalogue, policy: Policy) -> Reach:
    """Count for whom each entry is allowed and wins; pure.

    Parameters
    ----------
    snapshot, scores
        At least one customer each, the same in the same order.
    """
    starts = range(0, len(snapshot), _CHUNK)
    blocks = [
        _judge(snapshot[start : start + _CHUNK], scores[start : start + _CHUNK], catalogue, policy)
        for start in starts
    ]
    judged = _Judged(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))
    rules = rules_of(policy)
    whole = (
        *(
            _whole("offer", name, catalogue.stated.offer == n, judged)
            for n, name in enumerate(catalogue.offers)
        ),
        *(
            _whole("channel", name, catalogue.stated.channel == n, judged)
            for n, name in enumerate(catalogue.channels)
        ),
    )
    options = (_option(place, judged, catalogue, rules) for place in range(len(catalogue.options)))
    segments = (
        _group("segment", s.name, judged.fits[:, place], judged.segment == place)
        for place, s in enumerate(catalogue.segments)
    )
    tiers = (
        _group("tier", t.name, judged.tier == place, judged.tier == place)
        for place, t in enumerate(catalogue.tiers)
    )
    return Reach(len(snapshot), (*whole, *options, *segments, *tiers))


def _judge(snapshot: pd.DataFrame, scores: pd.DataFrame, catalogue: Catalogue, policy: Policy) -> _Judged:
    columns = profile_of(snapshot, scores, catalogue, policy)
    numbers = scores.select_dtypes("number")
    known = {str(name): numbers[name].to_numpy(dtype=np.float64) for name in numbers}
    removed = allowed(columns, catalogue, policy)
    found = values(prior_effects(known, catalogue, len(scores)), catalogue, policy)
    facts = Facts(columns)
    return _Judged(
        codes=removed.codes,
        known=~np.isnan(found),
        gains=found > 0.0,
        winner=best(found, removed.allowed),
        fits=np.array([s.where.holds(facts) for s in catalogue.segments]).T.reshape(len(scores), -1),
        segment=segment_codes(facts, catalogue),
        tier=tier_codes(known["value_expected"], catalogue),
    )


def _whole(
    kind: Literal["offer", "channel"], name: str, of_it: NDArray[np.bool_], judged: _Judged
) -> Entry:
    """An offer by any channel, or a channel with any offer; `of_it` (options,) are its options."""
    may = (judged.codes[:, of_it] == 0).any(axis=1)
    wins = np.isin(judged.winner, np.flatnonzero(of_it))
    none = "none of its options wins" if may.any() else "none of its options is allowed for anybody"
    return Entry(kind, name, int(may.sum()), int(wins.sum()), "" if wins.any() else none)


def _option(place: int, judged: _Judged, catalogue: Catalogue, rules: tuple[str, ...]) -> Entry:
    may = judged.codes[:, place] == 0
    wins, name = int((judged.winner == place).sum()), catalogue.options[place].name
    why = ""
    if not may.any():
        counts = np.bincount(judged.codes[:, place])
        why = f"removed for everybody, by {rules[counts.argmax()]} for most of them"
    elif not (may & judged.known[:, place]).any():
        stated = catalogue.stated
        why = f"{stated.scores[stated.score[place]]} is known of nobody who may have it"
    elif not wins and not (gains := may & judged.gains[:, place]).any():
        why = "costs more than it changes for everybody who may have it, by the catalogue's prior"
    elif not wins:
        rival = catalogue.options[np.bincount(judged.winner[gains]).argmax()].name
        why = f"where it is worth its cost, {rival} is worth more"
    return Entry("option", name, int(may.sum()), wins, why)


def _group(
    kind: Literal["segment", "tier"], name: str, fits: NDArray[np.bool_], has: NDArray[np.bool_]
) -> Entry:
    why = "" if has.any() else "earlier ones take all who fit" if fits.any() else "fits nobody"
    return Entry(kind, name, int(fits.sum()), int(has.sum()), why)
