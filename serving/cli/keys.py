"""Verbs on the keys that let others ask the service."""

import sys

import click

from features.errors import InputError, NotReadyError
from features.home import Home
from serving.access.audit import audit
from serving.access.entry import check_start, is_local, without_keys
from serving.access.keys import CURE, MAX_DAYS, Key, add_key, read_keys, revoke_key
from serving.access.table import ROLES
from serving.cli.clock import now
from serving.cli.console import Shell, on_home, table_text, who

__all__ = ["first_key", "keys"]

_FIRST_DAYS = 30

_COLUMNS = ("id", "role", "name", "created", "expires", "state")


@click.group()
def keys() -> None:
    """The keys that let others ask the service: who, in which role, until when."""


@keys.command()
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option("--name", required=True, help="Who or what the key is for.")
@click.option("--expires", default="90d", show_default=True, help=f"Days it lives, up to {MAX_DAYS}d.")
@on_home
def add(shell: Shell, role: str, name: str, expires: str) -> None:
    """Make a key and print it, once: only its hash is kept."""
    days = expires.removesuffix("d")
    if not days.isascii() or not days.isdigit() or days == expires:
        raise InputError("--expires: not a number of days; cure: write it as 90d")
    key, token = add_key(shell.home, role, name, int(days), now())
    audit(shell.home, "issued", by=who(), key=key.id, role=role)
    shell.tell(f"key {key.id}, role {role}, until {key.expires:%Y-%m-%d}; it is shown only now")
    shell.result({**_told(key), "key": token}, token)


@keys.command(name="list")
@on_home
def list_(shell: Shell) -> None:
    """List every key with its role and state; never the keys themselves."""
    found = [_told(key) for key in _every(shell.home)]
    shell.result({"keys": found}, table_text(_COLUMNS, [tuple(told.values()) for told in found]))


@keys.command()
@click.argument("key_id", metavar="ID")
@on_home
def revoke(shell: Shell, key_id: str) -> None:
    """Revoke a key: running services refuse it from the next request on."""
    key = revoke_key(shell.home, key_id, now())
    audit(shell.home, "revoked", by=who(), key=key.id, role=key.role)
    shell.result(_told(key), f"key {key.id} ({key.role}) is revoked")


def first_key(shell: Shell, host: str) -> str | None:
    """What `serve` needs before it starts: a valid key. Somebody who tries it gets a first one.

    Only at a terminal of this machine, for what is printed elsewhere ends up in logs.

    Raises
    ------
    NotReadyError
        If there is no valid key, and none may be made here.
    ConfigError, CorruptError
        As `check_start` says.
    """
    token = None
    if without_keys(shell.settings):
        if not (shell.home.path.is_dir() and is_local(host) and sys.stdout.isatty()):
            raise NotReadyError(
                f"{shell.home.path}: nobody has a key yet; cure: {CURE}, or TENURE_ACCESS=off to try"
            )
        key, token = add_key(shell.home, "crm", "first key", _FIRST_DAYS, now())
        audit(shell.home, "issued", by=who(), key=key.id, role=key.role)
    check_start(shell.settings, host, now)
    return token


def _every(home: Home) -> list[Key]:
    path = home.keys
    return list(read_keys(path).values()) if path.exists() else []


def _told(key: Key) -> dict[str, str]:
    days = (f"{moment:%Y-%m-%d}" for moment in (key.created, key.expires))
    return dict(zip(_COLUMNS, (key.id, key.role, key.name, *days, key.state(now())), strict=True))
