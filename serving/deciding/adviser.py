"""Offers for customers who wait: decided as in lists and plans, logged, and only then told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from features.home import Home
from serving.deciding.consent import Consents
from serving.deciding.pacing import Pacer
from serving.deciding.round import LIVE, Advised, Answer, Asked, Desked, decide_for
from serving.deciding.standing import Standing
from serving.live import AT_ONCE, Live, Read, Seen
from serving.log.keeping import Append, Receive, appends, receives
from serving.log.outcomes import Outcome, Received
from serving.policy import Policy, policy_of
from serving.steps import Steps, Together, run

__all__ = ["LIVE", "Advice", "Adviser", "Answer", "adviser_of"]


@dataclass(frozen=True)
class Advice:
    """Answers in the order asked for, and the features that they came from, `seen` once a customer."""

    generation: str
    as_of: datetime
    answers: list[Answer]
    seen: tuple[Seen, ...] = ()


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
    consents
        Who has withdrawn consent since the features were taken; `live` goes by it.
    """

    live: Live
    home: Home
    policy: Policy
    prices: Standing
    salt: str
    append: Append
    receive: Receive
    consents: Consents

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
        self,
        customer_ids: Sequence[str],
        *,
        name: str,
        limit: int,
        with_reasons: bool,
        by: str = "",
        alone: bool = False,
    ) -> Steps[Advice]:
        """The same in steps of few customers, all read in the first; each waits for what it wrote.

        Within one question too, prices follow the spending.

        Parameters
        ----------
        by
            Who asks, as decisions record it.
        alone
            Without what others ask at the same moment, which else is decided in the same step: for who
            needs what was seen of these customers.
        """
        asked = Asked(tuple(dict.fromkeys(customer_ids)), name, limit, with_reasons, by)
        read = self.live.read(asked.ids) if len(asked.ids) > AT_ONCE else None
        found, looked = dict[str, Answer](), list[Seen]()
        for start in range(0, len(asked.ids), AT_ONCE):
            part = asked.part(start, start + AT_ONCE)
            if read is not None:
                if start:
                    yield None
                [advised] = self._advised([part], read, start)
            elif alone:
                [advised] = self.together([part])
            else:
                advised = yield Together(self.together, part, len(part.ids))
            for written in advised.written:
                yield written
                written.result()
            found |= advised.answers
            looked.append(advised.seen)
        return Advice(
            looked[0].generation, looked[0].as_of, [found[i] for i in customer_ids], tuple(looked)
        )

    def take(self, outcomes: Sequence[Outcome]) -> tuple[Received, ...]:
        """Record outcomes; who opted out is approached no more from the next answer on.

        Raises
        ------
        InputError, NotReadyError
            As `Writer.receive`.
        """
        told = self.receive(outcomes).result()
        self.consents.hear(
            one.customer_id
            for one, became in zip(outcomes, told, strict=True)
            if one.kind == "opted_out" and became.status in ("new", "known")
        )
        return told

    def together(self, questions: Sequence[Asked]) -> list[Advised]:
        """Decide for several questions at once; each gets what it would get alone."""
        return self._advised(questions, self.live.read([i for q in questions for i in q.ids]), 0)

    def _advised(self, questions: Sequence[Asked], read: Read, start: int) -> list[Advised]:
        """Decide for questions whose customers were read, from one place on."""
        seen = self.live.judge(read, start, start + sum(len(q.ids) for q in questions))
        now = self.live.clock() if self.live.clock else None
        desk = Desked(self.live.scorer, self.policy, self.prices, self.salt, self.append, now)
        return decide_for(questions, seen, desk)


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
    standing, consents = Standing(Pacer(home, catalogue, policy), home), Consents(home)
    written = append or appends(log), take or receives(log)
    return Adviser(replace(live, withdrawn=consents), home, policy, standing, salt, *written, consents)
