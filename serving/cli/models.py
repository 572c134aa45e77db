"""Verbs on models: train, list, promote, roll back."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from serving.cli.clock import now
from serving.cli.console import Shell, on_home, table_text, who

if TYPE_CHECKING:
    from training.pipeline import TrainResult

__all__ = ["NAMES", "models", "promote_model", "train", "train_model", "trained_text"]

NAMES = ("churn", "value", "propensity")
_NAME = click.Choice(NAMES)


@click.command()
@click.argument("name", type=click.Choice((*NAMES, "all")))
@click.option("--definition", help="Another definition of churn, such as closure.")
@click.option("--seed", default=7, show_default=True)
@on_home
def train(shell: Shell, name: str, definition: str | None, seed: int) -> None:
    """Train a model on the current features and register it as challenger."""
    if definition is not None and name != "churn":
        raise click.UsageError("--definition belongs to churn alone")
    names = NAMES if name == "all" else (name,)
    results = [train_model(shell, each, seed, definition) for each in names]
    shell.result(
        {r.version.name: {**asdict(r.version), **_judged(r)} for r in results}, trained_text(results)
    )


@click.group()
def models() -> None:
    """The registered models, and which of them is the champion."""


@models.command(name="list")
@on_home
def list_(shell: Shell) -> None:
    """List every version with its aliases and hash."""
    from training.registry import Registry

    versions = [v for name in NAMES for v in Registry(shell.home).versions(name)]
    rows = [(v.name, v.version, ", ".join(v.aliases), v.sha256[:12], v.run_id) for v in versions]
    shell.result(
        {"versions": [asdict(v) for v in versions]},
        table_text(("model", "version", "aliases", "sha256", "run"), rows),
    )


@models.command()
@click.argument("name", type=click.Choice((*NAMES, "all")))
@on_home
def promote(shell: Shell, name: str) -> None:
    """Make the challenger the champion, if it passes the gates."""
    promoted = {each: promote_model(shell, each) for each in (NAMES if name == "all" else (name,))}
    lines = [f"{each}: version {found['version']} is the champion" for each, found in promoted.items()]
    shell.result(promoted, "\n".join(lines))


@models.command()
@click.argument("name", type=_NAME)
@on_home
def rollback(shell: Shell, name: str) -> None:
    """Bring back the champion before the present one."""
    from training.registry import Registry

    version = Registry(shell.home).rollback(name, who=who(), at=now())
    shell.result(asdict(version), f"{name}: version {version.version} is the champion again")


def train_model(shell: Shell, name: str, seed: int, definition: str | None = None) -> "TrainResult":
    """Train one family."""
    from training.pipeline import train as train_family

    with shell.step(f"Training {name}"):
        return train_family(
            shell.home, name, settings=shell.settings, seed=seed, tell=shell.tell, definition=definition
        )


def promote_model(shell: Shell, name: str) -> dict[str, Any]:
    """Promote one family's challenger; returns the version and the gates' reasons."""
    from training.pipeline import promote as promote_family

    with shell.step(f"Promoting {name}"):
        version, verdict = promote_family(shell.home, name, who=who(), at=now(), tell=shell.tell)
    return {**asdict(version), "reasons": verdict.reasons}


def trained_text(results: "list[TrainResult]") -> str:
    """What training found, for the console."""
    rows = [
        (f"{r.version.name}/{r.version.version}", head, _main_measure(measures), f"{measures['rows']:,.0f}")
        for r in results
        for head, measures in r.metrics.items()
    ]
    lines = [
        f"{r.version.name}/{r.version.version}: the gates "
        f"{'pass it' if r.verdict.promote else 'refuse it'}: {'; '.join(r.verdict.reasons)}"
        for r in results
    ]
    left_out = [
        f"{r.version.name}/{r.version.version}: no model for {head}: {reason}"
        for r in results
        for head, reason in r.refused.items()
    ]
    return "\n".join((table_text(("model", "head", "measure", "test rows"), rows), *lines, *left_out))


def _judged(result: "TrainResult") -> dict[str, Any]:
    return {
        "metrics": result.metrics,
        "promote": result.verdict.promote,
        "reasons": result.verdict.reasons,
        "refused": result.refused,
    }


def _main_measure(measures: Any) -> str:
    for name in ("auc", "gini", "coverage", "spearman"):
        if name in measures:
            return f"{name} {measures[name]:.3f}"
    return ""
