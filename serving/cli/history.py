"""Verbs on history: simulate a bank, check a folder, import one."""

import tempfile
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.catalogue import load_catalogue
from features.errors import InputError
from features.home import Home, only_writer, read_json
from serving.cli.console import Shell, midnight, on_home, table_text

if TYPE_CHECKING:
    from features.history.load import ImportSummary

__all__ = ["END", "check", "day_after_history", "import_", "import_summary", "simulate", "simulate_bank"]

_FOLDER = click.Path(file_okay=False, path_type=Path)
END = "2026-01-01"


@click.command()
@click.option("--customers", default=20_000, show_default=True, type=click.IntRange(min=1))
@click.option("--months", default=36, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same bank.")
@click.option("--end", default=END, show_default=True, metavar="DATE", help="Where its history ends.")
@on_home
def simulate(shell: Shell, customers: int, months: int, seed: int, end: str) -> None:
    """Simulate a bank and import it; what is true of it is written apart, to truth/."""
    folder = simulate_bank(shell, customers, months, seed, midnight(end))
    _import(shell, folder, None, append=False)


@click.command()
@click.argument("folder", type=_FOLDER, required=False)
@click.option("--catalogue", type=click.Path(dir_okay=False, path_type=Path), help="Of the folder's bank.")
@on_home
def check(shell: Shell, folder: Path | None, catalogue: Path | None) -> None:
    """Check a folder of history tables, by default the imported history; exit code 2 on problems."""
    from features.history.check import check_folder

    shipped = Path(str(files("features").joinpath("catalogue.toml")))
    own = shell.home.catalogue if shell.home.catalogue.is_file() else shipped
    report = check_folder(
        folder or shell.home.history,
        load_catalogue(catalogue or own),
        threads=shell.settings.threads,
        memory=shell.settings.memory,
    )
    shell.result(report.to_dict(), report.to_text())
    if not report.ok:
        raise SystemExit(InputError.exit_code)


@click.group(name="import")
def import_() -> None:
    """Make a folder of tables the bank's history."""


@import_.command(name="files")
@click.option("--from", "source", type=_FOLDER, required=True, help="Tables as parquet or CSV.")
@click.option("--catalogue", type=click.Path(dir_okay=False, path_type=Path), help="What the bank sells.")
@click.option("--append", is_flag=True, help="Add to the history that is there.")
@on_home
def import_files(shell: Shell, source: Path, catalogue: Path | None, append: bool) -> None:
    """Import tables that follow the history contract."""
    if catalogue is not None:
        load_catalogue(catalogue)
    _import(shell, source, catalogue.read_bytes() if catalogue else None, append=append)


@import_.command(name="berka")
@click.option("--from", "source", type=_FOLDER, required=True, help="The tables of the Berka bank.")
@on_home
def import_berka(shell: Shell, source: Path) -> None:
    """Import the Berka bank: 4,310 real customers of a Czech bank, 1993 to 1997."""
    from features.history.berka import berka_catalogue, map_berka

    with tempfile.TemporaryDirectory() as scratch:
        with shell.step("Mapping onto the history contract"):
            map_berka(source, Path(scratch), shell.tell)
        _import(shell, Path(scratch), berka_catalogue(), append=False)


def simulate_bank(shell: Shell, customers: int, months: int, seed: int, end: datetime) -> Path:
    """Simulate; returns the folder of the tables."""
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
        )
    return folder


def import_summary(shell: Shell, source: Path, catalogue: bytes | None, *, append: bool) -> "ImportSummary":
    """Check and import a folder."""
    from features.history.load import import_folder

    with shell.step("Checking and importing"), only_writer(shell.home):
        return import_folder(
            source,
            shell.home,
            catalogue,
            append=append,
            threads=shell.settings.threads,
            memory=shell.settings.memory,
            tell=shell.tell,
        )


def _import(shell: Shell, source: Path, catalogue: bytes | None, *, append: bool) -> None:
    summary = import_summary(shell, source, catalogue, append=append)
    rows = [(name, f"{count:,}", f"{summary.added[name]:,}") for name, count in summary.rows.items()]
    text = f"{table_text(('table', 'rows', 'new'), rows)}\nwritten to {summary.folder}"
    shell.result(summary.to_dict(), text)


def day_after_history(home: Home) -> datetime:
    """The midnight after the last booking: the latest moment at which features are complete.

    Raises
    ------
    NotReadyError
        If nothing was imported yet.
    """
    manifest = read_json(home.history / "manifest.json", cure="run `tenure simulate` or `tenure import`")
    last = datetime.fromisoformat(manifest["tables"]["transactions"]["last"])
    return last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
