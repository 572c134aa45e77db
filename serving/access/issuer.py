"""The public keys of a bank's identity provider, from a file or from the provider itself."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from features.errors import ConfigError, CorruptError, NotReadyError
from serving.access.watched import Watched

__all__ = ["ALGORITHMS", "FileKeys", "IssuerKeys", "PublicKeys", "keys_of"]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA")
"""With public keys only: neither `none` nor HS256, where a public key would be the secret."""

PublicKeys = dict[str, PyJWK]
_MAX_BYTES, _TIMEOUT_S, _AGAIN_S = 1_000_000, 5.0, 60.0


def keys_of(content: bytes) -> PublicKeys:
    """The signing keys of a JWKS document, by `kid`; those for encryption or with a secret are left out.

    Raises
    ------
    ValueError
        If it is no JWKS document, or holds no public key that signs.
    """
    try:
        found = [PyJWK.from_dict(row) for row in json.loads(content)["keys"] if _signs(row)]
    except (KeyError, TypeError, AttributeError, PyJWTError):
        raise ValueError("no JWKS document") from None
    keys = {key.key_id: key for key in found if key.key_id and key.algorithm_name in ALGORITHMS}
    if not keys:
        raise ValueError("no public key that signs")
    return keys


def _signs(row: Mapping[str, Any]) -> bool:
    return row.get("kty") in ("RSA", "EC", "OKP") and row.get("use", "sig") == "sig"


class FileKeys:
    """Public keys in a file, read again when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._watched = Watched(path, _read, "put the provider's JWKS document there")

    async def find(self, kid: str) -> PyJWK | None:
        """The key of this id, or None."""
        return self._watched.current().get(kid)


def _read(path: Path) -> PublicKeys:
    try:
        return keys_of(path.read_bytes())
    except ValueError as error:
        raise CorruptError(f"{path}: {error}; cure: put the provider's JWKS document there") from None


class IssuerKeys:
    """Public keys fetched from the issuer: at the first question, and where a key is not known yet.

    It is asked at most once a minute, whoever sends what; nothing else is ever fetched, and no
    redirection followed.

    Raises
    ------
    ConfigError
        If the address is not below the issuer's own scheme, host and port, or not https (http is
        taken for this machine only).
    """

    def __init__(self, url: str, issuer: str, tick: Callable[[], float]) -> None:
        if urlsplit(url)[:2] != urlsplit(issuer)[:2]:
            raise ConfigError(f"TENURE_OIDC_KEYS: '{url}' is not at the issuer; cure: its own host")
        host, scheme = urlsplit(url).hostname, urlsplit(url).scheme
        if scheme != "https" and not (scheme == "http" and host in ("127.0.0.1", "::1", "localhost")):
            raise ConfigError(f"TENURE_OIDC_KEYS: '{url}' is not https")
        self._url, self._tick = url, tick
        self._keys: PublicKeys = {}
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()

    async def find(self, kid: str) -> PyJWK | None:
        """The key of this id, or None.

        Raises
        ------
        NotReadyError
            If the issuer has never given its keys yet.
        """
        if kid not in self._keys:
            async with self._asking:
                if kid not in self._keys and self._may_ask():
                    self._asked_at = self._tick()
                    await asyncio.to_thread(self._fetch)
            if not self._keys:
                raise NotReadyError("the identity provider gave no keys; cure: check TENURE_OIDC_KEYS")
        return self._keys.get(kid)

    def _may_ask(self) -> bool:
        return self._asked_at is None or self._tick() - self._asked_at >= _AGAIN_S

    def _fetch(self) -> None:
        """Fetch; where that fails, what was known goes on to count."""
        request = Request(self._url, headers={"Accept": "application/json"})  # noqa: S310 - https, checked
        try:
            with build_opener(_NoRedirect).open(request, timeout=_TIMEOUT_S) as answer:
                self._keys = keys_of(answer.read(_MAX_BYTES))
        except (URLError, OSError, ValueError):
            return


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Never: a redirection would lead away from the issuer."""
