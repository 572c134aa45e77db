"""Load `catalogue.toml` into a Catalogue, or say which key is wrong and how to cure it."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from features.errors import ConfigError
from features.selling.contradictions import satisfiable
from features.selling.entries import Entry, read_toml
from features.selling.expressions import SCORES, Expression, Term, term_of
from features.selling.parsing import parse_expression
from features.selling.read import read_channel, read_offer
from features.vocabulary import CHANNELS, SERVICES, Catalogue, Product, Segment, Tier

__all__ = ["load_catalogue", "shipped_catalogue", "terms_of"]

_SECTIONS = ("bank", "products", "offers", "channels", "tiers", "segments")
_NUMBERS = ("balance_margin", "monthly_margin", "monthly_cost", "loss_rate", "takeup_margin")
_MANAGERS = {"self_service": 0, "one_manager": 1, "team": 3}
_MOST_OPTIONS = 64


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
    data, version = read_toml(path, "run `tenure import` or `tenure simulate` first")
    whole = Entry.of(str(path), data, known=_SECTIONS)
    currency, floor, rate = _bank(path, whole)
    bare = Catalogue(version, currency, floor, rate, _products(path, whole), {}, (), (), {})
    terms = terms_of(bare)
    named = whole.table("channels").items()
    channels = {name: read_channel(f"{path}: channel '{name}'", name, row, terms) for name, row in named}
    if not channels:
        raise ConfigError(f"{path}: needs at least one of [channels.{'|'.join(CHANNELS)}]")
    sells = replace(
        bare, channels=channels, tiers=_tiers(path, whole), segments=_segments(path, whole, terms)
    )
    named = whole.table("offers").items()
    offers = {name: read_offer(f"{path}: offer '{name}'", name, row, sells, terms) for name, row in named}
    found = replace(sells, offers=offers)
    if len(found.options) > _MOST_OPTIONS:
        raise ConfigError(
            f"{path}: {len(found.options)} options (an offer by a channel), at most {_MOST_OPTIONS}; "
            "cure: name fewer `channels` in the offers"
        )
    return found


def terms_of(catalogue: Catalogue) -> dict[str, Term]:
    """Everything that an expression may name, or is refused with a reason: features and scores."""
    from features.families import all_families

    fields = (field for family in all_families(catalogue) for field in family.fields)
    return {field.name: term_of(field) for field in fields} | SCORES


def _bank(path: Path, whole: Entry) -> tuple[str, float, float]:
    """Currency, attrition floor and discount rate."""
    keys = ("currency", "attrition_floor", "discount_rate")
    entry = Entry.of(f"{path}: [bank]", whole.table("bank"), known=keys)
    currency, floor = entry.row.get("currency"), entry.row.get("attrition_floor")
    if not isinstance(currency, str) or len(currency) != 3:
        raise ConfigError(f"{entry.where} needs currency, a three-letter currency such as EUR")
    if not isinstance(floor, int | float) or isinstance(floor, bool) or not 0 < floor < 1e15:
        raise ConfigError(f"{entry.where} needs attrition_floor, a balance above 0")
    rate = entry.row.get("discount_rate")
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate < 1:
        raise ConfigError(f"{entry.where} needs discount_rate, a share a year from 0 to below 1")
    return currency, float(floor), float(rate)


def _products(path: Path, whole: Entry) -> dict[str, Product]:
    rows = whole.table("products")
    if not rows:
        raise ConfigError(f"{path}: needs at least one product; cure: add [products.current_account]")
    offers = [row for row in whole.table("offers").values() if isinstance(row, dict)]
    sold = {str(row.get("product")) for row in offers if row.get("kind") != "retention"}
    return {
        name: _product(f"{path}: product '{name}'", name, row, rows, name in sold)
        for name, row in rows.items()
    }


def _product(where: str, name: str, row: object, names: Mapping[str, Any], offered: bool) -> Product:
    known = (*_NUMBERS, "min_age", "max_age", "requires")
    entry = Entry.of(where, row, known=known, needed=("label",))
    youngest, oldest = entry.whole("min_age", 0, high=200), entry.whole("max_age", 200, high=200)
    if youngest > oldest:
        raise ConfigError(f"{where}: min_age {youngest} is above max_age {oldest}; cure: exchange them")
    return Product(
        name=name,
        label=entry.word("label"),
        offered=offered,
        **{key: entry.number(key, 0.0) for key in _NUMBERS},
        min_age=youngest,
        max_age=oldest,
        requires=entry.words("requires", (), names, "a product"),
    )


def _tiers(path: Path, whole: Entry) -> tuple[Tier, ...]:
    tiers = []
    for place, row in enumerate(whole.rows("tiers"), 1):
        entry = Entry.of(
            f"{path}: tier {place}", row, known=("managers",), needed=("name", "min_value", "service")
        )
        service = next(s for s in SERVICES if s == entry.word("service", among=SERVICES))
        managers = entry.whole("managers", _MANAGERS[service], high=20)
        if {"self_service": managers != 0, "one_manager": managers != 1, "team": managers < 2}[service]:
            raise ConfigError(
                f"{entry.where}: managers = {managers} does not fit service = '{service}'; cure: leave "
                "managers out, or give a team's size"
            )
        tiers.append(Tier(entry.word("name"), entry.number("min_value", low=-1e15), service, managers))
    values = [tier.min_value for tier in tiers]
    if not tiers or any(a <= b for a, b in pairwise(values)):
        raise ConfigError(f"{path}: needs [[tiers]] in falling order of min_value")
    return tuple(tiers)


def _segments(path: Path, whole: Entry, terms: Mapping[str, Term]) -> tuple[Segment, ...]:
    segments: dict[str, Segment] = {}
    for place, row in enumerate(whole.rows("segments"), 1):
        entry = Entry.of(f"{path}: segment {place}", row, known=(), needed=("name", "where"))
        name = entry.word("name")
        if name in segments:
            raise ConfigError(f"{entry.where}: '{name}' is there twice; cure: rename one")
        where: Expression = parse_expression(entry.word("where"), terms, f"{path}: segment '{name}': where")
        if not satisfiable(where):
            raise ConfigError(
                f"{path}: segment '{name}': where = '{where.text}' contradicts itself: true of nobody; "
                "cure: correct a bound"
            )
        segments[name] = Segment(name, where)
    return tuple(segments.values())
