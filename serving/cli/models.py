"""Verbs on models: train, list, promote, roll back, delete, log, reproduce."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from features.errors import NotReadyError, RefusedError
from serving.access.audit import audit
from serving.cli.clock import now
from serving.cli.console import Shell, on_home, table_text, who
from serving.cli.tables import table_options, train_on_table, tuning_options
from serving.cli.trained import gates_text, judged, trained_text

if TYPE_CHECKING:
    from training.pipeline import TrainResult
    from training.tune import Budget

__all__ = [
    "NAMES",
    "OPTIONAL",
    "models",
    "promote_model",
    "promote_optional",
    "train",
    "train_model",
    "train_optional",
]

NAMES = ("churn", "value", "propensity")
OPTIONAL = ("margin", "response", "retention")
"""Models that a bank may do without: stated priors stand where its data do not carry them."""

_ALL = (*NAMES, *OPTIONAL)
_NAME = click.Choice(_ALL)


@click.command()
@click.argument("name", required=False, type=click.Choice((*_ALL, "all")))
@click.option(
    "--definition",
    help="Another definition of churn (see `tenure labels list`); product_line:card is one line alone.",
)
@click.option("--seed", default=7, show_default=True)
@tuning_options
@table_options
@on_home
def train(
    shell: Shell, name: str | None, definition: str | None, seed: int, budget: "Budget | None", table: Any
) -> None:
    """Train a model on the current features and register it as challenger, or one on a --table.

    Of `all`, margin, response and retention are left out where history does not carry them.
    """
    if (table is None) == (name is None):
        raise click.UsageError("name a model, or give a --table")
    if table is not None:
        train_on_table(shell, table, seed=seed, budget=budget)
        return
    if definition is not None and name != "churn":
        raise click.UsageError("--definition belongs to churn alone")
    names = NAMES if name == "all" else (str(name),)
    results = [train_model(shell, each, seed, definition, budget) for each in names]
    more, without = train_optional(shell, seed) if name == "all" else ([], {})
    results += more
    text = f"{gates_text(results)}\n\n{trained_text(results)}"
    told = {"without": without} if without else {}
    shell.result(
        {**{r.version.name: {**asdict(r.version), **judged(r)} for r in results}, **told},
        "\n".join((text, *(f"{each}: stated priors stand: {why}" for each, why in without.items()))),
    )


@click.group()
def models() -> None:
    """The registered models, and which of them is the champion."""


@models.command(name="list")
@on_home
def list_(shell: Shell) -> None:
    """List every version with its aliases and hash."""
    from training.registry import Registry

    versions = [v for name in _ALL for v in Registry(shell.home).versions(name)]
    rows = [(v.name, v.version, ", ".join(v.aliases), v.sha256[:12], v.run_id) for v in versions]
    shell.result(
        {"versions": [asdict(v) for v in versions]},
        table_text(("model", "version", "aliases", "sha256", "run"), rows),
    )


@models.command()
@click.argument("name", type=click.Choice((*_ALL, "all")))
@click.option("--by", help="Who promotes; by default the login name.")
@click.option("--four-eyes", is_flag=True, help="Refuse whoever trained it, as TENURE_FOUR_EYES=on does.")
@on_home
def promote(shell: Shell, name: str, by: str | None, four_eyes: bool) -> None:
    """Make the challenger the champion, if it passes the gates.

    Of `all`, margin, response and retention are left out where there is none, or it fails.
    """
    names = NAMES if name == "all" else (name,)
    strict = four_eyes or shell.settings.four_eyes
    promoted = {each: promote_model(shell, each, by, four_eyes=strict) for each in names}
    more, without = promote_optional(shell, by, four_eyes=strict) if name == "all" else ({}, {})
    promoted |= more
    lines = [f"{each}: version {found['version']} is the champion" for each, found in promoted.items()]
    lines += [f"{each}: stated priors stand: {why}" for each, why in without.items()]
    shell.result({**promoted, **({"without": without} if without else {})}, "\n".join(lines))


@models.command()
@click.argument("name", type=_NAME)
@on_home
def rollback(shell: Shell, name: str) -> None:
    """Bring back the champion before the present one."""
    from training.registry import Registry

    version = Registry(shell.home).rollback(name, who=who(), at=now())
    audit(shell.home, "rolled back", by=who(), model=name, version=version.version)
    shell.result(asdict(version), f"{name}: version {version.version} is the champion again")


@models.command()
@click.argument("name", type=_NAME)
@click.argument("version", type=click.IntRange(min=1))
@on_home
def delete(shell: Shell, name: str, version: int) -> None:
    """Delete a version that is neither in service nor one rollback away."""
    from training.registry import Registry

    deleted = Registry(shell.home).delete(name, version)
    shell.result(asdict(deleted), f"{name}: version {version} is deleted")


@models.command()
@click.argument("path", type=click.Path(file_okay=False, path_type=Path))
@on_home
def log(shell: Shell, path: Path) -> None:
    """Log a finished model that was kept because MLflow could not be used."""
    from training.pipeline import log_pending

    version = log_pending(shell.home, path)
    shell.result(asdict(version), f"{version.name}: version {version.version} is the challenger")


@models.command()
@click.argument("run_id")
@on_home
def reproduce(shell: Shell, run_id: str) -> None:
    """Train a run once more from what it recorded, and compare the bytes."""
    from training.versions.reproduce import reproduce as run_again

    with shell.step(f"Reproducing run {run_id}"):
        found = run_again(shell.home, run_id, shell.settings, shell.tell)
    shell.result(
        asdict(found),
        f"{found.name}: the same bytes\nrecorded   {found.recorded_sha256}\nreproduced "
        f"{found.reproduced_sha256}",
    )


def train_model(
    shell: Shell, name: str, seed: int, definition: str | None = None, budget: "Budget | None" = None
) -> "TrainResult":
    """Train one family."""
    from training.pipeline import train as train_family

    with shell.step(f"Training {name}"):
        return train_family(
            *(shell.home, name),
            settings=shell.settings,
            seed=seed,
            tell=shell.tell,
            definition=definition,
            who=who(),
            budget=budget,
        )


def promote_model(
    shell: Shell, name: str, by: str | None = None, *, four_eyes: bool = False
) -> dict[str, Any]:
    """Promote one family's challenger; returns the version and the gates' reasons."""
    from training.versions.promotion import promote as promote_family

    with shell.step(f"Promoting {name}"):
        version, verdict = promote_family(
            shell.home, name, who=by or who(), at=now(), tell=shell.tell, four_eyes=four_eyes
        )
    audit(shell.home, "promoted", by=by or who(), model=name, version=version.version)
    return {**asdict(version), "reasons": verdict.reasons}


def train_optional(shell: Shell, seed: int) -> "tuple[list[TrainResult], dict[str, str]]":
    """Train what the data allow of OPTIONAL; the results, and why there are none of the others."""
    results, without = [], {}
    for name in OPTIONAL:
        try:
            results.append(train_model(shell, name, seed))
        except RefusedError as error:
            without[name] = str(error)
    return results, without


def promote_optional(
    shell: Shell, by: str | None = None, *, four_eyes: bool = False
) -> tuple[dict[str, Any], dict[str, str]]:
    """Promote the challengers of OPTIONAL that pass their gates; why the others are not."""
    promoted, without = {}, {}
    for name in OPTIONAL:
        try:
            promoted[name] = promote_model(shell, name, by, four_eyes=four_eyes)
        except (NotReadyError, RefusedError) as error:
            without[name] = str(error)
    return promoted, without
