"""Read what Feast's Redis store holds: one generation, and unknown, missing and null told apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import redis

from features.errors import NotReadyError
from features.online.redis_rows import POINTER, Layout, connect, key_of, unreachable
from features.online.storage import Online, Part

__all__ = ["RedisSource"]

_SECONDS = 1.0
"""Longest wait for an answer: a customer is on the line."""


class RedisSource:
    """The current generation; pointer and rows are read in one transaction."""

    def __init__(self, url: str) -> None:
        self._client = connect(url, _SECONDS)
        self._pointer: bytes | None = None
        self._online: Online
        self._layouts: list[Layout]

    def current(self) -> Online:
        """The generation that is online; NotReadyError if there is none."""
        try:
            self._follow(self._client.get(POINTER))
        except redis.RedisError as error:
            raise unreachable(error) from error
        return self._online

    def fetch(self, customer_ids: Sequence[str]) -> tuple[Online, list[Part]]:
        """The rows of every view, in the order of the generation's views."""
        try:
            rows = self._rows(customer_ids)
        except redis.RedisError as error:
            raise unreachable(error) from error
        return self._online, [_part(layout, rows) for layout in self._layouts]

    def rows(self, customer_ids: Sequence[str]) -> None:
        """Redis costs more than to unpack what it has."""

    def _rows(self, customer_ids: Sequence[str]) -> list[Mapping[bytes, bytes]]:
        if self._pointer is None:
            self._follow(self._client.get(POINTER))
        while True:
            with self._client.pipeline(transaction=True) as pipe:
                pipe.get(POINTER)
                for customer_id in customer_ids:
                    pipe.hgetall(key_of(self._online.number, customer_id))
                answers: list[Any] = pipe.execute()
            if answers[0] == self._pointer:
                return answers[1:]
            self._follow(answers[0])

    def _follow(self, pointer: bytes | None) -> None:
        if pointer is None:
            raise NotReadyError(
                "TENURE_ONLINE: no online features yet; cure: run `tenure features materialize`"
            )
        if pointer != self._pointer:
            self._online = Online.from_json(pointer)
            self._layouts = [Layout(view) for view in self._online.views]
            self._pointer = pointer


def _part(layout: Layout, rows: Sequence[Mapping[bytes, bytes]]) -> Part:
    events = [layout.event_of(row) for row in rows]
    empty: list[Any] = [None] * len(layout.fields)
    values = [
        empty if event is None else layout.values(row) for event, row in zip(events, rows, strict=True)
    ]
    return Part(events, [list(column) for column in zip(*values, strict=True)])
