"""What a check of history says: tables, problems, and how both read on a console."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

__all__ = ["RULES", "Problem", "QualityReport", "TableQuality"]

RULES: Mapping[str, str] = {
    "missing_table": "the table is missing",
    "two_files": "the table is there as parquet and as CSV",
    "unreadable": "the file cannot be read: empty, truncated or not what its name says",
    "no_rows": "the table has no rows",
    "missing_column": "the column is missing",
    "repeated_column": "the column is there more than once",
    "forbidden_column": "a secret of this kind (class C3) may not be stored",
    "wrong_type": "not of the contract's type",
    "naive": "a timestamp without offset or time zone",
    "not_cents": "money must be whole cents",
    "empty": "empty, but the contract requires a value",
    "not_allowed": "not one of the contract's words",
    "out_of_range": "out of range",
    "unknown_product": "not a product of the catalogue",
    "unknown_currency": "a currency without a rate",
    "no_rate_yet": "no rate of the currency was known at the booking time",
    "end_before_start": "the end lies before the start",
    "duplicate": "more than one row with the same key",
    "orphan": "refers to what is not there",
    "contradiction": "differs from a row with the same key that is already stored",
}
"""Each rule that a history can break, and its phrase."""


@dataclass(frozen=True)
class Problem:
    """One broken rule in one column; `ids` are the first five of `count` offenders."""

    file: str
    column: str
    rule: str
    count: int
    ids: tuple[str, ...]
    cure: str

    def to_text(self) -> str:
        """File, column, rule, offenders and cure in one line.

        >>> Problem("holdings.csv", "product", "unknown_product", 1, ("H7",), "add it").to_text()
        "holdings.csv: column 'product': not a product of the catalogue: H7; cure: add it"
        """
        where = f"{self.file}: column '{self.column}'" if self.column else self.file
        who = f": {', '.join(self.ids)}" if self.ids else ""
        more = f" ({self.count:,} in all)" if self.count > len(self.ids) > 0 else ""
        return f"{where}: {RULES[self.rule]}{who}{more}; cure: {self.cure}"


@dataclass(frozen=True)
class TableQuality:
    """One table: rows, first and last time, empty values a column, months without rows.

    `ignored` are columns that the contract does not know; they are not imported.
    """

    name: str
    file: str
    rows: int
    first: datetime | None
    last: datetime | None
    nulls: Mapping[str, int]
    gaps: tuple[str, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class QualityReport:
    """What a check found; `ok` if the history may be imported."""

    tables: tuple[TableQuality, ...]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    def counts(self, table: TableQuality) -> dict[str, int]:
        """Offending rows of a table, by rule."""
        found: dict[str, int] = {}
        for problem in self.problems:
            if problem.file == table.file:
                found[problem.rule] = found.get(problem.rule, 0) + problem.count
        return found

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        tables = [
            {
                **asdict(table),
                "first": table.first.isoformat() if table.first else None,
                "last": table.last.isoformat() if table.last else None,
                "broken": self.counts(table),
            }
            for table in self.tables
        ]
        return {"ok": self.ok, "tables": tables, "problems": [asdict(p) for p in self.problems]}

    def to_text(self) -> str:
        """The report for a console: a line a table, then what is empty or missing, then the problems.

        `other` counts the rows that break any further rule, `gaps` the months without rows.
        """
        head = ("duplicates", "orphans", "out of range", "other", "gaps")
        lines = [f"{'table':<13} {'rows':>12}  {'first':<10}  {'last':<10}  {'  '.join(head)}"]
        for t in self.tables:
            first, last = (f"{d:%Y-%m-%d}" if d else "-" for d in (t.first, t.last))
            counts = self.counts(t)
            shown = [counts.pop(rule, 0) for rule in ("duplicate", "orphan", "out_of_range")]
            numbers = (*shown, sum(counts.values()), len(t.gaps))
            cells = "  ".join(f"{n:>{len(name)},}" for n, name in zip(numbers, head, strict=True))
            lines.append(f"{t.name:<13} {t.rows:>12,}  {first:<10}  {last:<10}  {cells}")
        for t in self.tables:
            empty = {column: n for column, n in t.nulls.items() if n and t.rows}
            if empty:
                shares = ", ".join(f"{column} {n / t.rows:.0%}" for column, n in empty.items())
                lines.append(f"{t.name}: empty: {shares}")
            if t.gaps:
                lines.append(f"{t.name}: months without rows: {_some(t.gaps)}")
            if t.ignored:
                lines.append(f"{t.name}: columns ignored: {', '.join(t.ignored)}")
        lines += [f"PROBLEM {problem.to_text()}" for problem in self.problems]
        lines.append("ok" if self.ok else f"{len(self.problems)} problems; nothing may be imported")
        return "\n".join(lines)


def _some(months: tuple[str, ...]) -> str:
    return ", ".join(months[:12]) + (f" ({len(months)} in all)" if len(months) > 12 else "")
