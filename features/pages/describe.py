"""The page of features: what each one means, and what the customers of today show of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from features.catalogue import load_catalogue
from features.families import all_families
from features.families.base import Family, Field
from features.generations import current_generation, snapshot_path
from features.history.contract import BY_NAME
from features.history.engine import engine, literal
from features.home import Home
from features.pages.distributions import FEWEST, Distribution, distributions
from features.pages.render import render
from features.settings import Settings

__all__ = ["Freshness", "features_page", "freshness", "in_unit"]


@dataclass(frozen=True)
class Freshness:
    """How old the newest row of a relation was at as_of; `latest` is None where it had none."""

    relation: str
    latest: datetime | None
    age_days: int | None


@dataclass(frozen=True)
class _Row:
    """One feature as the page shows it."""

    field: Field
    shown: Distribution | None
    ends: tuple[str, ...]
    bars: str


def features_page(home: Home, settings: Settings) -> str:
    """Write the page of the current generation's last snapshot.

    Returns
    -------
    str
        One self-contained HTML page.

    Raises
    ------
    NotReadyError
        If no features were built yet.
    """
    catalogue, generation = load_catalogue(home.catalogue), current_generation(home)
    families = all_families(catalogue)
    with engine(settings.threads, settings.memory, near=home.path) as (connection, _):
        path = snapshot_path(home, generation, generation.as_of)
        fields = [field for family in families for field in family.fields]
        shown = distributions(connection, path, fields)
        customers = connection.execute(f"SELECT count(*) FROM read_parquet({literal(path)})").fetchone()
        fresh = {f.name: freshness(connection, home, f.relations, generation.as_of) for f in families}
    return render(
        "features.html.j2",
        families=[(f, _rows(f, shown, catalogue.currency), fresh[f.name]) for f in families],
        count=len(fields),
        customers=customers[0] if customers else 0,
        fewest=FEWEST,
        generation=generation,
    )


def freshness(
    connection: duckdb.DuckDBPyConnection, home: Home, relations: Sequence[str], as_of: datetime
) -> tuple[Freshness, ...]:
    """The newest row of each relation that was known at as_of, and its age then in whole days."""
    return tuple(_freshness(connection, home, relation, as_of) for relation in relations)


def _freshness(
    connection: duckdb.DuckDBPyConnection, home: Home, relation: str, as_of: datetime
) -> Freshness:
    time, source = BY_NAME[relation].time, literal(home.history / f"{relation}.parquet")
    newest = connection.execute(
        f'SELECT max("{time}") FROM read_parquet({source}) WHERE "{time}" < ? AND known_at <= ?',
        [as_of, as_of],
    ).fetchone()
    latest: datetime | None = newest[0] if newest else None
    return Freshness(relation, latest, (as_of - latest).days if latest else None)


def _rows(family: Family, shown: dict[str, Distribution], currency: str) -> list[_Row]:
    return [_row(field, shown.get(field.name), currency) for field in family.fields]


def _row(field: Field, shown: Distribution | None, currency: str) -> _Row:
    ends = (
        tuple(in_unit(value, field.unit, currency) for value in shown.ends) if shown and shown.ends else ()
    )
    return _Row(field, shown, ends, _outline(shown.bars) if shown else "")


def _outline(bars: Sequence[int]) -> str:
    """The bars as one path of 120 by 25, the highest 24 high.

    >>> _outline((20, 40))
    'M0.0 25v-12.0h51.0v12.0zM60.0 25v-24.0h51.0v24.0z'
    """
    step, most = 120 / max(1, len(bars)), max(bars, default=0)
    shapes = [(nth * step, 24 * bar / most) for nth, bar in enumerate(bars) if bar]
    return "".join(f"M{x:.1f} 25v-{h:.1f}h{0.85 * step:.1f}v{h:.1f}z" for x, h in shapes)


def in_unit(value: float, unit: str, currency: str) -> str:
    """A rounded number as a person reads it.

    >>> in_unit(120000.0, "cents", "EUR"), in_unit(0.38, "ratio", "EUR"), in_unit(7.0, "days", "EUR")
    ('1,200 EUR', '38%', '7')
    """
    if unit.startswith("cents"):
        return f"{value / 100:,.0f} {currency}"
    if unit == "ratio":
        return f"{value:.0%}"
    return f"{value:,.0f}" if value.is_integer() else f"{value:,g}"
