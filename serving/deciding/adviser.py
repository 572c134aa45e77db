"""Offers for customers who wait: decided as in lists and plans, logged, and only then told."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.home import Home
from features.selling.expressions import SCORES
from serving.columns import take, words
from serving.deciding.decide import Decided, decide, weigh
from serving.deciding.effects import effects_of
from serving.deciding.pacing import Pacer, Priced
from serving.deciding.suggestions import Suggestion, explained, nothing_because, suggest
from serving.deciding.worth import Effects
from serving.lists.sources import iso
from serving.live import Live, Seen
from serving.log.decisions import Decision, record_decisions
from serving.log.records import Occasion, records
from serving.policy import Policy, policy_of
from serving.scoring import ABSTAIN, DEGRADED, OK

__all__ = ["LIVE", "Adviser", "Answer", "adviser_of"]

LIVE = "live"
"""The campaign of all live decisions, and their kind."""

_AT_ONCE = 100
"""Customers decided at the same prices: within one long question too, prices follow the spending."""


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
class Adviser:
    """Decides for customers who wait; held for the service's life.

    salt
        The secret behind the draws of arms and exploration.
    """

    live: Live
    home: Home
    policy: Policy
    pacer: Pacer
    salt: str

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
        unique, found = list(dict.fromkeys(customer_ids)), {}
        for start in range(0, len(unique), _AT_ONCE):
            seen = self.live.look(unique[start : start + _AT_ONCE])
            found.update({i: Answer(i, one.status, one.reasons) for i, one in seen.answers.items()})
            for one in self._decided(seen, name, limit, with_reasons):
                found[one.customer_id] = one
        return [found[customer_id] for customer_id in customer_ids]

    def _decided(self, seen: Seen, name: str, limit: int, with_reasons: bool) -> list[Answer]:
        rows = [row for row, i in enumerate(seen.known) if seen.answers[i].status != ABSTAIN]
        if not rows or seen.columns is None or seen.scores is None:
            return []
        ids, scorer = [seen.known[row] for row in rows], self.live.scorer
        scores = {score: values[rows] for score, values in seen.scores.values.items()}
        columns: dict[str, Any] = take(seen.columns, rows)
        effects = effects_of(scorer, columns, scores)
        rules = columns | {score: scores[score] for score in SCORES}
        weighed = weigh(rules, effects, scorer.catalogue, self.policy)
        now = self.live.clock() if self.live.clock else None
        priced = self.pacer.priced(now)
        prices = priced.of(words(columns, "manager_id"))
        decided = decide(
            ids,
            weighed,
            np.where(priced.closed, np.inf, prices),
            self.policy,
            salt=self.salt,
            occasion=iso(self.live.as_of),
        )
        weighing = (decided, effects, scores["value_expected"])
        made = self._records(seen, rows, weighing, priced, name)
        record_decisions(self.home.decisions_db, made)
        suggestions = [
            suggest(row, decided, effects, prices, scorer.catalogue, limit) for row in range(len(ids))
        ]
        if with_reasons:
            suggestions = explained(suggestions, scorer, columns)
        return [
            _told(seen, decision, suggestions[row], nothing_because(row, decided, self.policy), priced)
            for row, decision in enumerate(made)
        ]

    def _records(
        self,
        seen: Seen,
        rows: list[int],
        weighing: tuple[Decided, Effects, NDArray[np.float64]],
        priced: Priced,
        name: str,
    ) -> list[Decision]:
        decided, effects, worth = weighing
        live, now = self.live, self.live.clock() if self.live.clock else self.live.as_of
        ids = [seen.known[row] for row in rows]
        occasion = Occasion(
            campaign=LIVE,
            kind=LIVE,
            models=live.scorer.versions,
            feature_generation=live.generation,
            prices=priced.plan_id,
            as_of=iso(live.as_of),
            decided_at=iso(now),
        )
        return records(
            occasion,
            [f"{name}:{customer_id}" for customer_id in ids],
            ids,
            decided,
            effects,
            worth,
            live.scorer.catalogue,
            self.policy,
            [seen.features[row] for row in rows],
        )


def adviser_of(live: Live, home: Home, salt: str) -> Adviser:
    """An adviser with the home's policy, as it is now.

    Raises
    ------
    ConfigError
        If the policy does not fit the catalogue.
    """
    catalogue = live.scorer.catalogue
    policy = policy_of(home, catalogue)
    return Adviser(live, home, policy, Pacer(home, catalogue, policy, salt), salt)


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
        removed=json.loads(decision.removed),
    )
