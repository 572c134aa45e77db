"""`tenure monitor`: whether the champions still look at the world that they learned."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from serving.cli.console import Shell, on_home, table_text
from serving.cli.models import NAMES

if TYPE_CHECKING:
    from training.monitor import Health

__all__ = ["monitor"]

_SHOWN = 3


@click.command()
@on_home
def monitor(shell: Shell) -> None:
    """Compare today's customers with those that the champions were tested on."""
    from training.monitor import health

    found = [health(shell.home, name) for name in NAMES]
    shell.result(
        {h.model: {**asdict(h), "drifted": [d.name for d in h.drifted]} for h in found}, _text(found)
    )


def _text(found: "list[Health]") -> str:
    from training.monitor import DRIFTED

    rows = [
        (
            f"{h.model}/{h.version}",
            f"{h.reference:%Y-%m-%d}",
            f"{h.as_of:%Y-%m-%d}",
            ", ".join(f"{d.name} {d.psi:.2f}" for d in (*h.scores[:1], *h.features[:_SHOWN])),
            f"{len(h.drifted)}",
            f"{h.matures:%Y-%m-%d}",
        )
        for h in found
    ]
    columns = ("model", "tested at", "today", "largest shifts (PSI)", "drifted", "labels mature")
    return f"{table_text(columns, rows)}\ndrifted: population stability index of at least {DRIFTED}"
