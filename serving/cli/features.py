"""Verbs on features: build, materialize, describe."""

from dataclasses import asdict

import click

from features.catalogue import load_catalogue
from features.home import only_writer
from serving.cli.console import Shell, midnight, on_home, table_text
from serving.cli.history import day_after_history

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
@on_home
def build(shell: Shell, as_of: str | None, months: int, every: int) -> None:
    """Compute every feature at a moment and at the snapshots before it that models learn from."""
    name, snapshots = build_features(shell, as_of, months, every)
    shell.result(
        {"generation": name, "snapshots": snapshots},
        f"generation {name}: {len(snapshots)} snapshots, {snapshots[0]} to {snapshots[-1]}, "
        f"in {shell.home.offline}",
    )


@features.command()
@on_home
def materialize(shell: Shell) -> None:
    """Put the current generation online, whole."""
    name = materialize_features(shell)
    shell.result({"generation": name}, f"generation {name} is online in {shell.home.online_db}")


@features.command()
@on_home
def describe(shell: Shell) -> None:
    """List every feature with its unit and meaning."""
    from features.families import all_families

    families = all_families(load_catalogue(shell.home.catalogue))
    found = {family.name: [asdict(field) for field in family.fields] for family in families}
    rows = [
        (name, f["name"], f["dtype"], f["unit"], f["meaning"]) for name, fs in found.items() for f in fs
    ]
    shell.result(found, table_text(("family", "feature", "type", "unit", "meaning"), rows))


def build_features(
    shell: Shell, as_of: str | None = None, months: int = MONTHS, every: int = EVERY
) -> tuple[str, list[str]]:
    """Build; returns the generation's name and its snapshots."""
    from features.store import build as build_into

    moment = day_after_history(shell.home) if as_of is None else midnight(as_of)
    with shell.step(f"Building features at {moment:%Y-%m-%d}"), only_writer(shell.home):
        generation = build_into(shell.home, moment, months, shell.settings, shell.tell, every)
    return generation.name, [f"{snapshot:%Y-%m-%d}" for snapshot in generation.snapshots]


def materialize_features(shell: Shell) -> str:
    """Materialise; returns the generation's name."""
    from features.store import materialize as materialize_into

    with shell.step("Materialising features for the service"), only_writer(shell.home):
        return materialize_into(shell.home, shell.tell).name
