"""Answers in steps: two works in turn, and a question that is asked again while it is answered."""

from concurrent.futures import Future

import numpy as np
import pytest

from features.eligibility import eligibility, eligible
from features.home import Home
from features.selling.programs import Programs
from serving.api.problems import Problem
from serving.api.retries import Retries
from serving.columns import from_frame
from serving.steps import run, step


def test_steps_wait_for_what_they_yield_and_end_with_the_answer():
    def work():
        yield None
        written = Future()
        written.set_exception(OSError("full"))
        yield written
        return "failed" if written.exception() else "fine"

    assert run(work()) == "failed"
    steps = work()
    assert step(steps) == (False, None)
    assert not step(steps).over
    assert step(steps) == (True, "failed")


def test_who_asks_again_meanwhile_gets_the_same_answer_and_another_question_is_refused(tmp_path):
    home, retries, made = Home(tmp_path), Retries("/v1/offers"), []

    def make():
        made.append(1)
        yield None
        return "answer"

    first, again = (retries.once(home, "key", lambda: "question", make) for _ in range(2))
    assert not step(first).over
    awaited = step(again).found
    assert not awaited.done()
    with pytest.raises(Problem):
        step(retries.once(home, "key", lambda: "another", make))
    assert step(first) == (True, "answer") and awaited.done()
    assert step(again) == (True, "answer") and made == [1]


def test_a_question_that_was_given_up_is_decided_anew_by_who_waits(tmp_path):
    home, retries = Home(tmp_path), Retries("/v1/offers")

    def make():
        yield None
        return "answer"

    first, again = (retries.once(home, "key", lambda: "question", make) for _ in range(2))
    step(first)
    awaited = step(again).found
    first.close()
    assert awaited.done()
    assert run(again) == "answer"


def test_several_products_at_once_are_barred_as_each_alone(scorer, frame):
    products = tuple(scorer.catalogue.products.values())
    columns = from_frame(frame)
    program = Programs([eligibility(product) for product in products])
    found = program.hold(program.matrix(columns, len(frame)))
    wanted = np.stack([eligible(columns, product) for product in products], axis=1)
    assert found.tolist() == wanted.tolist()
    assert 0 < found.sum() < found.size
