"""Customers who were erased: a keyed hash of each, so that no source brings them back.

`<home>/erased/tombstones.json` holds no id. The key is the setting TENURE_SALT, which does not lie in the
home: who has the home alone cannot even ask whether somebody was erased.
"""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from features.errors import RefusedError
from features.home import Home, read_json, write_whole_json

__all__ = ["Tombstones"]

_CHECK = "these are tombstones"


@dataclass(frozen=True)
class Tombstones:
    """Keyed hash -> when, ISO 8601; `key` is the setting TENURE_SALT."""

    key: str
    at: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Home, key: str) -> "Tombstones":
        """Those of a home, none where nobody was erased.

        Raises
        ------
        RefusedError
            If they were written with another key: then nobody would be known.
        """
        path = _path(home)
        if not path.is_file():
            return cls(key)
        held = read_json(path, "bring the file back from a backup")
        if held["check"] != _hash(key, _CHECK):
            raise RefusedError(f"{path}: of another TENURE_SALT; cure: set it to what it was")
        return cls(key, held["at"])

    def __contains__(self, customer_id: str) -> bool:
        return bool(self.at) and _hash(self.key, customer_id) in self.at

    def among(self, customer_ids: Iterable[str]) -> frozenset[str]:
        """Which of some customers were erased."""
        return frozenset(who for who in customer_ids if who in self) if self.at else frozenset()

    def add(self, home: Home, customer_ids: Iterable[str], now: datetime) -> tuple[str, ...]:
        """Write those of some customers, durably; gives their hashes, in order."""
        hashes = tuple(_hash(self.key, who) for who in customer_ids)
        at = {**dict.fromkeys(hashes, now.isoformat()), **self.at}
        write_whole_json(_path(home), {"check": _hash(self.key, _CHECK), "at": at})
        return hashes


def _path(home: Home) -> Path:
    return home.erased / "tombstones.json"


def _hash(key: str, text: str) -> str:
    return hmac.digest(key.encode(), text.encode(), "sha256").hex()
