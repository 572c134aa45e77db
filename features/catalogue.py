"""Load `catalogue.toml` into a Catalogue, or say which key is wrong and how to cure it."""

import hashlib
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from features.errors import ConfigError
from features.vocabulary import CHANNELS, Catalogue, Channel, Product, Segment, Tier

__all__ = ["SUITABILITY", "load_catalogue", "shipped_catalogue"]

SUITABILITY = ("", "not_overdrawn", "has_reserve")
"""Names of the suitability tests that a product may ask for; the policy holds their meaning."""

_NUMBERS = ("balance_margin", "monthly_margin", "monthly_cost", "loss_rate", "takeup_margin")
_DEFAULTS: dict[str, Any] = {
    "min_age": 0,
    "max_age": 200,
    "requires": [],
    "suitable": "",
    **dict.fromkeys(_NUMBERS, 0.0),
}


def shipped_catalogue() -> bytes:
    """The catalogue file that a new bank starts from."""
    return files("features").joinpath("catalogue.toml").read_bytes()


def load_catalogue(path: Path) -> Catalogue:
    """Read and check one catalogue file.

    Raises
    ------
    ConfigError
        Naming file, key, cause and cure.
    """
    if not path.is_file():
        raise ConfigError(
            f"{path}: no catalogue here; cure: run `tenure import` or `tenure simulate` first"
        )
    raw = path.read_bytes()
    try:
        data = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    products = {
        name: _product(path, name, row, data["products"]) for name, row in data.get("products", {}).items()
    }
    currency = data.get("bank", {}).get("currency")
    if not isinstance(currency, str) or len(currency) != 3 or not products:
        raise ConfigError(f"{path}: needs [bank] with a three-letter currency, and at least one product")
    floor = data["bank"].get("attrition_floor")
    if not isinstance(floor, int | float) or floor <= 0:
        raise ConfigError(f"{path}: [bank] needs attrition_floor, a balance above 0")
    channels = {name: _channel(path, name, row) for name, row in data.get("channels", {}).items()}
    if not channels:
        raise ConfigError(f"{path}: needs at least one of [channels.{'|'.join(CHANNELS)}]")
    tiers = tuple(Tier(row["name"], float(row["min_value"])) for row in data.get("tiers", []))
    if not tiers or list(tiers) != sorted(tiers, key=lambda t: -t.min_value):
        raise ConfigError(f"{path}: needs [[tiers]] in falling order of min_value")
    segments = tuple(
        Segment(row["name"], row["kind"], row.get("min_age", 0), row.get("max_age", 200))
        for row in data.get("segments", [])
    )
    version = hashlib.sha256(raw).hexdigest()[:12]
    return Catalogue(version, currency, float(floor), products, channels, tiers, segments)


def _product(path: Path, name: str, row: Mapping[str, Any], all_names: Mapping[str, Any]) -> Product:
    where = f"{path}: product '{name}'"
    known = {"label", "offer", "offered", *_DEFAULTS}
    if unknown := sorted(set(row) - known):
        raise ConfigError(f"{where}: unknown key '{unknown[0]}'; known: {', '.join(sorted(known))}")
    if missing := sorted({"label", "offer", "offered"} - set(row)):
        raise ConfigError(f"{where}: key '{missing[0]}' is missing")
    full = {**_DEFAULTS, **row}
    for key in (*_NUMBERS, "min_age", "max_age"):
        if not isinstance(full[key], int | float) or isinstance(full[key], bool) or full[key] < 0:
            raise ConfigError(f"{where}: {key} must be a number of at least 0")
    for required in full["requires"]:
        if required not in all_names:
            raise ConfigError(
                f"{where} requires '{required}', which is not a product; known: {', '.join(all_names)}"
            )
    if full["suitable"] not in SUITABILITY:
        raise ConfigError(
            f"{where}: suitable = '{full['suitable']}' is unknown; known: {', '.join(SUITABILITY[1:])}"
        )
    return Product(name=name, **{**full, "requires": tuple(full["requires"])})


def _channel(path: Path, name: str, row: Mapping[str, Any]) -> Channel:
    if name not in CHANNELS:
        raise ConfigError(f"{path}: channel '{name}' is unknown; known: {', '.join(CHANNELS)}")
    cost = row.get("cost")
    if not isinstance(cost, int | float) or cost < 0:
        raise ConfigError(f"{path}: channel '{name}': cost must be a number of at least 0")
    return Channel(name, str(row.get("label", name)), float(cost))
