"""Offers for customers who wait: decided as in lists and plans, logged, and only then told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from features.home import Home
from features.selling.expressions import SCORES
from serving.columns import ruled, words
from serving.deciding.decide import decide, weigh
from serving.deciding.effects import effects_of
from serving.deciding.pacing import Pacer, Priced
from serving.deciding.room import live_within
from serving.deciding.standing import Standing
from serving.deciding.suggestions import Suggestion, explained, nothing_because, suggest
from serving.lists.sources import iso
from serving.live import AT_ONCE, Live, Seen
from serving.log.decisions import Decision
from serving.log.keeping import Append, Receive, appends, receives
from serving.log.records import Occasion, records, removed_of, window_of
from serving.policy import Policy, policy_of
from serving.scoring import ABSTAIN, DEGRADED, OK
from serving.steps import Steps, run

__all__ = ["LIVE", "Advice", "Adviser", "Answer", "adviser_of"]

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
class Advice:
    """Answers in the order asked for, and the features that they came from, `seen` once a customer."""

    generation: str
    as_of: datetime
    answers: list[Answer]
    seen: tuple[Seen, ...] = ()


class _Question(NamedTuple):
    """What the answers of one question have in common; `now` is None where time stands still."""

    name: str
    limit: int
    with_reasons: bool
    now: datetime | None
    by: str


@dataclass(frozen=True)
class Adviser:
    """Decides for customers who wait; held for as long as its models are in force.

    prices
        What options cost now.
    salt
        The secret behind the draws of arms and exploration.
    append
        Appends decisions to the log; what it gives is done when they are on disk.
    receive
        The same for outcomes, with what became of each; also before any decision was logged.
    """

    live: Live
    home: Home
    policy: Policy
    prices: Standing
    salt: str
    append: Append
    receive: Receive

    @property
    def local(self) -> bool:
        """Whether neither features nor the log are on another machine, which may keep one waiting."""
        return self.live.local and isinstance(self.home.decisions_db, Path)

    def answer(
        self, customer_ids: Sequence[str], *, name: str, limit: int = 1, with_reasons: bool = False
    ) -> list[Answer]:
        """One answer an id, in the order asked for; an id that repeats is decided once.

        Every decision, also to do nothing, is on disk when this returns. Where the prices are not
        those of a plan that still runs, the answer is `degraded` and says so: `no_plan`, `plan_over`.

        Parameters
        ----------
        name
            Of the question; with the customer's id it is the decision's.
        limit
            How many suggestions for each customer, at least 1.

        Raises
        ------
        RefusedError
            If a question of this name was decided otherwise before.
        CorruptError
            If the last plan's file is not a plan's.
        """
        steps = self.steps(customer_ids, name=name, limit=limit, with_reasons=with_reasons)
        return run(steps).answers

    def steps(
        self, customer_ids: Sequence[str], *, name: str, limit: int, with_reasons: bool, by: str = ""
    ) -> Steps[Advice]:
        """The same in steps of few customers, all read in the first; each waits for what it wrote.

        Within one question too, prices follow the spending. `by` is who asks, as decisions record it.
        """
        read, found, looked = self.live.read(customer_ids), dict[str, Answer](), list[Seen]()
        asked = _Question(name, limit, with_reasons, self.live.clock() if self.live.clock else None, by)
        start = 0
        while start < len(read.ids):
            if start:
                yield None
            priced, most = self.prices.take(asked.now, min(AT_ONCE, len(read.ids) - start))
            looked.append(seen := self.live.judge(read, start, start + most))
            found |= {i: Answer(i, one.status, one.reasons) for i, one in seen.answers.items()}
            rows = [row for row, i in enumerate(seen.known) if seen.answers[i].status != ABSTAIN]
            if rows:
                answers = yield from self._decided(seen, rows, priced, asked)
                found |= {one.customer_id: one for one in answers}
            start += most
        return Advice(read.generation, read.as_of, [found[i] for i in customer_ids], tuple(looked))

    def _decided(
        self, seen: Seen, rows: list[int], priced: Priced, asked: _Question
    ) -> Steps[list[Answer]]:
        ids, scorer = [seen.known[row] for row in rows], self.live.scorer
        columns, table = seen.of(rows)
        effects = effects_of(scorer, table)
        rules = ruled(columns, {score: table[:, scorer.places[score]] for score in SCORES})
        weighed = weigh(rules, effects, scorer.catalogue, self.policy)
        prices = priced.of(words(columns, "manager_id"))
        salt, occasion = self.salt, iso(seen.as_of)
        closed = np.where(priced.closed, np.inf, prices)
        decided = decide(ids, weighed, closed, self.policy, salt=salt, occasion=occasion)
        decided = live_within(
            decided, ids, priced.closed, priced.kept, self.policy, salt=salt, occasion=occasion
        )
        made = records(
            self._occasion(seen, priced, asked),
            [f"{asked.name}:{customer_id}" for customer_id in ids],
            ids,
            decided,
            effects,
            table[:, scorer.places["value_expected"]],
            scorer.catalogue,
            self.policy,
            [seen.features[row] for row in rows],
        )
        logged = self.append(made)
        # While the disk is busy.
        suggestions = [
            suggest(row, decided, effects, prices, scorer.catalogue, asked.limit) for row in range(len(ids))
        ]
        if asked.with_reasons:
            suggestions = explained(suggestions, scorer, columns)
        nothing = [nothing_because(row, decided, self.policy) for row in range(len(ids))]
        yield logged
        logged.result()
        return [
            _told(seen, decision, suggestions[row], nothing[row], priced)
            for row, decision in enumerate(made)
        ]

    def _occasion(self, seen: Seen, priced: Priced, asked: _Question) -> Occasion:
        return Occasion(
            campaign=LIVE,
            kind=LIVE,
            models=self.live.scorer.versions,
            feature_generation=seen.generation,
            prices=priced.plan_id,
            as_of=iso(seen.as_of),
            decided_at=iso(asked.now or seen.as_of),
            window_days=window_of(self.live.scorer.catalogue.options),
            asked_by=asked.by,
        )


def adviser_of(
    live: Live, home: Home, salt: str, append: Append | None = None, take: Receive | None = None
) -> Adviser:
    """An adviser with the home's policy, as it is now.

    Parameters
    ----------
    append, take
        `Adviser.append` and `Adviser.receive`; without them decisions and outcomes are written one
        question after the other.

    Raises
    ------
    ConfigError
        If the policy does not fit the catalogue.
    """
    catalogue = live.scorer.catalogue
    policy = policy_of(home, catalogue)
    log = home.decisions_db
    standing = Standing(Pacer(home, catalogue, policy), home)
    return Adviser(live, home, policy, standing, salt, append or appends(log), take or receives(log))


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
