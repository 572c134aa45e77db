"""Keys: made once, kept as hashes in one file of the home, expiring and revocable.

A key is `tnr_<id>_<secret>`; the id is public, the secret 256 random bits. A slow hash with salt
(bcrypt, argon2) protects secrets that people choose and others can guess; nobody can try 2**256
secrets, so SHA-256 is as safe, and takes a microsecond a request instead of a tenth of a second.
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from features.errors import CorruptError, InputError
from features.home import Home, read_json, write_whole
from serving.access.table import ROLES

__all__ = ["CURE", "MAX_DAYS", "Key", "add_key", "hash_of", "parse", "read_keys", "revoke_key"]

MAX_DAYS = 366
CURE = "tenure keys add --role crm --name NAME"
_FORMAT = 1
_SHAPE = re.compile(rb"tnr_([0-9a-f]{12})_[0-9a-f]{64}")


@dataclass(frozen=True)
class Key:
    """What is kept of a key: never its secret. Moments are in UTC; `revoked` is None while it is not."""

    id: str
    sha256: str
    role: str
    name: str
    created: datetime
    expires: datetime
    revoked: datetime | None = None

    def state(self, now: datetime) -> str:
        """valid, expired or revoked."""
        if self.revoked is not None:
            return "revoked"
        return "valid" if now < self.expires else "expired"


def parse(token: bytes) -> str | None:
    """The id in a key, or None where it does not have the shape of one."""
    shaped = _SHAPE.fullmatch(token)
    return shaped[1].decode() if shaped else None


def hash_of(token: bytes) -> str:
    """What is kept of a key: the SHA-256 of all of it, in hexadecimal digits."""
    return hashlib.sha256(token).hexdigest()


def add_key(home: Home, role: str, name: str, days: int, now: datetime) -> tuple[Key, str]:
    """Make a key and keep its hash; returns it with its secret, which is nowhere else.

    Raises
    ------
    InputError
        If there is no such role, the name is empty, longer than 80 or not printable, or `days` is not
        from 1 to MAX_DAYS.
    """
    if role not in ROLES:
        raise InputError(f"no such role; cure: one of {', '.join(ROLES)}")
    if not 1 <= days <= MAX_DAYS:
        raise InputError(f"a key lives from 1 to {MAX_DAYS} days, not {days}")
    if not name.isprintable() or not name.strip() or len(name) > 80:
        raise InputError("the name of a key is 1 to 80 printable characters")
    with _changing(home) as keys:
        key_id = secrets.token_hex(6)
        token = f"tnr_{key_id}_{secrets.token_hex(32)}"
        key = Key(key_id, hash_of(token.encode()), role, name, now, now + timedelta(days=days))
        keys[key_id] = key
    return key, token


def revoke_key(home: Home, key_id: str, now: datetime) -> Key:
    """Revoke a key: running services refuse it from their next request on. Again changes nothing.

    Raises
    ------
    InputError
        If there is no such key.
    """
    with _changing(home) as keys:
        if key_id not in keys:
            raise InputError("no key has this id; cure: see `tenure keys list`")
        if keys[key_id].revoked is None:
            keys[key_id] = replace(keys[key_id], revoked=now)
        return keys[key_id]


def read_keys(path: Path) -> dict[str, Key]:
    """Every key by its id, expired and revoked ones too.

    Raises
    ------
    NotReadyError
        If no key was made yet.
    CorruptError
        If the file is not what was written.
    """
    content = read_json(path, CURE)
    try:
        if content["format"] != _FORMAT:
            raise ValueError(content["format"])
        keys = [_key(row) for row in content["keys"]]
        return {key.id: key for key in keys}
    except (KeyError, TypeError, ValueError, AttributeError):
        # From None: the text of such an error may quote the file.
        raise CorruptError(
            f"{path}: is not a file of keys; cure: put back a copy, or remove it and make new keys"
        ) from None


def _key(row: Mapping[str, Any]) -> Key:
    moments = {name: _moment(row[name]) for name in ("created", "expires")}
    revoked = None if row["revoked"] is None else _moment(row["revoked"])
    key = Key(**{**row, **moments, "revoked": revoked})
    shaped = re.fullmatch(r"[0-9a-f]{12}", key.id) and re.fullmatch(r"[0-9a-f]{64}", key.sha256)
    if not shaped or key.role not in ROLES:
        raise ValueError(key.id)
    return key


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)


@contextmanager
def _changing(home: Home) -> Iterator[dict[str, Key]]:
    """The keys, to be changed by one process at a time; written whole when the block ends well."""
    path = home.keys
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (path.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = read_keys(path) if path.exists() else {}
        yield keys
        content = {"format": _FORMAT, "keys": [asdict(key) for key in keys.values()]}
        with write_whole(path) as part:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as written:
                json.dump(content, written, indent=2, default=datetime.isoformat)
