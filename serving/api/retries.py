"""Answers to questions that may be sent again under the same key."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Annotated, TypeVar

from fastapi import Header

from serving.api.problems import Problem
from serving.steps import Steps

__all__ = ["KEY_PATTERN", "IdempotencyKey", "Retries", "name_of"]

KEY_PATTERN = r"^[!-~]{1,128}$"

IdempotencyKey = Annotated[str | None, Header(pattern=KEY_PATTERN)]
"""The header of that name."""

_T = TypeVar("_T")

_MAX_CHARACTERS = 50_000_000


class Retries:
    """Keeps the latest answers by key, up to a bounded size.

    What was dropped, or forgotten by a restart, is decided again under the same decision ids: the log
    takes it where it says the same, and refuses it where it does not.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._size = 0
        self._making: dict[str, tuple[str, Future[None]]] = {}

    def once(
        self, key: str | None, question: Callable[[], str], make: Callable[[], Steps[str]]
    ) -> Steps[str]:
        """The answer that was given before under this key, or a new one; who asks meanwhile waits for it.

        Parameters
        ----------
        question
            Tells what is asked under the key.

        Raises
        ------
        Problem
            409 if the key was used for another question.
        """
        if key is None:
            return (yield from make())
        asked = _digest(question())
        while key in self._making:
            yield self._same(self._making[key], asked)
        if key in self._kept:
            return self._same(self._kept[key], asked)
        done: Future[None] = Future()
        self._making[key] = asked, done
        try:
            answer = yield from make()
        finally:
            del self._making[key]
            done.set_result(None)
        self._keep(key, asked, answer)
        return answer

    def _keep(self, key: str, asked: str, answer: str) -> None:
        self._kept[key] = asked, answer
        self._size += len(answer)
        while self._size > _MAX_CHARACTERS:
            self._size -= len(self._kept.popitem(last=False)[1][1])

    @staticmethod
    def _same(known: tuple[str, _T], asked: str) -> _T:
        before, found = known
        if before != asked:
            raise Problem(409, "this Idempotency-Key was used for another question; send a new one")
        return found


def name_of(key: str | None, request_id: str) -> str:
    """What the decisions of a question are named by: by its key, so that a repeat names the same."""
    return request_id if key is None else _digest(key)[:26]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
