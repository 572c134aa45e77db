"""Answers to questions that may be sent again under the same key."""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import Annotated, TypeVar

from fastapi import Header

from features.home import Home
from serving.api.kept import Kept
from serving.api.problems import Problem
from serving.steps import Steps

__all__ = ["KEY_PATTERN", "IdempotencyKey", "Retries", "name_of"]

KEY_PATTERN = r"^[!-~]{1,128}$"

IdempotencyKey = Annotated[str | None, Header(pattern=KEY_PATTERN)]
"""The header of that name."""

_T = TypeVar("_T")


class Retries:
    """Keeps the latest answers of one route by key, for all workers of a bank and over their restarts.

    What was forgotten is decided again under the same decision ids: the log takes it where it says the
    same, and refuses it where it does not.
    """

    def __init__(self, route: str) -> None:
        self._route = route
        self._kept: dict[Home, Kept] = {}
        self._making: dict[str, tuple[str, Future[None]]] = {}

    def once(
        self, home: Home, key: str | None, question: Callable[[], str], make: Callable[[], Steps[str]]
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
        asked, name = _digest(question()), _digest(f"{self._route} {key}")
        while name in self._making:
            yield self._same(self._making[name], asked)
        kept = self._kept.setdefault(home, Kept(home.retries_db))
        if found := kept.find(name):
            return self._same(found, asked)
        done: Future[None] = Future()
        self._making[name] = asked, done
        try:
            answer = yield from make()
        finally:
            del self._making[name]
            done.set_result(None)
        return self._same(kept.keep(name, asked, answer), asked)

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
