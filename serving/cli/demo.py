"""`tenure demo`: the whole loop on a simulated bank, from history to what a list earned."""

import re
import shlex
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from features.home import write_whole
from serving.cli.console import Shell, midnight, on_home
from serving.cli.features import build_features, materialize_features
from serving.cli.history import END, import_summary, simulate_bank
from serving.cli.lists import pull_list, rows_text
from serving.cli.loop import live_on
from serving.cli.models import NAMES, promote_model, promote_optional, train_model, train_optional
from serving.cli.outcomes import earned_text
from serving.cli.scores import score_everybody
from serving.cli.trained import trained_text

if TYPE_CHECKING:
    from serving.lists.pull import PulledList
    from serving.results.earned import Earned

__all__ = ["demo"]

_MONTHS_AFTER = 3
_CONTROL = 0.25
"""Share of the demo's list that is left alone; a bank's own lists keep to its policy."""


@click.command()
@click.option("--customers", default=20_000, show_default=True, type=click.IntRange(min=200))
# Value needs a year to learn from, a year to test on, and half a year of observation before.
@click.option("--months", default=36, show_default=True, type=click.IntRange(min=30))
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same bank.")
@click.option("--product", default="card", show_default=True, help="What the list offers.")
@on_home
def demo(shell: Shell, customers: int, months: int, seed: int, product: str) -> None:
    """Run the whole loop on a simulated bank, and show what a list earned."""
    started = perf_counter()
    folder = simulate_bank(shell, customers, months, seed, midnight(END))
    import_summary(shell, folder, None, append=False)
    build_features(shell)
    materialize_features(shell)
    trained = [train_model(shell, name, seed) for name in NAMES]
    trained += train_optional(shell, seed)[0]
    for name in NAMES:
        promote_model(shell, name)
    promote_optional(shell)
    score_everybody(shell)
    out = shell.home.lists / f"demo-{product}.csv"
    _leave_more_alone(shell)
    pulled = pull_list(shell, product, max(100, customers // 10), out, "demo")
    live_on(shell, pulled.manifest.list_id, _MONTHS_AFTER)
    from serving.results.campaigns import report

    earned = report(shell.home.decisions_db, pulled.manifest.list_id)
    seconds = perf_counter() - started
    shell.result(
        {"seconds": round(seconds, 1), "list": pulled.manifest.to_dict(), "earned": earned.to_dict()},
        _text(shell, trained_text(trained), pulled, out, earned, seconds),
    )


def _leave_more_alone(shell: Shell) -> None:
    """Give a new home a policy whose control groups are large enough for a list of this size to tell."""
    shipped = files("serving").joinpath("policy.toml").read_text()
    if not shell.home.policy.is_file():
        with write_whole(shell.home.policy) as part:
            part.write_text(re.sub(r"(?m)^control_share = \S+", f"control_share = {_CONTROL}", shipped))


def _text(
    shell: Shell, trained: str, pulled: "PulledList", out: Path, earned: "Earned", seconds: float
) -> str:
    from features.catalogue import load_catalogue

    label = load_catalogue(shell.home.catalogue).products[earned.product].label
    home = shlex.quote(str(shell.home.path))
    somebody = shlex.quote(pulled.rows[0].customer_id)
    body = f'{{"customer_ids": ["{pulled.rows[0].customer_id}"], "reasons": true}}'
    return f"""
What was learnt (out of time)
{trained}

Target list for: {label} ({out})
{rows_text(pulled.rows[:5])}

What the list earned in {_MONTHS_AFTER} months
{earned_text(earned)}

The whole loop took {seconds:.0f} s. Try next:
  tenure score --id {somebody} --home {home}
  tenure features build --home {home}    # the bank has lived on
  tenure features materialize --home {home} && tenure score --all --home {home}
  tenure lists pull --product loan --size 500 --out loans.csv --home {home}
  tenure serve --home {home}
  curl -s http://127.0.0.1:3000/v1/scores -H "Authorization: Bearer $TENURE_KEY" \\
    -H 'Content-Type: application/json' \\
    -d '{body}'"""
