"""One table's rows, sifted: which break the contract and why, and the clean ones that remain."""

from collections.abc import Sequence

import duckdb

from features.history.contract import Table
from features.history.engine import id_of, literal, name_list
from features.history.quality import Problem
from features.history.rules import Rule
from features.history.structure import Opened
from features.history.text import CURES

__all__ = ["Sieve"]


class Sieve:
    """Marks of broken rules on the rows of one table, kept in DuckDB.

    `raw_<table>` holds the rows as read, each with its number `row_`; `bad_<table>` a mark for each
    row and rule that it breaks, so no more than what breaks is ever kept; `clean_<table>` the rows
    without a mark. Rows whose cells could not be read are marked from the start, and no other rule
    judges them.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, opened: Opened) -> None:
        self.connection, self.opened = connection, opened
        self.table: Table = opened.table
        name = self.table.name
        self.rules = [
            Rule(fault.column.name, fault.rule, fault.test, CURES[fault.rule, fault.column.type])
            for fault in opened.unread
        ]
        connection.execute(f"CREATE TABLE bad_{name} (row_ BIGINT, rule INTEGER)")
        if self.rules:
            connection.execute(
                f"INSERT INTO bad_{name} "
                f"SELECT row_, unnest(unread_) FROM raw_{name} WHERE unread_ IS NOT NULL"
            )
        self._filter(self.quarantined)

    @property
    def quarantined(self) -> int:
        """How many rows are marked."""
        return self._count(f"SELECT count(DISTINCT row_) FROM bad_{self.table.name}")

    def mark(self, rules: Sequence[Rule], source: str) -> int:
        """Mark the rows of `source` (SQL with `row_` and what the rules ask for) that break a rule.

        Returns how many marks were made. Takes one pass over the source, for any number of rules.
        """
        if not rules:
            return 0
        first = len(self.rules)
        self.rules += rules
        broken = [f"({rule.broken})" for rule in rules]
        which = str(first)
        if len(rules) > 1:
            cases = ", ".join(f"CASE WHEN {test} THEN {first + nth} END" for nth, test in enumerate(broken))
            which = f"unnest(list_filter([{cases}], lambda n: n IS NOT NULL))"
        made = self._count(
            f"INSERT INTO bad_{self.table.name} SELECT row_, {which} FROM ({source}) source "
            f"WHERE {' OR '.join(broken)}"
        )
        if made:
            self._filter(made)
        return made

    def reasons(self) -> dict[str, int]:
        """Marked rows by the name of the rule, the most frequent first."""
        found = self.connection.execute(
            f"SELECT name, count(DISTINCT row_) FROM bad_{self.table.name} "
            f"JOIN ({self._names()}) USING (rule) GROUP BY name ORDER BY 2 DESC, 1"
        ).fetchall()
        return dict(found)

    def faults(self) -> list[Problem]:
        """Each broken rule of each column, with its first five rows."""
        name = self.table.name
        counted = self.connection.execute(
            f"SELECT rule, count(*) FROM bad_{name} GROUP BY rule ORDER BY rule"
        ).fetchall()
        named = self.connection.execute(
            f"WITH first AS (FROM bad_{name} "
            "QUALIFY row_number() OVER (PARTITION BY rule ORDER BY row_) <= 5) "
            f"SELECT rule, {id_of(self.table, 'row_ + 1')} FROM raw_{name} JOIN first USING (row_) "
            "ORDER BY rule, row_"
        ).fetchall()
        return [
            Problem(
                self.opened.file,
                self.rules[nth].column,
                self.rules[nth].name,
                count,
                tuple(who for other, who in named if other == nth),
                self.rules[nth].cure,
            )
            for nth, count in counted
        ]

    def set_aside(self) -> str:
        """SQL of the marked rows: every column as the text that was read, and `reason`."""
        name = self.table.name
        texts = [
            f'coalesce(text_[{nth}], CAST("{column.name}" AS VARCHAR)) AS "{column.name}"'
            if self.opened.unread
            else f'CAST("{column.name}" AS VARCHAR) AS "{column.name}"'
            for nth, column in enumerate(self.table.columns, start=1)
        ]
        # A bit for each name: unlike a list for each row, that takes little memory, however many rows.
        names = list(dict.fromkeys(rule.name for rule in self.rules))
        bits = ", ".join(f"({nth}, {1 << names.index(rule.name)})" for nth, rule in enumerate(self.rules))
        cases = ", ".join(
            f"CASE WHEN mask & {1 << bit} <> 0 THEN {literal(reason)} END"
            for bit, reason in enumerate(names)
        )
        reasons = (
            f"SELECT row_, concat_ws(', ', {cases}) AS reason FROM (SELECT row_, bit_or(bit) AS mask "
            f"FROM bad_{name} JOIN (VALUES {bits}) bits(rule, bit) USING (rule) GROUP BY row_)"
        )
        return f"SELECT {', '.join(texts)}, reason FROM raw_{name} JOIN ({reasons}) USING (row_)"

    def _names(self) -> str:
        """SQL that names each rule by its number."""
        rows = ", ".join(f"({nth}, {literal(rule.name)})" for nth, rule in enumerate(self.rules))
        return f"SELECT * FROM (VALUES {rows or '(-1, NULL)'}) names(rule, name)"

    def _filter(self, bad: int) -> None:
        """Make `clean_<table>`; where nothing is marked, nothing is looked up."""
        name, columns = self.table.name, name_list([column.name for column in self.table.columns])
        without = f"ANTI JOIN bad_{name} USING (row_)" if bad else ""
        self.connection.execute(
            f"CREATE OR REPLACE VIEW clean_{name} AS SELECT {columns}, row_ FROM raw_{name} {without}"
        )

    def _count(self, select: str) -> int:
        [(count,)] = self.connection.execute(select).fetchall()
        return int(count)
