"""Verbs on history: simulate a bank, check a folder, import one."""

import tempfile
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from features.errors import InputError
from features.home import only_writer
from serving.cli.clock import now
from serving.cli.console import Shell, midnight, on_home, table_text

if TYPE_CHECKING:
    from features.history.load import ImportSummary

__all__ = ["END", "check", "import_", "import_summary", "simulate", "simulate_bank"]

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_SHARE = click.FloatRange(0, 1)
_SHARE_HELP = "Share of a table's rows that may break the contract; by default TENURE_MAX_QUARANTINED."
END = "2026-01-01"


@dataclass(frozen=True)
class _Choices:
    """What whoever imports decides: the moment, how much may be quarantined, whether warnings stop."""

    now: datetime | None
    max_quarantined: float
    accept_warnings: bool


@click.command()
@click.option("--customers", default=20_000, show_default=True, type=click.IntRange(min=1))
@click.option("--months", default=36, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same bank.")
@click.option("--end", default=END, show_default=True, metavar="DATE", help="Where its history ends.")
@click.option(
    "--drift",
    default="none",
    show_default=True,
    metavar="none|economy|channel|product",
    help="Which laws of the bank's world change.",
)
@click.option("--drift-month", type=int, help="From which month on, 1 the first; by default the middle.")
@click.option(
    "--truth-months",
    type=int,
    help="Months that truth/monthly.parquet tells; by default all, of more than 100,000 customers 3.",
)
@on_home
def simulate(shell: Shell, customers: int, months: int, seed: int, end: str, **more: Any) -> None:
    """Simulate a bank and import it; what is true of it is written apart, to truth/."""
    folder = simulate_bank(shell, customers, months, seed, midnight(end), **more)
    _import(shell, folder, None, append=False)


@click.command()
@click.argument("folder", type=_FOLDER, required=False)
@click.option("--catalogue", type=_FILE, help="Of the folder's bank.")
@click.option("--max-quarantined", type=_SHARE, help=_SHARE_HELP)
@click.option("--page", type=_FILE, help="Write the report as a page, with pictures.")
@on_home
def check(
    shell: Shell,
    folder: Path | None,
    catalogue: Path | None,
    max_quarantined: float | None,
    page: Path | None,
) -> None:
    """Check a folder of history tables, by default the imported history.

    Exit code 2 where it could not be imported, or is damaged.
    """
    from features.catalogue import load_catalogue
    from features.history.check import check_folder
    from features.history.page import write_quality_page

    shipped = Path(str(files("features").joinpath("catalogue.toml")))
    own = shell.home.catalogue if shell.home.catalogue.is_file() else shipped
    report = check_folder(
        folder or shell.home.history,
        load_catalogue(catalogue or own),
        threads=shell.settings.threads,
        memory=shell.settings.memory,
        max_quarantined=_limit(shell, max_quarantined),
        now=now() if folder else None,
    )
    if page is not None:
        write_quality_page(report, page, f"Quality of {(folder or shell.home.history).name}")
        shell.tell(f"written to {page}")
    shell.result(report.to_dict(), report.to_text())
    if not report.ok:
        raise SystemExit(InputError.exit_code)


@click.group(name="import")
def import_() -> None:
    """Make a folder of tables the bank's history."""


@import_.command(name="files")
@click.option("--from", "source", type=_FOLDER, required=True, help="Tables as parquet or CSV.")
@click.option("--catalogue", type=_FILE, help="What the bank sells.")
@click.option("--append", is_flag=True, help="Add to the history that is there.")
@click.option("--max-quarantined", type=_SHARE, help=_SHARE_HELP)
@click.option("--accept-warnings", is_flag=True, help="Append though bookings fell or a column is empty.")
@on_home
def import_files(
    shell: Shell,
    source: Path,
    catalogue: Path | None,
    append: bool,
    max_quarantined: float | None,
    accept_warnings: bool,
) -> None:
    """Import tables that follow the history contract; rows that break it go to quarantine."""
    if catalogue is not None:
        from features.catalogue import load_catalogue

        load_catalogue(catalogue)
    given = catalogue.read_bytes() if catalogue else None
    choices = _Choices(now(), _limit(shell, max_quarantined), accept_warnings)
    _import(shell, source, given, append=append, choices=choices)


@import_.command(name="berka")
@click.option("--from", "source", type=_FOLDER, required=True, help="The tables of the Berka bank.")
@on_home
def import_berka(shell: Shell, source: Path) -> None:
    """Import the Berka bank: 4,310 real customers of a Czech bank, 1993 to 1997."""
    from features.history.berka import berka_catalogue, map_berka

    with tempfile.TemporaryDirectory() as scratch:
        with shell.step("Mapping onto the history contract"):
            map_berka(source, Path(scratch), shell.tell)
        choices = _Choices(now(), shell.settings.max_quarantined, accept_warnings=False)
        _import(shell, Path(scratch), berka_catalogue(), append=False, choices=choices)


def simulate_bank(shell: Shell, customers: int, months: int, seed: int, end: datetime, **more: Any) -> Path:
    """Simulate, with `more` for `features.simulate.simulate`; returns the folder of the tables."""
    from features.simulate import simulate as simulate_into

    folder = shell.home.path / "simulated" / "start"
    with shell.step(f"Simulating {customers:,} customers over {months} months"):
        simulate_into(
            folder,
            shell.home.truth,
            customers=customers,
            months=months,
            seed=seed,
            end=end,
            tell=shell.tell,
            **more,
        )
    return folder


def import_summary(
    shell: Shell,
    source: Path,
    catalogue: bytes | None,
    *,
    append: bool,
    choices: "_Choices | None" = None,
) -> "ImportSummary":
    """Check and import a folder; without choices, that of a simulated bank, whose time is its own."""
    from features.history.load import import_folder
    from features.tombstones import Tombstones

    choices = choices or _Choices(None, shell.settings.max_quarantined, accept_warnings=True)
    stones = Tombstones.of(shell.home, shell.settings.salt)

    with shell.step("Checking and importing"), only_writer(shell.home):
        return import_folder(
            source,
            shell.home,
            catalogue,
            append=append,
            threads=shell.settings.threads,
            memory=shell.settings.memory,
            tell=shell.tell,
            now=choices.now,
            max_quarantined=choices.max_quarantined,
            accept_warnings=choices.accept_warnings,
            erased=stones.among if stones.at else None,
        )


def _import(
    shell: Shell,
    source: Path,
    catalogue: bytes | None,
    *,
    append: bool,
    choices: "_Choices | None" = None,
) -> None:
    summary = import_summary(shell, source, catalogue, append=append, choices=choices)
    set_aside = summary.quarantined
    rows = [
        (name, f"{count:,}", f"{summary.added[name]:,}", f"{set_aside.get(name, 0):,}")
        for name, count in summary.rows.items()
    ]
    lines = [table_text(("table", "rows", "new", "quarantined"), rows)]
    lines += [f"WARNING {concern.to_text()}" for concern in summary.report.concerns]
    lines += [f"QUARANTINE {fault.to_text()}" for fault in summary.report.faults]
    if set_aside:
        total = sum(set_aside.values())
        lines.append(f"{total:,} rows are in quarantine, with the reasons: {summary.quarantine}")
    if summary.erased:
        lines.append(f"{sum(summary.erased.values()):,} rows of erased customers were left out")
    lines += [f"written to {summary.folder}", f"quality page: {summary.page}"]
    shell.result(summary.to_dict(), "\n".join(lines))


def _limit(shell: Shell, given: float | None) -> float:
    return shell.settings.max_quarantined if given is None else given
