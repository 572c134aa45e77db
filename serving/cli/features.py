"""Verbs on features: build, materialize, describe."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from features.history.end import day_after_history
from features.home import only_writer, write_whole
from serving.cli.console import Shell, midnight, on_home, table_text

if TYPE_CHECKING:
    from features.snapshots import Build

__all__ = ["build_features", "features", "materialize_features"]

MONTHS, EVERY = 30, 3


@click.group()
def features() -> None:
    """What is known about each customer at a moment."""


@features.command()
@click.option("--as-of", metavar="DATE", help="Midnight in UTC; by default the day after the last booking.")
@click.option(
    "--months", default=MONTHS, show_default=True, type=click.IntRange(min=0), help="How far to go back."
)
@click.option(
    "--every",
    default=EVERY,
    show_default=True,
    type=click.IntRange(min=1),
    help="Months between snapshots.",
)
@click.option("--engine", metavar="NAME", help="What computes, such as duckdb or spark; all give the same.")
@click.option("--accept", is_flag=True, help="Serve the newest snapshot even if it looks broken.")
@click.option("--allow-removal", is_flag=True, help="Let fields be dropped that the last build had.")
@on_home
def build(shell: Shell, as_of: str | None, engine: str | None, **options: Any) -> None:
    """Compute every feature at a moment and at the snapshots before it that models learn from.

    Only what has changed since the last build is computed.
    """
    if engine is not None:
        options["engine"] = engine
    done = build_features(shell, as_of, **options)
    name, snapshots = done.generation.name, [f"{s:%Y-%m-%d}" for s in done.generation.snapshots]
    shell.result(
        {"generation": name, "snapshots": snapshots, "computed": done.computed, "linked": done.linked},
        f"generation {name}: {len(snapshots)} snapshots, {snapshots[0]} to {snapshots[-1]}, "
        f"{done.computed} computed and {done.linked} as they were, in {shell.home.offline / name}",
    )


@features.command()
@click.option("--allow-removal", is_flag=True, help="Let features be dropped that the champions need.")
@on_home
def materialize(shell: Shell, allow_removal: bool) -> None:
    """Put the current generation online, whole."""
    name = materialize_features(shell, allow_removal=allow_removal)
    shell.result({"generation": name}, f"generation {name} is online in {shell.home.online_db}")


@features.command()
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write an HTML page of meanings, distributions and freshness to this file instead.",
)
@on_home
def describe(shell: Shell, page: Path | None) -> None:
    """List every feature with its unit and meaning."""
    from features.catalogue import load_catalogue
    from features.families import all_families

    if page is not None:
        _describe_on_page(shell, page)
        return
    families = all_families(load_catalogue(shell.home.catalogue))
    found = {family.name: [asdict(field) for field in family.fields] for family in families}
    rows = [
        (name, f["name"], f["dtype"], f["unit"], f["meaning"]) for name, fs in found.items() for f in fs
    ]
    shell.result(found, table_text(("family", "feature", "type", "unit", "meaning"), rows))


def _describe_on_page(shell: Shell, page: Path) -> None:
    from features.pages.describe import features_page

    with shell.step("Describing the features"), write_whole(page) as part:
        part.write_text(features_page(shell.home, shell.settings))
    shell.result({"page": str(page)}, f"every feature is described in {page}")


def build_features(
    shell: Shell, as_of: str | None = None, months: int = MONTHS, every: int = EVERY, **options: Any
) -> "Build":
    """Build; `options` are those of `features.store.build`."""
    from features.store import build as build_into

    moment = day_after_history(shell.home) if as_of is None else midnight(as_of)
    with shell.step(f"Building features at {moment:%Y-%m-%d}"), only_writer(shell.home):
        return build_into(shell.home, moment, months, shell.settings, shell.tell, every, **options)


def materialize_features(shell: Shell, *, allow_removal: bool = False) -> str:
    """Materialise; returns the generation's name."""
    from features.online.materialize import materialize as materialize_into

    if not allow_removal:
        from serving.champions import refuse_removal

        refuse_removal(shell.home)
    with shell.step("Materialising features for the service"), only_writer(shell.home):
        return materialize_into(shell.home, shell.tell, shell.settings).name
