"""Import a checked folder into a home: derive, sort by customer, write whole."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from features.catalogue import load_catalogue, shipped_catalogue
from features.errors import ConfigError, InputError
from features.history.check import inspect
from features.history.contract import TABLES, Table
from features.history.derive import sorted_select
from features.history.engine import engine, literal
from features.history.quality import QualityReport
from features.history.tables import find_files
from features.home import Home, read_json, write_whole, write_whole_folder, write_whole_json
from features.vocabulary import Catalogue

__all__ = ["ImportSummary", "import_folder"]

_ROW_GROUP = 122_880
"""DuckDB's own vector-aligned size; small enough that a range of customers prunes row groups."""


@dataclass(frozen=True)
class ImportSummary:
    """What an import left in `folder`: rows a table, and how many of them are new."""

    folder: Path
    catalogue: str
    rows: dict[str, int]
    added: dict[str, int]
    report: QualityReport

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain JSON values."""
        return {**asdict(self), "folder": str(self.folder), "report": self.report.to_dict()}


def import_folder(
    source: Path,
    home: Home,
    catalogue: bytes | None,
    *,
    append: bool,
    threads: int,
    memory: str,
    tell: Callable[[str], None],
) -> ImportSummary:
    """Check a folder of contract tables, and make it (or add it to) the history of a home.

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

    Raises
    ------
    InputError
        With every problem of the folder; nothing was written.
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
        report = inspect(connection, source, sold, scratch, stored)
        if not report.ok:
            raise InputError("\n".join(problem.to_text() for problem in report.problems))
        with write_whole_folder(home.history) as part:
            tables = {}
            for table in TABLES:
                tell(f"writing {table.name}")
                tables[table.name] = _write_sorted(connection, table, part / f"{table.name}.parquet", sold)
            sources = [*manifest.get("sources", []), _source(source, append=append)]
            content = {"catalogue": sold.version, "sources": sources, "tables": tables}
            write_whole_json(part / "manifest.json", content)
            with write_whole(home.catalogue) as file:
                file.write_bytes(raw)
    rows = {name: table["rows"] for name, table in tables.items()}
    before = {name: table["rows"] for name, table in manifest.get("tables", {}).items()}
    added = {name: count - before.get(name, 0) for name, count in rows.items()}
    return ImportSummary(home.history, sold.version, rows, added, report)


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
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
    )
    time = f'CAST("{table.time}" AS TIMESTAMPTZ)'
    span = f"SELECT count(*), min({time}), max({time}) FROM read_parquet({literal(path)})"
    [(rows, first, last)] = connection.execute(span).fetchall()
    return {
        "rows": rows,
        "first": first.isoformat() if first else None,
        "last": last.isoformat() if last else None,
        "sha256": _sha256(path),
    }


def _source(folder: Path, *, append: bool) -> dict[str, Any]:
    files = [path for table in TABLES for path in find_files(folder, table)]
    return {"append": append, "files": {path.name: _sha256(path) for path in files}}


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
