"""Training on a finished table: the options of `tenure train --table`, and what it answers."""

import functools
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from serving.cli.clock import now
from serving.cli.console import Shell, table_text

if TYPE_CHECKING:
    from training.tables.model import Request, TableResult
    from training.tune import Budget

__all__ = ["table_options", "train_on_table", "tuning_options"]

_OPTIONS = (
    click.option(
        "--table",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Train on a finished parquet or CSV file instead: one row for each id and time.",
    ),
    click.option("--id", "id_", metavar="COL", help="With --table: whom a row is about."),
    click.option("--time", metavar="COL", help="With --table: when the row was known."),
    click.option("--label", metavar="COL", help="With --table: 0 or 1, whether it happened later."),
    click.option(
        "--exclude", multiple=True, metavar="COL", help="With --table: not a feature; repeatable."
    ),
    click.option("--name", "table_name", help="With --table: what to call the model."),
    click.option(
        "--horizon-days",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="With --table: days until the label was decided.",
    ),
    click.option("--rising", multiple=True, metavar="COL", help="With --table: never lowers the answer."),
    click.option("--falling", multiple=True, metavar="COL", help="With --table: never raises the answer."),
)
_NAMES = ("table", "id_", "time", "label", "exclude", "table_name", "horizon_days", "rising", "falling")
_MEASURES = ("auc", "pr_auc", "lift_10", "brier", "calibration_slope")


def table_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of a table; they arrive as one keyword `table`, None without --table."""

    @functools.wraps(verb)
    def wrapped(*args: Any, **options: Any) -> None:
        names = (
            "table",
            "id_",
            "time",
            "label",
            "exclude",
            "table_name",
            "horizon_days",
            "rising",
            "falling",
        )
        given = {name: options.pop(name) for name in names}
        verb(*args, table=_request(**given), **options)

    return functools.reduce(lambda inner, option: option(inner), reversed(_OPTIONS), wrapped)


def tuning_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb --tune-trials and --tune-seconds; they arrive as one keyword `budget`, or None."""

    @click.option(
        "--tune-trials",
        type=click.IntRange(min=1),
        help="Parameter sets to try first; the same number gives the same model.",
    )
    @click.option(
        "--tune-seconds", type=click.FloatRange(min=0, min_open=True), help="Or seconds to try them for."
    )
    @functools.wraps(verb)
    def wrapped(*args: Any, tune_trials: int | None, tune_seconds: float | None, **options: Any) -> None:
        from training.tune import Budget

        asked = tune_trials or tune_seconds
        verb(*args, budget=Budget(tune_trials, tune_seconds) if asked else None, **options)

    return wrapped


def train_on_table(shell: Shell, request: "Request", *, seed: int, budget: "Budget | None") -> None:
    """Train on the table and say what was found and where it is."""
    from training.tables.model import train_table

    request = replace(request, budget=budget)
    with shell.step(f"Training {request.name} on {request.path}"):
        found = train_table(
            shell.home, request, now=now(), settings=shell.settings, seed=seed, tell=shell.tell
        )
    shell.result(_answer(found), _text(found))


def _request(
    table: Path | None,
    id_: str | None,
    time: str | None,
    label: str | None,
    table_name: str | None,
    horizon_days: int,
    **more: tuple[str, ...],
) -> "Request | None":
    needed = {"--id": id_, "--time": time, "--label": label, "--name": table_name}
    if table is None:
        if any(needed.values()) or any(more.values()) or horizon_days:
            raise click.UsageError("--id, --time, --label, --name and the like belong to --table")
        return None
    if id_ is None or time is None or label is None or table_name is None:
        missing = [option for option, given in needed.items() if given is None]
        raise click.UsageError(f"--table needs {', '.join(missing)} as well")
    from training.tables.model import Request
    from training.tables.table import Columns

    if both := set(more["rising"]) & set(more["falling"]):
        raise click.UsageError(f"{sorted(both)} cannot both rise and fall")
    signs = {**dict.fromkeys(more["rising"], 1), **dict.fromkeys(more["falling"], -1)}
    return Request(table, Columns(id_, time, label, more["exclude"]), table_name, horizon_days, signs)


def _answer(found: "TableResult") -> dict[str, Any]:
    verdict = {"promote": found.verdict.promote, "reasons": found.verdict.reasons}
    return {**asdict(found), "verdict": verdict, "folder": str(found.folder), "page": str(found.page)}


def _text(found: "TableResult") -> str:
    m = found.metrics
    rows = [(name, f"{m[name]:.3f}") for name in _MEASURES if name in m]
    gates = "pass it" if found.verdict.promote else "refuse it"
    return "\n".join(
        (
            table_text(("measure", "on later rows"), rows),
            f"the gates {gates}: {'; '.join(found.verdict.reasons)}",
            *(f"warning, {warning.kind}: {warning.text}" for warning in found.warned),
            *(f"left out: {name}, {why}" for name, why in found.left_out.items()),
            f"written to {found.folder}; SHA-256 {found.sha256}; not logged to the tracking server",
            f"its page: {found.page}",
        )
    )
