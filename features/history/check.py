"""Check a folder of history tables against the contract, and say what is wrong and how to cure it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb

from features.history.contract import TABLES, Table
from features.history.engine import engine, literal, name_list, offenders
from features.history.quality import Problem, QualityReport, TableQuality
from features.history.rules import Rule, plausible, reference_rules, row_rules
from features.history.structure import OWN_ERRORS, READ_ERRORS, UNREADABLE, Opened, open_table
from features.vocabulary import Catalogue

__all__ = ["check_folder", "inspect"]


def check_folder(
    folder: Path, catalogue: Catalogue, *, threads: int = 2, memory: str = "4GB"
) -> QualityReport:
    """Check one folder: a bank's export, or the stored history itself.

    Nothing is written but scratch files, which go away; tables may be larger than memory.

    Parameters
    ----------
    threads, memory
        What DuckDB may use, such as 2 and '4GB'.
    """
    with engine(threads, memory) as (connection, scratch):
        return inspect(connection, folder, catalogue, scratch)


def inspect(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    catalogue: Catalogue,
    scratch: Path,
    stored: Path | None = None,
) -> QualityReport:
    """Check a folder on an open connection, and leave views of it there.

    `new_<table>` is what the folder holds, `all_<table>` the whole history: the same, or, with
    `stored` (a history folder to append to), joined with what is there already. `repeated_<table>`
    lists the ids that have several versions.
    """
    opened = [
        open_table(connection, folder, table, scratch, required=table.required and stored is None)
        for table in TABLES
    ]
    if not any(one.present for one in opened):
        names = ", ".join(table.name for table in TABLES)
        cure = f"name a folder that holds tables of the contract ({names}) as .parquet or .csv"
        return QualityReport((), (Problem(str(folder), "", "missing_table", 0, (), cure),))
    problems = [problem for one in opened for problem in one.problems]
    usable = {one.table.name for one in opened if not one.problems}
    qualities: list[TableQuality] = []

    def unite(one: Opened) -> list[Problem]:
        return _unite(connection, one, stored)

    def check(one: Opened) -> list[Problem]:
        if not one.present:
            return []
        quality, found = _check_rows(connection, one, catalogue, usable)
        qualities.append(quality)
        if one.table.required and stored is None and not quality.rows:
            found.append(Problem(one.file, "", "no_rows", 0, (), "export the table with its rows"))
        return found

    for step in (unite, check):
        for one in opened:
            if one.table.name in usable:
                found = _attempt(step, one)
                problems += found
                if any(problem.rule in ("unreadable", "no_rows") for problem in found):
                    usable.discard(one.table.name)
    return QualityReport(tuple(qualities), tuple(problems))


def _attempt(step: Callable[[Opened], list[Problem]], one: Opened) -> list[Problem]:
    """Take a step on one table; damage inside its file shows only when its rows are read."""
    try:
        return step(one)
    except OWN_ERRORS:
        raise
    except READ_ERRORS:
        return [Problem(one.file, "", "unreadable", 0, (), UNREADABLE)]


def _unite(connection: duckdb.DuckDBPyConnection, one: Opened, stored: Path | None) -> list[Problem]:
    """Make `all_<table>` and `repeated_<table>`; rows that are stored already count once."""
    table, problems = one.table, []
    name = table.name
    if stored is None:
        connection.execute(f"CREATE VIEW all_{name} AS SELECT * FROM new_{name}")
    else:
        columns, key = [c.name for c in table.columns], name_list(table.key)
        file = literal(stored / f"{name}.parquet")
        connection.execute(
            f"CREATE VIEW old_{name} AS SELECT {name_list(columns)} FROM read_parquet({file});"
            f"CREATE TABLE added_{name} AS SELECT * FROM new_{name} ANTI JOIN old_{name} USING ({key});"
            f"CREATE VIEW all_{name} AS SELECT * FROM old_{name} UNION ALL SELECT * FROM added_{name}"
        )
        others = [column for column in columns if column not in table.key]
        differs = " OR ".join(f'n."{column}" IS DISTINCT FROM o."{column}"' for column in others)
        clash = f"SELECT n.* FROM new_{name} n JOIN old_{name} o USING ({key}) WHERE {differs or 'false'}"
        cure = "write a correction as a new row with the same id and a later known_at"
        problems += _found(connection, clash, one, Rule(table.id[0], "contradiction", "true", cure))
    ids = name_list(table.id)
    connection.execute(
        f"CREATE TABLE repeated_{name} AS SELECT {ids} FROM all_{name} GROUP BY {ids} HAVING count(*) > 1"
    )
    return problems


def _check_rows(
    connection: duckdb.DuckDBPyConnection, one: Opened, catalogue: Catalogue, usable: set[str]
) -> tuple[TableQuality, list[Problem]]:
    """Run every rule on the rows of one table; those that need no other row share one scan."""
    table, source = one.table, f"SELECT * FROM new_{one.table.name}"
    names = [column.name for column in table.columns]
    time = f'CAST("{table.time}" AS TIMESTAMPTZ)'
    rules = row_rules(table, catalogue, _currencies(connection, catalogue, usable))
    parts = [
        "count(*)",
        *(f"{end}({time}) FILTER ({plausible(table.column(table.time))})" for end in ("min", "max")),
        *(f'count(*) - count("{name}")' for name in names),
        *(f"count_if({rule.broken})" for rule in rules),
    ]
    [(rows, first, last, *rest)] = connection.execute(
        f"SELECT {', '.join(parts)} FROM ({source})"
    ).fetchall()
    nulls, broken = dict(zip(names, rest, strict=False)), rest[len(names) :]
    problems = []
    for rule, count in zip(rules, broken, strict=True):
        if count:
            problems += _found(connection, source, one, rule)
    for rule in reference_rules(table, catalogue):
        if rule.needs in usable:
            referring = f"SELECT * FROM new_{table.name} source WHERE {rule.broken}"
            problems += _found(connection, referring, one, replace(rule, broken="true"))
    problems += _duplicates(connection, one)
    gaps = _gaps(connection, table, source) if table.time == "at" else ()
    return TableQuality(table.name, one.file, rows, first, last, nulls, gaps, one.ignored), problems


def _duplicates(connection: duckdb.DuckDBPyConnection, one: Opened) -> list[Problem]:
    name, ids, key = one.table.name, name_list(one.table.id), name_list(one.table.key)
    several = f"SELECT {key} FROM all_{name} SEMI JOIN repeated_{name} USING ({ids})"
    twice = f"SELECT {key} FROM ({several}) GROUP BY {key} HAVING count(*) > 1"
    cure = f"keep one row for each ({', '.join(one.table.key)}); a correction has a later known_at"
    rule = Rule(", ".join(one.table.key), "duplicate", "true", cure)
    return _found(connection, f"{twice} ORDER BY {key}", one, rule)


def _found(connection: duckdb.DuckDBPyConnection, source: str, one: Opened, rule: Rule) -> list[Problem]:
    count, ids = offenders(connection, source, one.table, rule.broken)
    return [Problem(one.file, rule.column, rule.name, count, ids, rule.cure)] if count else []


def _currencies(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, usable: set[str]
) -> tuple[str, ...]:
    """The reporting currency, then those with a rate; none where the rates cannot be read."""
    if "rates" not in usable:
        return ()
    found = connection.execute("SELECT DISTINCT currency FROM all_rates WHERE currency <> '' ORDER BY 1")
    others = (code for (code,) in found.fetchall() if code != catalogue.currency)
    return (catalogue.currency, *others)


def _gaps(connection: duckdb.DuckDBPyConnection, table: Table, source: str) -> tuple[str, ...]:
    """Months between the first and the last row that have no row, as YYYY-MM."""
    day = f'epoch_us("{table.time}") // 86400000000'
    where = plausible(table.column(table.time))
    found = connection.execute(f"SELECT DISTINCT {day} FROM ({source}) WHERE {where}").fetchall()
    days = (date(1970, 1, 1) + timedelta(days=number) for (number,) in found)
    months = {day.year * 12 + day.month - 1 for day in days}
    if not months:
        return ()
    missing = (n for n in range(min(months), max(months)) if n not in months)
    return tuple(f"{n // 12:04d}-{n % 12 + 1:02d}" for n in missing)
