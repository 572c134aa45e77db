"""Verbs on scores: score customers, serve scores."""

import os
import sys
from tempfile import mkdtemp
from typing import Any

import click

from features.errors import InputError
from serving.cli.console import Shell, on_home
from serving.cli.keys import first_key

__all__ = ["score", "score_everybody", "serve"]

SERVICE = "serving.service:TenureService"


@click.command()
@click.option("--all", "everybody", is_flag=True, help="Every customer of the current snapshot.")
@click.option("--id", "ids", multiple=True, help="One customer, as the service would answer; may repeat.")
@on_home
def score(shell: Shell, everybody: bool, ids: tuple[str, ...]) -> None:
    """Score customers by the champions."""
    if everybody == bool(ids):
        raise InputError("name whom to score; cure: either --all, or --id ID")
    if everybody:
        summary = score_everybody(shell)
        text = ", ".join(f"{count:,} {status}" for status, count in sorted(summary["status"].items()))
        shell.result(summary, f"{summary['rows']:,} customers: {text}\nwritten to {summary['file']}")
        return
    from serving.api.edge import new_id
    from serving.api.render import scores_answer
    from serving.cli.clock import now
    from serving.live import load_live
    from serving.steps import run

    clock = None if shell.home.simulated else now
    live = load_live(shell.home, clock, shell.settings.online)
    answer = scores_answer(new_id(now()), run(live.steps(ids, with_reasons=True)))
    shell.result(answer.model_dump(), answer.model_dump_json(indent=2))


@click.command()
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Processes; one a core at most.",
)
@on_home
def serve(shell: Shell, port: int, host: str, workers: int) -> None:
    """Answer over HTTP until stopped: POST /v1/scores, documentation at /docs."""
    key = first_key(shell, host)
    made = f"The first key of this bank, shown only now:\n  export TENURE_KEY={key}\n" if key else ""
    shell.result(
        {"url": f"http://{host}:{port}", "home": str(shell.home.path), **({"key": key} if key else {})},
        f"{made}Tenure on http://{host}:{port}, documentation at /docs; stop it with Ctrl-C",
    )
    sys.stdout.flush()
    # `env` hands the home over; the server takes this process's place, so signals reach it.
    # BentoML empties the folder of metrics below its home at every start: another service's too.
    settings = (
        f"TENURE_HOME={shell.home.path}",
        f"BENTOML_HOME={mkdtemp(prefix='tenure-serve-')}",
        f"BENTOML_CONFIG_OPTIONS=services.tenure.workers={workers}",
    )
    command = ["/usr/bin/env", *settings, sys.executable, "-m", "bentoml", "serve"]
    os.execv(command[0], [*command, SERVICE, "--host", host, "--port", str(port)])  # noqa: S606


def score_everybody(shell: Shell) -> dict[str, Any]:
    """Score every customer; returns the manifest."""
    from serving.batch import score_all
    from serving.champions import load_scorer

    with shell.step("Scoring every customer"):
        return score_all(shell.home, load_scorer(shell.home), shell.tell).to_dict()
