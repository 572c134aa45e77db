"""Check a folder of history tables against the contract, and say what is wrong and how to cure it."""

from datetime import datetime
from pathlib import Path

import duckdb

from features.history.concerns import concerns_about
from features.history.contract import BY_NAME, TABLES
from features.history.engine import engine
from features.history.profile import months_without_rows, profile
from features.history.quality import MAX_QUARANTINED, Concern, Problem, QualityReport, TableQuality
from features.history.sieve import Sieve
from features.history.sift import Against, reject, scan, unite
from features.history.structure import OWN_ERRORS, READ_ERRORS, UNREADABLE, Opened, open_table
from features.history.withhold import withhold
from features.vocabulary import Catalogue

__all__ = ["Inspection", "check_folder", "inspect"]

_ORDER = ("customers", "rates", "holdings", "transactions", "interactions")
"""No table refers to a later one, so one pass sets aside all that refers to what was set aside."""


def check_folder(
    folder: Path,
    catalogue: Catalogue,
    *,
    threads: int = 2,
    memory: str = "4GB",
    max_quarantined: float = MAX_QUARANTINED,
    now: datetime | None = None,
) -> QualityReport:
    """Check one folder: a bank's export, or the stored history itself.

    Nothing is written but scratch files, which go away; tables may be larger than memory.

    Parameters
    ----------
    threads, memory
        What DuckDB may use, such as 2 and '4GB'.
    max_quarantined
        Share of a table's rows, 0 to 1, that may break the contract before the folder is refused.
    now
        The moment of an import, after which nothing can be known; None where that does not matter.
    """
    with engine(threads, memory) as (connection, scratch):
        inspection = Inspection(connection, Against(catalogue, None, now))
        return inspect(inspection, folder, scratch, max_quarantined)


class Inspection:
    """A check in progress on an open connection; afterwards it knows what to store and what to set aside.

    `all_<table>` is the whole history: what the folder holds and is clean, joined with what is
    stored if there is something to append to. `added_<table>` is what is new in it,
    `repeated_<table>` lists the ids that have several versions.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, against: Against) -> None:
        self.connection, self.against = connection, against
        self.sieves: dict[str, Sieve] = {}
        self.problems: list[Problem] = []
        self.concerns: list[Concern] = []
        self.qualities: dict[str, TableQuality] = {}
        self.withheld: dict[str, int] = {}

    def take(self, opened: Opened) -> None:
        """Sift one table whose columns are right; damage inside its file shows only now."""
        try:
            self._sift(opened)
        except OWN_ERRORS:
            raise
        except READ_ERRORS:
            self.problems.append(Problem(opened.file, "", "unreadable", 0, (), UNREADABLE))

    def _sift(self, opened: Opened) -> None:
        table, stored = opened.table, self.against.stored
        sieve = Sieve(self.connection, opened)
        found = scan(self.connection, sieve, self.against)
        unite(self.connection, sieve, stored)
        reject(self.connection, sieve, self.against)
        if not opened.present:
            self.against.usable.add(table.name)
            return
        looks = profile(self.connection, table)
        gaps = months_without_rows(looks) if table.time == "at" else ()
        quality = TableQuality(
            name=table.name,
            file=opened.file,
            rows=found.rows,
            first=found.first,
            last=found.last,
            nulls=found.nulls,
            gaps=gaps,
            ignored=opened.ignored,
            quarantined=sieve.quarantined,
            reasons=sieve.reasons(),
            profile=looks,
        )
        self.sieves[table.name], self.qualities[table.name] = sieve, quality
        if table.required and stored is None and quality.quarantined == quality.rows:
            cure = "export the table with its rows"
            cure += "; all of these break the contract" if found.rows else ""
            self.problems.append(Problem(opened.file, "", "no_rows", 0, (), cure))
            return
        self.concerns += concerns_about(self.connection, table, quality, append=stored is not None)
        self.against.usable.add(table.name)


def inspect(inspection: Inspection, folder: Path, scratch: Path, max_quarantined: float) -> QualityReport:
    """Open and sift every table of a folder."""
    appending = inspection.against.stored is not None
    opened = {
        table.name: open_table(
            inspection.connection, folder, table, scratch, required=table.required and not appending
        )
        for table in TABLES
    }
    if not any(one.present for one in opened.values()):
        cure = f"name a folder that holds tables of the contract ({', '.join(BY_NAME)}) as .parquet or .csv"
        return QualityReport((), (Problem(str(folder), "", "missing_table", 0, (), cure),))
    if inspection.against.erased is not None:
        inspection.withheld = withhold(inspection.connection, inspection.against.erased)
    inspection.problems += [problem for one in opened.values() for problem in one.problems]
    for name in _ORDER:
        if not opened[name].problems:
            inspection.take(opened[name])
    sieves = [inspection.sieves[name] for name in BY_NAME if name in inspection.sieves]
    return QualityReport(
        tables=tuple(inspection.qualities[sieve.table.name] for sieve in sieves),
        problems=tuple(inspection.problems),
        faults=tuple(fault for sieve in sieves for fault in sieve.faults()),
        concerns=tuple(inspection.concerns),
        limit=max_quarantined,
    )
