"""The access that the settings ask for, and what a service needs before it may start."""

from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address
from time import monotonic

from features.errors import ConfigError, NotReadyError
from features.home import Home
from features.settings import Settings
from serving.access.door import Door
from serving.access.guard import Access, Keyed, Local
from serving.access.keys import CURE, read_keys

__all__ = ["access_of", "check_start", "is_local", "without_keys"]


def access_of(settings: Settings, now: Callable[[], datetime], workers: int = 1) -> Access:
    """Keys and, where an identity provider is set, its tokens; or this machine alone, where switched off.

    Rates of the settings hold for all workers together; see `Limits`.

    Raises
    ------
    ConfigError
        If the provider's keys are not at the issuer.
    """
    if not settings.access:
        return Local()
    tokens = None
    if settings.oidc is not None:
        from serving.access.oidc import oidc_tokens  # cryptography loads where it is needed only

        tokens = oidc_tokens(settings.oidc, now, monotonic)
    door = Door(Home(settings.home), now, monotonic, tokens, workers)
    return Keyed(door, settings.rates, monotonic, workers)


def without_keys(settings: Settings) -> bool:
    """Whether keys are asked for, and none was ever made."""
    return settings.access and settings.oidc is None and not Home(settings.home).keys.exists()


def check_start(settings: Settings, host: str, now: Callable[[], datetime]) -> None:
    """Refuse a service that would be open to others, or to nobody.

    Raises
    ------
    ConfigError
        If access is switched off and the host is more than this machine, or a setting is wrong.
    NotReadyError
        If no key is valid.
    CorruptError
        If keys cannot be read.
    """
    if not settings.access and not is_local(host):
        raise ConfigError(
            f"TENURE_ACCESS=off answers this machine only, not {host}; cure: leave it out, and {CURE}"
        )
    access_of(settings, now).check()
    if settings.access and settings.oidc is None:
        keys = read_keys(Home(settings.home).keys).values()
        if not any(key.state(now()) == "valid" for key in keys):
            raise NotReadyError(f"{settings.home}: every key is expired or revoked; cure: {CURE}")


def is_local(host: str) -> bool:
    """Whether an address to listen at can be reached from this machine only.

    >>> is_local("127.0.0.1"), is_local("localhost"), is_local("0.0.0.0")
    (True, True, False)
    """
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
