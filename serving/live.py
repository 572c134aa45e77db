"""Answers for single customers from the online store, by the same scorer as the batch."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from features.errors import CorruptError, NotReadyError
from features.home import Home
from features.online import OnlineReader, OnlineRows
from serving.champions import load_scorer
from serving.columns import Columns, Floats, take
from serving.deciding.consent import Withdrawn
from serving.explain import Reason
from serving.scoring import ABSTAIN, DEGRADED, OK, SUPPRESSED, Scorer, Scores
from serving.steps import Steps, run

__all__ = ["AT_ONCE", "Answered", "CustomerScores", "Live", "Read", "Seen", "load_live"]

AT_ONCE = 100
"""Customers who are answered in one step."""


@dataclass(frozen=True)
class CustomerScores:
    """One customer's answer; `values` holds numbers only, what has none is absent."""

    customer_id: str
    status: str
    reasons: tuple[str, ...]
    values: dict[str, float]
    because: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Read:
    """Features of some customers, each once, read at one moment from one generation.

    rows
        In the order of the ids; None where the store cannot be read.
    changed
        Those who have withdrawn consent since then; the rows say so.
    """

    ids: tuple[str, ...]
    rows: OnlineRows | None
    generation: str
    as_of: datetime
    changed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Seen:
    """What the online store and the models say about some customers.

    generation, as_of
        Of the features.
    answers
        By id, of everybody who was asked for.
    known
        Ids of those whom the store knows; `columns`, `scores` and `features` have one row for each.
    features
        JSON of the features as used, of rows that are not the generation's own: after a push, or where a
        view is stale or missing; "{}" of the others.
    """

    generation: str
    as_of: datetime
    answers: dict[str, CustomerScores]
    known: tuple[str, ...] = ()
    columns: Columns | None = None
    scores: Scores | None = None
    features: tuple[str, ...] = ()

    def of(self, rows: Sequence[int]) -> tuple[Columns, Floats]:
        """Columns and the table of scores of some of those who are known."""
        if self.columns is None or self.scores is None:
            return {}, np.empty((0, 0))
        if len(rows) == len(self.known):
            return self.columns, self.scores.table
        return take(self.columns, rows), self.scores.table[rows]


@dataclass(frozen=True)
class Answered:
    """Scores of some customers in the order asked for, and what they came from."""

    scorer: Scorer
    generation: str
    as_of: datetime
    answers: list[CustomerScores]


@dataclass(frozen=True)
class Live:
    """A scorer with the online store that feeds it; both are held for the service's life.

    clock
        The moment against which features may be stale; None takes the generation's as_of, which is
        the present of a bank whose history ends there.
    withdrawn
        Who does not consent any more, whatever the online features say.
    """

    scorer: Scorer
    reader: OnlineReader
    clock: Callable[[], datetime] | None = None
    withdrawn: Callable[[], Withdrawn] = Withdrawn

    @property
    def local(self) -> bool:
        """Whether the online features are on this machine."""
        return self.reader.local

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
        return run(self.steps(customer_ids, with_reasons)).answers

    def steps(self, customer_ids: Sequence[str], with_reasons: bool) -> Steps[Answered]:
        """The same in steps of at most AT_ONCE customers, all read in the first."""
        read = self.read(customer_ids)
        answers: dict[str, CustomerScores] = {}
        for start in range(0, len(read.ids), AT_ONCE):
            if start:
                yield None
            seen = self.judge(read, start, start + AT_ONCE)
            answers |= self.explained(seen) if with_reasons else seen.answers
        told = [answers[customer_id] for customer_id in customer_ids]
        return Answered(self.scorer, read.generation, read.as_of, told)

    def look(self, customer_ids: Sequence[str]) -> Seen:
        """Read and score each customer once."""
        read = self.read(customer_ids)
        return self.judge(read, 0, len(read.ids))

    def read(self, customer_ids: Sequence[str]) -> Read:
        """Read the features of each customer once."""
        unique = tuple(dict.fromkeys(customer_ids))
        rows: OnlineRows | None = None
        with suppress(CorruptError, NotReadyError):
            rows = self.reader.read(unique, self.clock() if self.clock else None)
        changed = self.withdrawn().told(rows.columns, unique, rows.found) if rows else frozenset[str]()
        return Read(unique, rows, self.generation, self.as_of, changed)

    def judge(self, read: Read, start: int, stop: int) -> Seen:
        """Score the customers from one place to before another."""
        ids, online = read.ids[start:stop], read.rows
        why = "features_unavailable" if online is None else "unknown_customer"
        answers = {i: CustomerScores(i, ABSTAIN, (why,), {}) for i in ids}
        there = online.found[start:stop] if online else []
        known = [start + nth for nth, yes in enumerate(there) if yes]
        if online is None or not known:
            return Seen(read.generation, read.as_of, answers)
        columns = online.columns if len(known) == len(online.found) else take(online.columns, known)
        scores = self.scorer.score(columns)
        table = scores.table.tolist()
        for row, source in enumerate(known):
            values = {name: v for name, v in zip(scores.names, table[row], strict=True) if v == v}
            one = CustomerScores(read.ids[source], scores.status[row], scores.reasons[row], values)
            answers[one.customer_id] = _doubted(one, online, source)
        features = tuple(_features(columns, row, read, online, source) for row, source in enumerate(known))
        found = tuple(read.ids[source] for source in known)
        return Seen(read.generation, read.as_of, answers, found, columns, scores, features)

    def explained(self, seen: Seen) -> dict[str, CustomerScores]:
        """The answers by id, with reasons for churn."""
        if seen.columns is None or seen.scores is None:
            return seen.answers
        because = self._because(seen.columns, seen.scores)
        found = {seen.known[row]: reasons for row, reasons in because.items()}
        return {i: replace(one, because=found.get(i, ())) for i, one in seen.answers.items()}

    def _because(self, columns: Columns, scores: Scores) -> dict[int, tuple[Reason, ...]]:
        """Reasons for churn by row, of the rows that have a score: no model touches another."""
        rows = [row for row, status in enumerate(scores.status) if status in (OK, DEGRADED)]
        return dict(zip(rows, self.scorer.because(take(columns, rows), "churn", "churn"), strict=True))


def load_live(
    home: Home,
    clock: Callable[[], datetime] | None = None,
    online: str = "",
    *,
    rehearsed: bool = False,
) -> Live:
    """Load champions and online features, and answer once, so that no customer waits for that.

    Parameters
    ----------
    clock
        See `Live`.
    online
        Where the online features are: empty for the home's own file, or the URL of a Redis.
    rehearsed
        See `load_scorer`: for who must outlive a model that was written badly.

    Raises
    ------
    NotReadyError
        If a champion or the online features are missing.
    CorruptError
        If an artifact is not what was registered, or the online features cannot be read.
    """
    live = Live(load_scorer(home, rehearsed=rehearsed), OnlineReader(home, online), clock)
    live.answer(["warm-up"], with_reasons=True)
    return live


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


def _features(columns: Columns, row: int, read: Read, online: OnlineRows, source: int) -> str:
    """The `Seen.features` of one customer."""
    whole = not online.stale[source] and not online.missing[source]
    if whole and online.as_of[source] == read.as_of and read.ids[source] not in read.changed:
        return "{}"
    return json.dumps({name: values[row] for name, values in columns.items()}, separators=(",", ":"))
