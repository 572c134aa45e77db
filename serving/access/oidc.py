"""Tokens of a bank's own identity provider (OpenID Connect): checked by PyJWT, the role from a claim."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import jwt
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from features.settings import Oidc
from serving.access.door import Principal
from serving.access.issuer import FileKeys, IssuerKeys
from serving.access.table import ROLES
from serving.api.problems import Problem

__all__ = ["OidcTokens", "oidc_tokens"]

_REQUIRED = ["exp", "iss", "aud", "sub"]
_KEPT, _KEPT_S = 1_000, 60.0


class _Finder(Protocol):
    async def find(self, kid: str) -> PyJWK | None: ...


class OidcTokens:
    """Tokens with a valid signature of a known key, for this audience, by this issuer, within their time.

    A checked token is kept for a minute, no longer than it lives, so that the signature of a
    busy one is not computed for every request; at most 1,000 are kept.

    Parameters
    ----------
    tick
        A clock in seconds that never goes back; time.monotonic.
    """

    def __init__(
        self, oidc: Oidc, keys: _Finder, now: Callable[[], datetime], tick: Callable[[], float]
    ) -> None:
        self._oidc, self._keys, self._now, self._tick = oidc, keys, now, tick
        self._kept: OrderedDict[bytes, tuple[Principal, float, float]] = OrderedDict()

    async def principal(self, token: bytes) -> Principal:
        """Who a token stands for.

        Raises
        ------
        Problem
            401 if it is not valid; 403 if its claim does not name exactly one role.
        NotReadyError, CorruptError
            If the provider's keys cannot be had.
        """
        digest = hashlib.sha256(token).digest()
        kept = self._kept.get(digest)
        if kept and self._tick() < kept[1] and self._now().timestamp() < kept[2]:
            return kept[0]
        claims = await self._claims(token)
        principal = Principal(f"oidc:{claims['sub']}", self._role(claims))
        self._kept[digest] = principal, self._tick() + _KEPT_S, float(claims["exp"])
        self._kept.move_to_end(digest)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return principal

    async def _claims(self, token: bytes) -> Mapping[str, Any]:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = await self._keys.find(kid) if isinstance(kid, str) else None
            if key is None:
                raise _invalid()
            # The algorithm is the key's, never the token's.
            return jwt.decode(
                *(token, key, [key.algorithm_name]),
                audience=self._oidc.audience,
                issuer=self._oidc.issuer,
                options={"require": _REQUIRED},
            )
        except (PyJWTError, ValueError, TypeError):
            raise _invalid() from None

    def _role(self, claims: Mapping[str, Any]) -> str:
        named = claims.get(self._oidc.claim)
        words = named if isinstance(named, list) else [named]
        roles = [role for role in ROLES if role in words]
        if len(roles) != 1:
            raise Problem(403, "the token does not name exactly one role")
        return roles[0]


def oidc_tokens(oidc: Oidc, now: Callable[[], datetime], tick: Callable[[], float]) -> OidcTokens:
    """Tokens as set up: the keys' file, or their address at the issuer."""
    remote = "://" in oidc.keys
    keys = IssuerKeys(oidc.keys, oidc.issuer, tick) if remote else FileKeys(Path(oidc.keys))
    return OidcTokens(oidc, keys, now, tick)


def _invalid() -> Problem:
    named = 'Bearer realm="tenure", error="invalid_token"'
    return Problem(401, "this token is not valid", headers={"WWW-Authenticate": named})
