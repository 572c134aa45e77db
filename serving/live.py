"""Answers for single customers from the online store, by the same scorer as the batch."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from features.errors import CorruptError, NotReadyError
from features.home import Home
from features.online import OnlineReader, OnlineRows
from serving.champions import load_scorer
from serving.columns import take
from serving.explain import Reason
from serving.scoring import ABSTAIN, DEGRADED, OK, SUPPRESSED, Scorer, Scores

__all__ = ["CustomerScores", "Live", "Seen", "load_live"]


@dataclass(frozen=True)
class CustomerScores:
    """One customer's answer; `values` holds numbers only, what has none is absent."""

    customer_id: str
    status: str
    reasons: tuple[str, ...]
    values: dict[str, float]
    because: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What the online store and the models say about some customers.

    answers
        By id, of everybody who was asked for.
    known
        Ids of those whom the store knows; `columns`, `scores` and `features` have one row for each.
    features
        JSON of the features as used, of rows that are not the generation's own: after a push, or where a
        view is stale or missing; "{}" of the others.
    """

    answers: dict[str, CustomerScores]
    known: tuple[str, ...] = ()
    columns: dict[str, list[Any]] | None = None
    scores: Scores | None = None
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Live:
    """A scorer with the online store that feeds it; both are held for the service's life.

    clock
        The moment against which features may be stale; None takes the generation's as_of, which is
        the present of a bank whose history ends there.
    """

    scorer: Scorer
    reader: OnlineReader
    clock: Callable[[], datetime] | None = None

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

        Unknown customers are answered with `abstain`. Where views are stale or missing the answer is
        `degraded`, names them (`stale:<view>`, `missing:<view>`) and rests on the others; where that
        leaves the consent unknown, and where the store cannot be read, it is `abstain` without numbers.
        """
        seen = self.look(customer_ids)
        answers = seen.answers
        if with_reasons and seen.columns is not None and seen.scores is not None:
            because = self._because(seen.columns, seen.scores)
            found = {seen.known[row]: reasons for row, reasons in because.items()}
            answers = {i: replace(one, because=found.get(i, ())) for i, one in answers.items()}
        return [answers[customer_id] for customer_id in customer_ids]

    def look(self, customer_ids: Sequence[str]) -> Seen:
        """Read and score each customer once."""
        unique = list(dict.fromkeys(customer_ids))
        try:
            online = self.reader.read(unique, self.clock() if self.clock else None)
        except (CorruptError, NotReadyError):
            return Seen({i: CustomerScores(i, ABSTAIN, ("features_unavailable",), {}) for i in unique})
        answers = {i: CustomerScores(i, ABSTAIN, ("unknown_customer",), {}) for i in unique}
        known = [row for row, found in enumerate(online.found) if found]
        if not known:
            return Seen(answers)
        columns = take(online.columns, known)
        scores = self.scorer.score(columns)
        for row, source in enumerate(known):
            one = _doubted(_one(unique[source], scores, row), online, source)
            answers[one.customer_id] = one
        features = tuple(
            _features(columns, row, online, source, self.as_of) for row, source in enumerate(known)
        )
        return Seen(answers, tuple(unique[source] for source in known), columns, scores, features)

    def _because(self, columns: dict[str, list[Any]], scores: Scores) -> dict[int, tuple[Reason, ...]]:
        """Reasons for churn by row, of the rows that have a score: no model touches another."""
        rows = [row for row, status in enumerate(scores.status) if status in (OK, DEGRADED)]
        return dict(zip(rows, self.scorer.because(take(columns, rows), "churn", "churn"), strict=True))


def load_live(home: Home, clock: Callable[[], datetime] | None = None, online: str = "") -> Live:
    """Load champions and online features, and answer once, so that no customer waits for that.

    Parameters
    ----------
    clock
        See `Live`.
    online
        Where the online features are: empty for the home's own file, or the URL of a Redis.

    Raises
    ------
    NotReadyError
        If a champion or the online features are missing.
    CorruptError
        If an artifact is not what was registered, or the online features cannot be read.
    """
    live = Live(load_scorer(home), OnlineReader(home, online), clock)
    live.answer(["warm-up"], with_reasons=True)
    return live


def _one(customer_id: str, scores: Scores, row: int) -> CustomerScores:
    values = {name: float(v[row]) for name, v in scores.values.items() if not np.isnan(v[row])}
    return CustomerScores(customer_id, scores.status[row], scores.reasons[row], values)


def _doubted(one: CustomerScores, online: OnlineRows, row: int) -> CustomerScores:
    """The answer with what is stale or missing under it; unchanged where nothing is."""
    stale = (f"stale:{view}" for view in online.stale[row])
    doubts = (*stale, *(f"missing:{view}" for view in online.missing[row]))
    if not doubts:
        return one
    if one.status == SUPPRESSED:
        if online.columns["consent_profiling"][row] is not None:
            return one
        return replace(one, status=ABSTAIN, reasons=("consent_unknown", *doubts))
    status = DEGRADED if one.status == OK else one.status
    # A view that is not there leaves every field of it missing: the view says so once.
    reasons = (reason for reason in one.reasons if not reason.startswith("unseen_missing:"))
    return replace(one, status=status, reasons=(*reasons, *doubts))


def _features(
    columns: dict[str, list[Any]], row: int, online: OnlineRows, source: int, as_of: datetime
) -> str:
    """The `Seen.features` of one customer."""
    if online.as_of[source] == as_of and not online.stale[source] and not online.missing[source]:
        return "{}"
    return json.dumps({name: values[row] for name, values in columns.items()}, separators=(",", ":"))
