"""Entries of a TOML file that a marketer edits: each value checked, each mistake named with its cure."""

import hashlib
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from features.errors import ConfigError

__all__ = ["Entry", "did_you_mean", "read_toml"]


def read_toml(path: Path, cure: str) -> tuple[dict[str, Any], str]:
    """The file's content, and the first twelve digits of its SHA-256.

    Raises
    ------
    ConfigError
        If there is no such file, or it is not valid TOML.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; cure: {cure}")
    raw = path.read_bytes()
    try:
        data = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    return data, hashlib.sha256(raw).hexdigest()[:12]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name that comes nearest, else the first twelve of them.

    >>> did_you_mean("aple", ["apple", "pear"])
    "did you mean 'apple'?"
    >>> did_you_mean("fax", ["apple", "pear"])
    'one of apple, pear'
    """
    names = list(known)
    if near := get_close_matches(name, names, 1):
        return f"did you mean '{near[0]}'?"
    return f"one of {', '.join(names[:12])}" if names else "there are none"


@dataclass(frozen=True)
class Entry:
    """One table of the file; `where` names the file and the table, and begins every message."""

    where: str
    row: Mapping[str, Any]

    @classmethod
    def of(cls, where: str, row: object, *, known: Iterable[str], needed: Iterable[str] = ()) -> "Entry":
        """Take a table whose keys are all known, and of which the needed ones are there.

        Raises
        ------
        ConfigError
            Like every method: naming file, key, cause and cure.
        """
        if not isinstance(row, dict):
            raise ConfigError(f"{where}: must be a table of keys; cure: key = value, a line each")
        names = (*needed, *known)
        if unknown := sorted(set(row) - set(names)):
            raise ConfigError(
                f"{where}: unknown key '{unknown[0]}'; known: {', '.join(names)}; cure: correct it"
            )
        if missing := [name for name in needed if name not in row]:
            raise ConfigError(f"{where}: key '{missing[0]}' is missing; cure: add it")
        return cls(where, row)

    def number(self, key: str, default: float | None = None, low: float = 0.0, high: float = 1e15) -> float:
        """A finite number from `low` to `high`."""
        value = self.row.get(key, default)
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not math.isfinite(value) or not low <= value <= high:
            span = f"at least {low:g}" if high >= 1e15 else f"{low:g} to {high:g}"
            raise ConfigError(f"{self.where}: {key} must be a number of {span}")
        return float(value)

    def whole(self, key: str, default: int | None = None, low: int = 0, high: int = 10**15) -> int:
        """A whole number from `low` to `high`."""
        value = self.number(key, default, low, high)
        if value != int(value):
            raise ConfigError(f"{self.where}: {key} must be a whole number")
        return int(value)

    def word(self, key: str, default: str | None = None, among: Iterable[str] | None = None) -> str:
        """A text; one of `among` where that is given, and never empty without a default."""
        value = self.row.get(key, default)
        if not isinstance(value, str) or (not value.strip() and default is None):
            raise ConfigError(f"{self.where}: {key} must be a text in quotes")
        if among is not None and value not in (known := list(among)):
            raise ConfigError(
                f"{self.where}: {key} = '{value}' is unknown; cure: {did_you_mean(value, known)}"
            )
        return value

    def words(self, key: str, default: Iterable[str], among: Iterable[str], what: str) -> tuple[str, ...]:
        """Different texts out of `among`; `what` says what each has to be, such as "a product"."""
        value, known = self.row.get(key, list(default)), list(among)
        if not isinstance(value, list) or len(set(map(str, value))) < len(value):
            raise ConfigError(f'{self.where}: {key} must be a list of different names, such as ["{key}"]')
        for name in value:
            if name not in known:
                raise ConfigError(
                    f"{self.where}: {key} names '{name}', which is not {what}; "
                    f"cure: {did_you_mean(str(name), known)}"
                )
        return tuple(value)

    def table(self, key: str) -> Mapping[str, Any]:
        """A table below this one, empty where there is none."""
        value = self.row.get(key, {})
        if not isinstance(value, dict):
            raise ConfigError(f"{self.where}: {key} must be a table of keys")
        return value

    def rows(self, key: str) -> list[Any]:
        """A list of tables, empty where there is none."""
        value = self.row.get(key, [])
        if not isinstance(value, list):
            raise ConfigError(f"{self.where}: {key} must be a list of tables; cure: write [[{key}]]")
        return value
