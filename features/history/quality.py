"""What a check of history says: tables, problems that refuse it, rows set aside, and what looks odd."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from features.history.wording import report_text

__all__ = ["MAX_QUARANTINED", "RULES", "Concern", "Problem", "Profile", "QualityReport", "TableQuality"]

MAX_QUARANTINED = 0.01
"""Share of a table's rows that may be quarantined, unless somebody decides otherwise."""

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
    "in_future": "known later than the moment of the import",
    "duplicate": "more than one row with the same key",
    "orphan": "refers to what is not there",
    "contradiction": "differs from a row with the same key that is already stored",
    "fewer_rows": "rows a day fell to half of the month before, or less",
    "all_empty": "empty in every new row, though stored history has values",
    "constant": "the same in every new row, though stored history varies",
    "new_words": "words that stored history has never seen",
}
"""Each rule that a history can break, and its phrase; the last four are concerns, not faults."""


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
class Concern:
    """What looks odd although no row breaks a rule; `stops` an append until somebody accepts it.

    `note` says where or how many: months, shares and counts, never a customer's value.
    """

    file: str
    column: str
    rule: str
    note: str
    stops: bool = False

    def to_text(self) -> str:
        """The concern in one line."""
        where = f"{self.file}: column '{self.column}'" if self.column else self.file
        return f"{where}: {RULES[self.rule]}: {self.note}"


@dataclass(frozen=True)
class Profile:
    """Rows by what they look like: counts only.

    `months` by YYYY-MM; `late` by the time from happening to being known; `amounts` by sign (in,
    out) and order of magnitude in cents, in quarters of a power of ten; `words` by column with a closed
    list of words.
    """

    months: Mapping[str, int] = field(default_factory=dict)
    late: Mapping[str, int] = field(default_factory=dict)
    amounts: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class TableQuality:
    """One table: rows as read, first and last time, empty values a column, months without rows.

    `quarantined` counts the rows set aside, `reasons` the same by rule; a row with two reasons
    counts for both. `ignored` are columns that the contract does not know; they are not imported.
    """

    name: str
    file: str
    rows: int
    first: datetime | None
    last: datetime | None
    nulls: Mapping[str, int]
    gaps: tuple[str, ...]
    ignored: tuple[str, ...]
    quarantined: int
    reasons: Mapping[str, int]
    profile: Profile

    @property
    def share(self) -> float:
        """The share of the rows that is quarantined."""
        return self.quarantined / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class QualityReport:
    """What a check found.

    `problems` refuse the whole folder. `faults` are what single rows break: those rows go to
    quarantine, and refuse the folder where they are more than the share `limit` of a table.
    """

    tables: tuple[TableQuality, ...]
    problems: tuple[Problem, ...]
    faults: tuple[Problem, ...] = ()
    concerns: tuple[Concern, ...] = ()
    limit: float = MAX_QUARANTINED

    @property
    def over(self) -> tuple[TableQuality, ...]:
        """The tables of which more is quarantined than the limit allows."""
        return tuple(table for table in self.tables if table.share > self.limit)

    @property
    def ok(self) -> bool:
        """Whether the folder may be imported."""
        return not self.problems and not self.over

    @property
    def stops(self) -> tuple[Concern, ...]:
        """The concerns that stop an append until somebody accepts them."""
        return tuple(concern for concern in self.concerns if concern.stops)

    def refusal(self) -> tuple[str, ...]:
        """Why the folder may not be imported, a line each; empty if it may."""
        lines = [problem.to_text() for problem in self.problems]
        for table in self.over:
            reasons = ", ".join(f"{rule} {count:,}" for rule, count in table.reasons.items())
            faults = [fault for fault in self.faults if fault.file == table.file]
            ids = tuple(dict.fromkeys(i for fault in faults for i in fault.ids))[:5]
            lines.append(
                f"{table.file}: {table.quarantined:,} of {table.rows:,} rows ({table.share:.2%}) break "
                f"the contract, more than the limit of {self.limit:.2%}: {reasons}: {', '.join(ids)}; "
                "cure: mend them as said below, or allow a larger share with --max-quarantined"
            )
            lines += [fault.to_text() for fault in faults]
        return tuple(lines)

    def to_text(self) -> str:
        """The report for a console."""
        return report_text(self)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        tables = [
            {
                **asdict(table),
                "first": table.first.isoformat() if table.first else None,
                "last": table.last.isoformat() if table.last else None,
            }
            for table in self.tables
        ]
        return {
            "ok": self.ok,
            "limit": self.limit,
            "tables": tables,
            "problems": [asdict(problem) for problem in self.problems],
            "faults": [asdict(fault) for fault in self.faults],
            "concerns": [asdict(concern) for concern in self.concerns],
        }
