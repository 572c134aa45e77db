"""What one snapshot shows of each feature, told so that no single customer can be read from it.

Every figure stands for at least `FEWEST` customers: ends are percentiles beyond which so many lie,
rounded to two digits; bars and words of fewer are left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from features.families.base import Field
from features.history.engine import literal

__all__ = ["FEWEST", "Distribution", "distributions", "two_digits"]

FEWEST = 20
"""Fewer customers than this are never shown apart."""

_AT_ONCE = 30
"""Columns of one pass over the file: memory stays bounded however many there are."""

_BINS = 24
_EDGE = 0.01


@dataclass(frozen=True)
class Distribution:
    """One feature over the customers of a snapshot.

    missing
        Share of customers without a value, 0 to 1.
    ends
        Low, middle and high: the 1st, 50th and 99th percentile (nearer to the middle in a small bank)
        to two digits; None where too few have a value, and for words.
    bars
        Customers a bin between the ends, what lies beyond counted in the last ones; numbers only.
    words
        Word and share of customers, the most frequent first, where the words are a closed list.
    distinct
        About how many different words there are; None for numbers.
    """

    missing: float
    ends: tuple[float, float, float] | None = None
    bars: tuple[int, ...] = ()
    words: tuple[tuple[str, float], ...] = ()
    distinct: int | None = None


def two_digits(value: float) -> float:
    """Rounded to two significant digits.

    >>> two_digits(123456.0), two_digits(-0.0456), two_digits(0.0)
    (120000.0, -0.046, 0.0)
    """
    return float(f"{value:.1e}")


def distributions(
    connection: duckdb.DuckDBPyConnection, path: Path, fields: Sequence[Field]
) -> dict[str, Distribution]:
    """Describe the fields of one snapshot file.

    Returns
    -------
    dict
        By name; a field that the file does not have is left out.
    """
    source = f"read_parquet({literal(path)})"
    there = {name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    asked = [f for f in fields if f.name in there]
    counts = _one_row(connection, source, {f.name: f'count("{f.name}")' for f in asked}, "count(*)")
    customers = counts.pop("")
    found: dict[str, Distribution] = {}
    for start in range(0, len(asked), _AT_ONCE):
        some = asked[start : start + _AT_ONCE]
        numbers = [f for f in some if f.dtype != "string"]
        found |= _of_numbers(connection, source, numbers, counts, customers)
        for field in (f for f in some if f.dtype == "string"):
            found[field.name] = _of_words(connection, source, field, counts[field.name], customers)
    return found


def _one_row(
    connection: duckdb.DuckDBPyConnection, source: str, columns: Mapping[str, str], first: str = "0"
) -> dict[str, Any]:
    """Aggregates by name, and `first` under the empty name."""
    row = connection.execute(f"SELECT {', '.join((first, *columns.values()))} FROM {source}").fetchone()
    return dict(zip(("", *columns), row or (), strict=True))


def _missing(known: int, customers: int) -> float:
    return 1 - known / customers if customers else 0.0


def _of_numbers(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    fields: Sequence[Field],
    known: Mapping[str, int],
    customers: int,
) -> dict[str, Distribution]:
    found = {f.name: Distribution(_missing(known[f.name], customers)) for f in fields}
    levels = {name: max(_EDGE, FEWEST / known[name]) for name in found if known[name] >= 2 * FEWEST}
    # T-digests, not sorted columns: their memory does not grow with the bank.
    quantiles = {
        name: f'approx_quantile(CAST("{name}" AS DOUBLE), [{edge}, 0.5, {1 - edge}])'
        for name, edge in levels.items()
    }
    ends = _one_row(connection, source, quantiles)
    ends.pop("")
    whole = {f.name for f in fields if f.dtype == "int64"}
    rounded = {
        name: tuple(float(round(two_digits(v))) if name in whole else two_digits(v) for v in values)
        for name, values in ends.items()
    }
    grids = {name: _grid(low, high, name in whole) for name, (low, _, high) in rounded.items()}
    bins = _one_row(connection, source, {name: _binned(name, *grid) for name, grid in grids.items()})
    for name, (low, middle, high) in rounded.items():
        counts = [bins[name].get(nth, 0) for nth in range(grids[name][2])]
        bars = tuple(count if count >= FEWEST else 0 for count in counts)
        found[name] = Distribution(found[name].missing, (low, middle, high), bars)
    return found


def _grid(low: float, high: float, whole: bool) -> tuple[float, float, int]:
    """Where the bins begin, how wide and how many they are; a whole number each where that is enough.

    >>> _grid(0.0, 1.0, True), _grid(0.0, 12.0, False)
    ((0.0, 1.0, 2), (0.0, 0.5, 24))
    """
    if high == low or (whole and high - low < _BINS):
        return low, 1.0, int(high - low) + 1
    return low, (high - low) / _BINS, _BINS


def _binned(name: str, low: float, width: float, count: int) -> str:
    place = f'floor((CAST("{name}" AS DOUBLE) - ({low!r})) / {width!r})'
    return f'histogram(CAST(least(greatest({place}, 0), {count - 1}) AS TINYINT)) FILTER ("{name}" NOTNULL)'


def _of_words(
    connection: duckdb.DuckDBPyConnection, source: str, field: Field, known: int, customers: int
) -> Distribution:
    column = f'"{field.name}"'
    distinct = connection.execute(f"SELECT approx_count_distinct({column}) FROM {source}").fetchone()
    words: tuple[tuple[str, float], ...] = ()
    if field.words and field.data_class == "C1":
        rows = connection.execute(
            f"SELECT {column}, count(*) AS n FROM {source} WHERE {column} IS NOT NULL GROUP BY 1 "
            f"HAVING n >= {FEWEST} ORDER BY n DESC, 1"
        ).fetchall()
        words = tuple((word, count / customers) for word, count in rows if word in field.words)
    return Distribution(
        _missing(known, customers), words=words, distinct=math.ceil(distinct[0]) if distinct else None
    )
