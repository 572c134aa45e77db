"""`tenure lists check`: whether every offer, channel, segment and tier can win for somebody."""

from typing import TYPE_CHECKING

import click

from serving.cli.console import Shell, on_home, table_text

if TYPE_CHECKING:
    from serving.deciding.reach import Reach

__all__ = ["check_reach"]


@click.command(name="check")
@on_home
def check_reach(shell: Shell) -> None:
    """Say which offers, channels, segments and tiers win for whom, and which cannot win for anybody."""
    from serving.deciding.reach import reach

    with shell.step("Checking catalogue and policy on today's customers"):
        found = reach(shell.home).told(shell.settings.min_group)
    shell.result(found.to_dict(), _text(found))


def _text(found: "Reach") -> str:
    rows = [(e.kind, e.name, _count(e.allowed), _count(e.wins), e.why) for e in found.entries]
    dead = ", ".join(entry.name for entry in found.dead)
    verdict = (
        f"{len(found.dead)} entries win for nobody, or too few: {dead}"
        if dead
        else "every entry wins for somebody"
    )
    return (
        f"{table_text(('kind', 'name', 'allowed', 'wins', 'why not'), rows)}\n"
        f"{found.customers:,} customers, by stated priors, without budgets and capacities: {verdict}"
    )


def _count(count: int | None) -> str:
    return "few" if count is None else f"{count:,}"
