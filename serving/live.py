"""Answers for single customers from the online store, by the same scorer as the batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from features.home import Home
from features.online import OnlineReader
from serving.champions import load_scorer
from serving.columns import take
from serving.explain import Reason
from serving.scoring import ABSTAIN, DEGRADED, OK, Scorer, Scores

__all__ = ["CustomerScores", "Live", "load_live"]


@dataclass(frozen=True)
class CustomerScores:
    """One customer's answer; `values` holds numbers only, what has none is absent."""

    customer_id: str
    status: str
    reasons: tuple[str, ...]
    values: dict[str, float]
    because: tuple[Reason, ...]


@dataclass(frozen=True)
class Live:
    """A scorer with the online store that feeds it; both are held for the service's life."""

    scorer: Scorer
    reader: OnlineReader

    @property
    def generation(self) -> str:
        """The feature generation that is online."""
        return self.reader.generation

    @property
    def as_of(self) -> datetime:
        """When the features of that generation were taken."""
        return self.reader.as_of

    def answer(self, customer_ids: Sequence[str], with_reasons: bool) -> list[CustomerScores]:
        """Scores in the order asked for; an id that repeats is answered each time.

        Unknown customers are answered with `abstain`; features older than the generation with
        `degraded`.
        """
        unique = list(dict.fromkeys(customer_ids))
        online = self.reader.read(unique)
        known = [row for row, found in enumerate(online.found) if found]
        answers = {i: CustomerScores(i, ABSTAIN, ("unknown_customer",), {}, ()) for i in unique}
        if known:
            columns = take(online.columns, known)
            scores = self.scorer.score(columns)
            because = self._because(columns, scores) if with_reasons else {}
            for row, source in enumerate(known):
                stale = (moment := online.as_of[source]) is not None and moment < self.as_of
                answers[unique[source]] = _one(unique[source], scores, row, stale, because.get(row, ()))
        return [answers[customer_id] for customer_id in customer_ids]

    def _because(self, columns: dict[str, list[Any]], scores: Scores) -> dict[int, tuple[Reason, ...]]:
        """Reasons for churn by row, of the rows that have a score: no model touches another."""
        rows = [row for row, status in enumerate(scores.status) if status == OK]
        return dict(zip(rows, self.scorer.because(take(columns, rows), "churn", "churn"), strict=True))


def load_live(home: Home) -> Live:
    """Load champions and online features, and answer once, so that no customer waits for that.

    Raises
    ------
    NotReadyError
        If a champion or the online features are missing.
    CorruptError
        If an artifact is not what was registered.
    """
    live = Live(load_scorer(home), OnlineReader(home))
    live.answer(["warm-up"], with_reasons=True)
    return live


def _one(
    customer_id: str, scores: Scores, row: int, stale: bool, because: tuple[Reason, ...]
) -> CustomerScores:
    status, reasons = scores.status[row], scores.reasons[row]
    if stale and status == OK:
        status, reasons = DEGRADED, (*reasons, "stale_features")
    values = {name: float(v[row]) for name, v in scores.values.items() if not np.isnan(v[row])}
    return CustomerScores(customer_id, status, reasons, values, because)
