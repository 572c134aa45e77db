"""Who asks: a key or a token becomes a principal, or a refusal."""

import hmac
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from features.errors import NotReadyError
from features.home import Home
from serving.access.keys import CURE, Key, hash_of, parse, read_keys
from serving.access.limits import Limits
from serving.access.watched import Watched
from serving.api.problems import Problem

__all__ = ["Door", "Principal", "Tokens"]

_LOG = logging.getLogger("tenure.access")
_WRONG_A_SECOND, _WRONG_AT_ONCE = 1 / 6, 10
"""Wrong secrets that one id is answered 401 for; further ones are 429."""


@dataclass(frozen=True)
class Principal:
    """Who asks, as logs and decisions may name it: an id and a role, never a key."""

    id: str
    role: str


class Tokens(Protocol):
    """Tokens of an identity provider."""

    async def principal(self, token: bytes) -> Principal:
        """Who a token stands for; raises Problem 401 or 403."""


class Door:
    """Knows keys by the home's file, and tokens where an identity provider is set.

    A right key always passes, however often others tried wrong secrets with its id: nobody can lock
    somebody else out. Only those who are wrong wait, and only ids that exist are counted one by one.

    Parameters
    ----------
    tick
        A clock in seconds that never goes back; time.monotonic.
    workers
        See `Limits`.
    """

    def __init__(
        self,
        home: Home,
        now: Callable[[], datetime],
        tick: Callable[[], float],
        tokens: Tokens | None = None,
        workers: int = 1,
    ) -> None:
        self._keys = Watched(home.keys, read_keys, CURE)
        self._now, self._tokens, self._wrong = now, tokens, Limits(tick, workers)

    def keys(self) -> dict[str, Key]:
        """Every key by its id, as the file says at this moment.

        Raises
        ------
        NotReadyError
            If there is neither a file of keys nor an identity provider.
        CorruptError
            If the file cannot be read: then nobody is let in.
        """
        try:
            return self._keys.current()
        except NotReadyError:
            if self._tokens is None:
                raise
            return {}

    async def who(self, authorization: list[bytes]) -> Principal:
        """Who asks, by the values of the header Authorization.

        Raises
        ------
        Problem
            401 if there is no valid key or token; 403 if a token names no role; 429 after many wrong ones.
        NotReadyError, CorruptError
            If keys cannot be read.
        """
        keys = self.keys()
        if not authorization:
            raise _refused("send a key: Authorization: Bearer tnr_...")
        scheme, _, token = authorization[0].partition(b" ")
        if len(authorization) > 1 or scheme.lower() != b"bearer":
            raise self._wrongly("", "the header Authorization is not one Bearer key")
        key_id = parse(token)
        if key_id is None and self._tokens is not None:
            try:
                return await self._tokens.principal(token)
            except Problem as problem:
                raise (self._wrongly("", problem.detail) if problem.status == 401 else problem) from None
        key = keys.get(key_id) if key_id else None
        # Compared in any case, so that an unknown id takes as long as a wrong secret.
        right = hmac.compare_digest(hash_of(token), key.sha256 if key else "0" * 64)
        if key is None or not right:
            raise self._wrongly(key.id if key else "", "this key is not valid")
        state = key.state(self._now())
        if state != "valid":
            self._note(key.id, state)
            raise _refused(f"this key is {state}; ask for a new one")
        return Principal(key.id, key.role)

    def _wrongly(self, key_id: str, detail: str) -> Problem:
        """A refusal that is counted, for one id or for all that do not exist."""
        try:
            self._tell(key_id, key_id, "wrong secret" if key_id else "no such key")
        except Problem as problem:
            return problem
        return _refused(detail)

    def _note(self, key_id: str, state: str) -> None:
        """Tell that a right secret was refused; who has it is answered the same however often."""
        with suppress(Problem):
            self._tell(f"{key_id} {state}", key_id, state)

    def _tell(self, bucket: str, key_id: str, why: str) -> None:
        """Log one refusal, behind a bucket, so that nobody can flood the log; raises Problem 429."""
        self._wrong.take(bucket, _WRONG_A_SECOND, _WRONG_AT_ONCE)
        _LOG.warning("refused", extra={"facts": {"key": key_id, "why": why}})


def _refused(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="tenure"'})
