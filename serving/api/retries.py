"""Answers to questions that may be sent again under the same key."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from serving.api.problems import Problem

__all__ = ["Retries", "name_of"]

_MAX_CHARACTERS = 50_000_000


class Retries:
    """Keeps the latest answers by key, up to a bounded size; used by one thread.

    What was dropped, or forgotten by a restart, is decided again under the same decision ids: the log
    takes it where it says the same, and refuses it where it does not.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._size = 0

    def once(self, key: str | None, question: str, make: Callable[[], str]) -> str:
        """The answer that was given before under this key, or a new one.

        Raises
        ------
        Problem
            409 if the key was used for another question.
        """
        if key is None:
            return make()
        if key in self._kept:
            before, answer = self._kept[key]
            if before != _digest(question):
                raise Problem(409, "this Idempotency-Key was used for another question; send a new one")
            return answer
        answer = make()
        self._kept[key] = _digest(question), answer
        self._size += len(answer)
        while self._size > _MAX_CHARACTERS:
            self._size -= len(self._kept.popitem(last=False)[1][1])
        return answer


def name_of(key: str | None, request_id: str) -> str:
    """What the decisions of a question are named by: by its key, so that a repeat names the same."""
    return request_id if key is None else _digest(key)[:26]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
