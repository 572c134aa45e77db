"""One round of live decisions: for the customers of one question, or of several that came together."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

import numpy as np

from features.errors import TenureError
from features.moments import iso
from features.selling.expressions import SCORES
from serving.columns import Columns, ruled, take, words
from serving.deciding.decide import Decided, decide, weigh
from serving.deciding.effects import effects_of
from serving.deciding.pacing import Priced
from serving.deciding.room import live_within
from serving.deciding.served import served_by
from serving.deciding.standing import Standing
from serving.deciding.suggestions import Suggestion, explained, nothing_because, suggest
from serving.deciding.worth import Effects
from serving.live import Seen
from serving.log.decisions import Decision
from serving.log.keeping import Append
from serving.log.records import Occasion, records, removed_of, window_of
from serving.policy import Policy
from serving.scoring import ABSTAIN, DEGRADED, OK, Scorer

__all__ = ["LIVE", "Advised", "Answer", "Asked", "Desked", "decide_for"]

LIVE = "live"
"""The campaign of all live decisions, and their kind."""


@dataclass(frozen=True)
class Answer:
    """What is decided for one customer; with status `abstain` nothing is, and the rest is empty.

    decision
        As logged.
    suggestions
        See `suggest`.
    nothing
        See `nothing_because`.
    removed
        Rule -> names of the options that it removed.
    """

    customer_id: str
    status: str
    reasons: tuple[str, ...]
    decision: Decision | None = None
    suggestions: tuple[Suggestion, ...] = ()
    nothing: str = ""
    removed: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """Some customers of one question, each once, and what their answers have in common.

    name
        Of the question; with the customer's id it is the decision's.
    by
        Who asks, as decisions record it.
    """

    ids: tuple[str, ...]
    name: str
    limit: int
    with_reasons: bool
    by: str

    def part(self, start: int, stop: int) -> "Asked":
        """The same question about some of the customers."""
        if start == 0 and stop >= len(self.ids):
            return self
        return replace(self, ids=self.ids[start:stop])


@dataclass(frozen=True)
class Advised:
    """The answers of one question by customer, and what is written of them.

    seen
        Of all who were decided for together.
    written
        Done, or failed, when the decisions are on disk.
    """

    answers: dict[str, Answer]
    seen: Seen
    written: list["Future[int]"]


class Desked(NamedTuple):
    """By what is decided, and where it is written; `now` is None where time stands still."""

    scorer: Scorer
    policy: Policy
    prices: Standing
    salt: str
    append: Append
    now: datetime | None


class _Row(NamedTuple):
    """A customer of a question: its place among the questions, and the row among those who are known."""

    question: int
    row: int


def decide_for(questions: Sequence[Asked], seen: Seen, desk: Desked) -> list[Advised]:
    """Decide for all customers of some questions; each is answered as if alone."""
    advised = [
        Advised({i: Answer(i, seen.answers[i].status, seen.answers[i].reasons) for i in q.ids}, seen, [])
        for q in questions
    ]
    place = {customer_id: row for row, customer_id in enumerate(seen.known)}
    rows = [
        _Row(nth, place[i])
        for nth, question in enumerate(questions)
        for i in question.ids
        if i in place and seen.answers[i].status != ABSTAIN
    ]
    while rows:
        priced, most = desk.prices.take(desk.now, len(rows))
        _decided(questions, rows[:most], seen, priced, desk, advised)
        rows = rows[most:]
    return advised


def _decided(
    questions: Sequence[Asked],
    rows: Sequence[_Row],
    seen: Seen,
    priced: Priced,
    desk: Desked,
    advised: Sequence[Advised],
) -> None:
    """Decide for as many as one state of the prices is for, and write it down."""
    asked, ids = [questions[one.question] for one in rows], [seen.known[one.row] for one in rows]
    scorer, policy = desk.scorer, desk.policy
    columns, table = seen.of([one.row for one in rows])
    effects = effects_of(scorer, table)
    rules = ruled(columns, {score: table[:, scorer.places[score]] for score in SCORES})
    weighed = weigh(rules, effects, scorer.catalogue, policy)
    value = table[:, scorer.places["value_expected"]]
    prices = priced.of(served_by(words(columns, "manager_id"), value, scorer.catalogue))
    salt, occasion = desk.salt, iso(seen.as_of)
    closed = np.where(priced.closed, np.inf, prices)
    decided = decide(ids, weighed, closed, policy, salt=salt, occasion=occasion)
    decided = live_within(decided, ids, priced.closed, priced.kept, policy, salt=salt, occasion=occasion)
    made = records(
        _occasion(seen, priced, desk),
        [f"{question.name}:{customer_id}" for question, customer_id in zip(asked, ids, strict=True)],
        ids,
        decided,
        effects,
        value,
        scorer.catalogue,
        policy,
        [seen.features[one.row] for one in rows],
        asked_by=[question.by for question in asked],
    )
    for nth, some in groupby(zip(rows, made, strict=True), key=lambda one: one[0].question):
        advised[nth].written.append(_written(desk.append, [decision for _, decision in some]))
    # While the disk is busy.
    told = _suggested(asked, decided, effects, prices, scorer, columns)
    for row, (one, decision) in enumerate(zip(rows, made, strict=True)):
        nothing = nothing_because(row, decided, policy)
        answer = _told(seen, decision, told[row], nothing, priced)
        advised[one.question].answers[decision.customer_id] = answer


def _written(append: Append, decisions: Sequence[Decision]) -> "Future[int]":
    """The writing of one question's decisions; where it fails at once, it fails for that question."""
    try:
        return append(decisions)
    except TenureError as error:
        failed: Future[int] = Future()
        failed.set_exception(error)
        return failed


def _suggested(
    asked: Sequence[Asked],
    decided: Decided,
    effects: Effects,
    prices: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    scorer: Scorer,
    columns: Columns,
) -> list[tuple[Suggestion, ...]]:
    """What is told to each, with reasons where they are asked for."""
    found = [
        suggest(row, decided, effects, prices, scorer.catalogue, question.limit)
        for row, question in enumerate(asked)
    ]
    why = [row for row, question in enumerate(asked) if question.with_reasons and found[row]]
    if why:
        reasoned = explained([found[row] for row in why], scorer, take(columns, why))
        for row, suggestions in zip(why, reasoned, strict=True):
            found[row] = suggestions
    return found


def _occasion(seen: Seen, priced: Priced, desk: Desked) -> Occasion:
    return Occasion(
        campaign=LIVE,
        kind=LIVE,
        models=desk.scorer.versions,
        feature_generation=seen.generation,
        prices=priced.plan_id,
        as_of=iso(seen.as_of),
        decided_at=iso(desk.now or seen.as_of),
        window_days=window_of(desk.scorer.catalogue.options),
    )


def _told(
    seen: Seen, decision: Decision, suggestions: tuple[Suggestion, ...], nothing: str, priced: Priced
) -> Answer:
    one = seen.answers[decision.customer_id]
    status = DEGRADED if priced.reasons and one.status == OK else one.status
    return Answer(
        customer_id=decision.customer_id,
        status=status,
        reasons=(*one.reasons, *priced.reasons),
        decision=decision,
        suggestions=suggestions,
        nothing=nothing,
        removed=removed_of(decision.removed),
    )
