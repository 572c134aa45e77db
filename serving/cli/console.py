"""What every verb shares: the home, progress on stderr, and one result on stdout."""

import functools
import json
import os
import pwd
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from features.errors import InputError
from features.home import Home, home_of, recover
from features.settings import Settings, read_settings

__all__ = ["Shell", "midnight", "on_home", "table_text", "who"]


@dataclass(frozen=True)
class Shell:
    """One verb's run: its settings, and where it speaks."""

    settings: Settings
    as_json: bool
    errors: Console

    @property
    def home(self) -> Home:
        """The bank that the verb works on."""
        return home_of(self.settings)

    def tell(self, line: str) -> None:
        """One line of progress."""
        self.errors.print(f"  {line}", style="dim", markup=False, highlight=False)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Name a step, and say how long it took."""
        self.errors.print(title, style="bold", markup=False, highlight=False)
        started = perf_counter()
        with self.errors.status(Text(title)):
            yield
        self.tell(f"{perf_counter() - started:.1f} s")

    def result(self, found: Mapping[str, Any], text: str) -> None:
        """The verb's one result: an object with --json, else text."""
        # A missing number is null: NaN is not JSON.
        click.echo(json.dumps(_finite(found), allow_nan=False, default=str) if self.as_json else text)


def on_home(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options --home and --json, and a Shell as its first argument."""

    @click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        help="The bank's folder; by default TENURE_HOME, or var/.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
    @functools.wraps(verb)
    def wrapped(*args: Any, home: Path | None, as_json: bool, **options: Any) -> None:
        settings = read_settings()
        if home is not None:
            settings = replace(settings, home=home.resolve())
        recover(Home(settings.home))
        verb(Shell(settings, as_json, Console(stderr=True)), *args, **options)

    return wrapped


def table_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as plain text, for stdout."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console = Console(width=160, color_system=None)
    with console.capture() as captured:
        console.print(table, markup=False, highlight=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def who() -> str:
    """The login name of whoever runs the command."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def midnight(text: str) -> datetime:
    """A date as a UTC midnight.

    Raises
    ------
    InputError
        If it is not a date.

    >>> midnight("2026-01-31").isoformat()
    '2026-01-31T00:00:00+00:00'
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InputError(f"'{text}' is not a date; cure: write it as 2026-01-31") from None


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
