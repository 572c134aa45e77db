"""Sift one table of a folder: its rows by themselves, against each other, and against other tables."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from features.history.contract import Table
from features.history.engine import literal, name_list
from features.history.rules import Rule, plausible, reference_rules, row_rules
from features.history.sieve import Sieve
from features.history.withhold import Erased
from features.vocabulary import Catalogue

__all__ = ["Against", "Scan", "reject", "scan", "unite"]


@dataclass(frozen=True)
class Against:
    """What a folder is checked against.

    `stored` is the history that it is to be appended to, `now` the moment of the import, `erased` says
    whose rows are left out, None for nobody's. `usable` are the tables that other ones may be checked
    with; it grows while tables are sifted.
    """

    catalogue: Catalogue
    stored: Path | None
    now: datetime | None
    erased: Erased | None = None
    usable: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Scan:
    """A table as read: its rows, the span of its plausible times, empty values a column."""

    rows: int
    first: datetime | None
    last: datetime | None
    nulls: dict[str, int]


def scan(connection: duckdb.DuckDBPyConnection, sieve: Sieve, against: Against) -> Scan:
    """Run the rules that need no other row: one pass, and another only if a row breaks one."""
    table = sieve.table
    names = [column.name for column in table.columns]
    time = f'CAST("{table.time}" AS TIMESTAMPTZ)'
    rules = row_rules(table, against.catalogue, _currencies(connection, against), against.now)
    unread = "unread_ IS NULL" if sieve.opened.unread else "true"
    parts = [
        "count(*)",
        *(f"{end}({time}) FILTER ({plausible(table.column(table.time))})" for end in ("min", "max")),
        *(f'count(*) - count("{name}")' for name in names),
        *(f"count_if({unread} AND ({rule.broken}))" for rule in rules),
    ]
    [(rows, first, last, *rest)] = connection.execute(
        f"SELECT {', '.join(parts)} FROM raw_{table.name}"
    ).fetchall()
    nulls, counts = dict(zip(names, rest, strict=False)), rest[len(names) :]
    broken = [rule for rule, count in zip(rules, counts, strict=True) if count]
    sieve.mark(broken, f"SELECT * FROM clean_{table.name}")
    return Scan(rows, first, last, nulls)


def unite(connection: duckdb.DuckDBPyConnection, sieve: Sieve, stored: Path | None) -> None:
    """Mark contradictions and duplicates; make `all_<table>`, `added_<table>` and `repeated_<table>`.

    Rows that are stored already count once. `repeated_<table>` lists the ids with several versions.
    """
    table, name = sieve.table, sieve.table.name
    columns, ids = name_list([c.name for c in table.columns]), name_list(table.id)
    if stored is None:
        connection.execute(
            f"CREATE VIEW added_{name} AS SELECT * FROM clean_{name};"
            f"CREATE VIEW all_{name} AS SELECT {columns} FROM clean_{name}"
        )
        _find_repeated(connection, name, ids)
        _mark_duplicates(connection, sieve, f"clean_{name} SEMI JOIN repeated_{name} USING ({ids})")
        return
    file = literal(stored / f"{name}.parquet")
    connection.execute(f"CREATE VIEW old_{name} AS SELECT {columns} FROM read_parquet({file})")
    _mark_contradictions(sieve)
    _mark_duplicates(connection, sieve, f"clean_{name}")
    key = name_list(table.key)
    connection.execute(
        f"CREATE TABLE added_{name} AS SELECT * FROM clean_{name} ANTI JOIN old_{name} USING ({key});"
        f"CREATE VIEW all_{name} AS SELECT * FROM old_{name} UNION ALL SELECT {columns} FROM added_{name}"
    )
    _find_repeated(connection, name, ids)


def reject(connection: duckdb.DuckDBPyConnection, sieve: Sieve, against: Against) -> None:
    """Mark the rows that refer to what is not there, or is itself in quarantine."""
    name, marked = sieve.table.name, 0
    for rule in reference_rules(sieve.table, against.catalogue):
        if rule.needs in against.usable:
            unmarked = f"SELECT * FROM added_{name} ANTI JOIN bad_{name} USING (row_)"
            marked += sieve.mark([rule], unmarked)
    if marked and against.stored is not None:
        connection.execute(f"DELETE FROM added_{name} WHERE row_ IN (SELECT row_ FROM bad_{name})")


def _find_repeated(connection: duckdb.DuckDBPyConnection, name: str, ids: str) -> None:
    connection.execute(
        f"CREATE TABLE repeated_{name} AS SELECT {ids} FROM all_{name} GROUP BY {ids} HAVING count(*) > 1"
    )


def _mark_contradictions(sieve: Sieve) -> None:
    """Mark rows that share the key of a stored row and differ from it."""
    table, key = sieve.table, name_list(sieve.table.key)
    differs = _others(table, 'n."{0}" IS DISTINCT FROM o."{0}"', " OR ")
    clash = f"SELECT n.row_ FROM clean_{table.name} n JOIN old_{table.name} o USING ({key}) WHERE {differs}"
    cure = "write a correction as a new row with the same id and a later known_at"
    sieve.mark([Rule(table.id[0], "contradiction", "true", cure)], clash)


def _mark_duplicates(connection: duckdb.DuckDBPyConnection, sieve: Sieve, candidates: str) -> None:
    """Mark rows that share their key: all but one of equal rows, all of rows that differ.

    Which of two different rows is right nobody here can know; equal rows say the same.
    """
    table, key = sieve.table, name_list(sieve.table.key)
    twice = f"twice_{table.name}"
    connection.execute(
        f"CREATE TEMP TABLE {twice} AS SELECT {key} FROM {candidates} GROUP BY {key} HAVING count(*) > 1"
    )
    if connection.execute(f"FROM {twice} LIMIT 1").fetchall():
        same = _others(table, 'min(hash("{0}")) OVER one = max(hash("{0}")) OVER one', " AND ")
        rows = (
            f"SELECT row_, row_number() OVER (PARTITION BY {key} ORDER BY row_) AS nth, {same} AS same "
            f"FROM clean_{table.name} SEMI JOIN {twice} USING ({key}) WINDOW one AS (PARTITION BY {key})"
        )
        cure = f"keep one row for each ({', '.join(table.key)}); a correction has a later known_at"
        sieve.mark([Rule(", ".join(table.key), "duplicate", "nth > 1 OR NOT same", cure)], rows)


def _others(table: Table, test: str, joined: str) -> str:
    """A test over every column outside the key."""
    return joined.join(test.format(c.name) for c in table.columns if c.name not in table.key)


def _currencies(connection: duckdb.DuckDBPyConnection, against: Against) -> tuple[str, ...]:
    """The reporting currency, then those with a rate; none where the rates cannot be read."""
    if "rates" not in against.usable:
        return ()
    own = against.catalogue.currency
    found = connection.execute("SELECT DISTINCT currency FROM all_rates WHERE currency <> '' ORDER BY 1")
    return (own, *(code for (code,) in found.fetchall() if code != own))
