"""Questions that come at the same moment are decided in one round, each as if it had come alone."""

import asyncio
from dataclasses import asdict, replace
from typing import Any

import pytest

from features.errors import NotReadyError
from serving.api.deadline import Deadline
from serving.api.deciding import offers_text
from serving.api.decisions import OffersAnswer, OffersRequest
from serving.api.desk import Desk
from serving.api.rounds import Rounds
from serving.deciding.adviser import Adviser, adviser_of
from serving.live import Live
from serving.log.decisions import read_decisions
from serving.steps import Together, run

SALT = "pepper"


@pytest.fixture
def adviser(home: Any, scorer: Any, memory_reader: Any) -> Adviser:
    return adviser_of(Live(scorer, memory_reader()), home, SALT)


def _questions(ids: list[str]) -> list[OffersRequest]:
    """Of one customer and of several, of the same and of nobody, with and without reasons."""
    asked = [
        OffersRequest(customer_ids=[i], limit=1 + n % 3, reasons=n % 2 == 0) for n, i in enumerate(ids)
    ]
    return [
        *asked,
        OffersRequest(customer_ids=[*ids[3:8], ids[3], "nobody"], limit=2, reasons=True),
        OffersRequest(customer_ids=["nobody"]),
    ]


def test_a_round_says_and_logs_what_each_question_alone_does(adviser: Adviser, frame: Any) -> None:
    questions = _questions(frame["customer_id"].tolist()[:40])
    rounds: list[int] = []

    def counted(asked: Any) -> Any:
        rounds.append(len(asked))
        return Adviser.together(adviser, asked)

    # A frozen dataclass takes no attribute by assignment.
    object.__setattr__(adviser, "together", counted)

    async def crowd() -> list[str]:
        desk = Desk(lambda: adviser, max_waiting=len(questions))
        return await asyncio.gather(*(desk.answer(_asked(n, q)) for n, q in enumerate(questions)))

    def _asked(n: int, question: OffersRequest) -> Any:
        return lambda of: offers_text(of, f"Q{n}", question, lambda *_: None, by=f"key {n % 3}")

    together = asyncio.run(crowd())
    assert max(rounds) > 20, rounds
    home = adviser.home
    logged = {d.decision_id: asdict(d) for d in read_decisions(home.decisions_db, "live")}
    home.decisions_db.unlink()
    alone = [run(_asked(n, q)(adviser)) for n, q in enumerate(questions)]
    assert together == alone
    assert {d.decision_id: asdict(d) for d in read_decisions(home.decisions_db, "live")} == logged
    assert {d["asked_by"] for d in logged.values()} == {"key 0", "key 1", "key 2"}
    for text in together:
        OffersAnswer.model_validate_json(text)
    assert any('"because":[{' in text for text in together)


def test_a_round_takes_as_much_as_fits_and_another_advisers_questions_wait() -> None:
    done: list[tuple[str, list[int]]] = []

    class Work:
        def __init__(self, name: str) -> None:
            self.name = name

        def do(self, asked: list[int]) -> list[int]:
            done.append((self.name, asked))
            return [2 * one for one in asked]

    one, other = Work("one"), Work("other")

    async def ask() -> list[int]:
        rounds = Rounds(10)
        wanted = [Together(one.do, n, 4) for n in range(3)]
        wanted += [Together(other.do, 3, 4), Together(one.do, 4, 40), Together(one.do, 5, 1)]
        return await asyncio.gather(*(rounds.done(each) for each in wanted))

    assert asyncio.run(ask()) == [0, 2, 4, 6, 8, 10]
    assert done == [("one", [0, 1]), ("one", [2]), ("other", [3]), ("one", [4]), ("one", [5])]


def test_who_fails_fails_alone_and_who_gave_up_is_left_out() -> None:
    seen: list[list[str]] = []

    def work(asked: list[str]) -> list[str]:
        seen.append(asked)
        if "bad" in asked:
            raise NotReadyError("the store is gone")
        return [one.upper() for one in asked]

    async def ask() -> list[Any]:
        rounds = Rounds(100)
        tasks = [
            asyncio.create_task(rounds.done(Together(work, one, 1))) for one in ("a", "bad", "b", "gone")
        ]
        await asyncio.sleep(0)  # all have come
        tasks[-1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    a, bad, b, gone = asyncio.run(ask())
    assert (a, b) == ("A", "B")
    assert isinstance(bad, NotReadyError)
    assert isinstance(gone, asyncio.CancelledError)
    assert seen == [["a", "bad", "b"], ["a"], ["bad"], ["b"]]


def test_a_question_that_cannot_be_written_down_does_not_stop_the_others(
    adviser: Adviser, frame: Any
) -> None:
    ids = frame["customer_id"].tolist()[:6]

    def append(decisions: Any) -> Any:
        if decisions[0].customer_id == ids[2]:
            raise NotReadyError("too many wait")
        return adviser.append(decisions)

    strict = replace(adviser, append=append)

    async def crowd() -> list[Any]:
        desk = Desk(lambda: strict)

        def asked(i: str) -> Any:
            question = OffersRequest(customer_ids=[i])
            return lambda of: offers_text(of, f"Q{i}", question, lambda *_: None)

        return await asyncio.gather(*(desk.answer(asked(i)) for i in ids), return_exceptions=True)

    found = asyncio.run(crowd())
    assert [isinstance(one, NotReadyError) for one in found] == [i == ids[2] for i in ids]
    logged = {d.customer_id for d in read_decisions(adviser.home.decisions_db, "live")}
    assert logged == set(ids) - {ids[2]}


def test_a_deadline_is_an_error_of_its_own_and_other_cancellations_stay() -> None:
    async def late() -> str:
        try:
            with Deadline(0.0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"
        return "in time"

    async def cancelled() -> bool:
        async def patient() -> None:
            with Deadline(60.0):
                await asyncio.Event().wait()

        task = asyncio.create_task(patient())
        await asyncio.sleep(0)
        task.cancel()
        [found] = await asyncio.gather(task, return_exceptions=True)
        return isinstance(found, asyncio.CancelledError)

    async def early() -> str:
        with Deadline(0.0):
            pass
        await asyncio.sleep(0)
        return "in time"

    assert asyncio.run(late()) == "late"
    assert asyncio.run(cancelled())
    assert asyncio.run(early()) == "in time"
