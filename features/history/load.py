"""Import a checked folder into a home: derive, sort by customer, write whole."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from features.catalogue import load_catalogue, shipped_catalogue
from features.errors import ConfigError, InputError
from features.history.check import Inspection, inspect
from features.history.contract import TABLES, Table
from features.history.derive import sorted_select
from features.history.engine import engine, literal
from features.history.page import write_quality_page
from features.history.quality import MAX_QUARANTINED, QualityReport
from features.history.quarantine import QUARANTINE, write_quarantine
from features.history.sift import Against
from features.history.sources import source_entry
from features.history.withhold import Erased
from features.home import Home, read_json, sha256_of, write_whole, write_whole_folder, write_whole_json
from features.vocabulary import Catalogue

__all__ = ["ImportSummary", "import_folder"]

_ROW_GROUP = 122_880
"""DuckDB's own vector-aligned size; small enough that a range of customers prunes row groups."""


@dataclass(frozen=True)
class ImportSummary:
    """What an import left in `folder`: rows a table, how many are new, and how many were set aside.

    `quarantined` counts the rows of this import by table, which are in `quarantine`; `erased` those of
    erased customers, which are nowhere. `page` shows its quality.
    """

    folder: Path
    catalogue: str
    rows: dict[str, int]
    added: dict[str, int]
    quarantined: dict[str, int]
    erased: dict[str, int]
    quarantine: Path
    page: Path
    report: QualityReport

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain JSON values."""
        paths = {name: str(getattr(self, name)) for name in ("folder", "quarantine", "page")}
        return {**asdict(self), **paths, "report": self.report.to_dict()}


def import_folder(
    source: Path,
    home: Home,
    catalogue: bytes | None,
    *,
    append: bool,
    threads: int,
    memory: str,
    tell: Callable[[str], None],
    now: datetime | None = None,
    max_quarantined: float = MAX_QUARANTINED,
    accept_warnings: bool = False,
    erased: Erased | None = None,
) -> ImportSummary:
    """Check a folder of contract tables, and make it (or add it to) the history of a home.

    Rows that break the contract go to `<home>/history/quarantine/<table>.parquet`, with the reason;
    those of earlier imports stay there. The same folder again changes nothing.

    Parameters
    ----------
    catalogue
        Content of the bank's catalogue.toml; None keeps the home's own, or else the shipped one.
    append
        Add to what is there: rows that are stored already count once, new versions supersede.
    threads, memory
        What DuckDB may use, such as 2 and '4GB'.
    tell
        Called with a line of progress.
    now
        The moment of the import, after which no row can have been known; None for a simulated bank.
    max_quarantined
        Share of a table's rows, 0 to 1, that may be quarantined.
    accept_warnings
        Append even though bookings dropped or a column went empty.
    erased
        Says which customers were erased, whose rows are left out and counted; None where nobody was.

    Raises
    ------
    InputError
        With every problem of the folder, or if more rows break the contract than `max_quarantined`
        allows, or a warning stops an append; nothing was written.
    ConfigError
        If the catalogue is wrong.
    NotReadyError
        If there is nothing to append to.
    """
    stored = home.history if append else None
    manifest = read_json(home.history / "manifest.json", "import without --append first") if append else {}
    near = next(folder for folder in (home.path, *home.path.absolute().parents) if folder.is_dir())
    with engine(threads, memory, near=near) as (connection, scratch):
        raw, sold = _catalogue(home, catalogue, scratch)
        tell(f"checking {source}")
        inspection = Inspection(connection, Against(sold, stored, now, erased))
        report = inspect(inspection, source, scratch, max_quarantined)
        _refuse(report, append=append, accept_warnings=accept_warnings)
        with write_whole_folder(home.history) as part:
            tables = {}
            for table in TABLES:
                tell(f"writing {table.name}")
                tables[table.name] = _write_sorted(connection, table, part / f"{table.name}.parquet", sold)
            write_quarantine(connection, inspection.sieves, part / QUARANTINE, stored)
            past = manifest.get("sources", [])
            entry = source_entry(inspection, source, len(past), append=append)
            content = {"catalogue": sold.version, "sources": [*past, entry], "tables": tables}
            write_whole_json(part / "manifest.json", content)
            with write_whole(home.catalogue) as file:
                file.write_bytes(raw)
    page = home.reports / "quality.html"
    write_quality_page(report, page, title=f"Quality of the import from {source.name}")
    return ImportSummary(
        folder=home.history,
        catalogue=sold.version,
        rows={name: table["rows"] for name, table in tables.items()},
        added=entry["added"],
        quarantined={table.name: table.quarantined for table in report.tables if table.quarantined},
        erased=inspection.withheld,
        quarantine=home.history / QUARANTINE,
        page=page,
        report=report,
    )


def _refuse(report: QualityReport, *, append: bool, accept_warnings: bool) -> None:
    """Stop before anything is written."""
    if not report.ok:
        raise InputError("\n".join(report.refusal()))
    if append and report.stops and not accept_warnings:
        lines = [concern.to_text() for concern in report.stops]
        cure = "cure: look at the export; if it is right, append it with --accept-warnings"
        raise InputError("\n".join([*lines, f"the append was stopped; {cure}"]))


def _catalogue(home: Home, given: bytes | None, scratch: Path) -> tuple[bytes, Catalogue]:
    """The catalogue to use, as bytes and loaded."""
    if given is None and home.catalogue.is_file():
        return home.catalogue.read_bytes(), load_catalogue(home.catalogue)
    raw = shipped_catalogue() if given is None else given
    file = scratch / "catalogue.toml"
    file.write_bytes(raw)
    try:
        return raw, load_catalogue(file)
    except ConfigError as error:
        raise ConfigError(str(error).replace(str(file), file.name)) from error


def _write_sorted(
    connection: duckdb.DuckDBPyConnection, table: Table, path: Path, catalogue: Catalogue
) -> dict[str, Any]:
    """Write one table of the history, and return its entry of the manifest."""
    select = sorted_select(connection, table, catalogue.currency)
    connection.execute(
        f"COPY ({select}) TO {literal(path)} "
        f"(FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE {_ROW_GROUP})"
    )
    time = f'CAST("{table.time}" AS TIMESTAMPTZ)'
    span = f"SELECT count(*), min({time}), max({time}) FROM read_parquet({literal(path)})"
    [(rows, first, last)] = connection.execute(span).fetchall()
    return {
        "rows": rows,
        "first": first.isoformat() if first else None,
        "last": last.isoformat() if last else None,
        "sha256": sha256_of(path),
    }
