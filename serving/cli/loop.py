"""Let the simulated bank live on after a list, and bring back what became of it."""

from typing import TYPE_CHECKING

import click

from features.errors import NotReadyError
from serving.cli.console import Shell, on_home
from serving.cli.history import import_summary
from serving.decisions import TARGET, latest_list, read_decisions

if TYPE_CHECKING:
    from serving.outcomes import OutcomeSummary

__all__ = ["advance", "live_on"]


@click.command()
@click.option("--list", "list_id", help="Whose target group is contacted; by default the latest list.")
@click.option("--months", default=3, show_default=True, type=click.IntRange(min=1))
@on_home
def advance(shell: Shell, list_id: str | None, months: int) -> None:
    """Let the simulated bank live on after a list, and import history and outcomes."""
    summary = live_on(shell, list_id or latest_list(shell.home.decisions_db), months)
    shell.result(
        {"rows": summary.rows, "new": summary.new, "kinds": dict(summary.kinds)},
        f"{months} months later: {summary.new:,} new outcomes; next: tenure outcomes report",
    )


def live_on(shell: Shell, list_id: str, months: int) -> "OutcomeSummary":
    """Contact the list's target group in the simulated bank, and import what followed.

    Raises
    ------
    NotReadyError
        If this home is not a simulated bank's, or the list is unknown.
    """
    import pandas as pd

    from features.simulate import advance as advance_bank
    from serving.outcomes import import_outcomes

    home = shell.home
    if not home.truth.is_dir():
        raise NotReadyError(f"{home.truth}: not a simulated bank; cure: run `tenure simulate`")
    decisions = read_decisions(home.decisions_db, list_id)
    contacts = pd.DataFrame(
        [(d.decision_id, d.customer_id, d.product, d.channel, d.arm == TARGET) for d in decisions],
        columns=["decision_id", "customer_id", "product", "channel", "contacted"],
    )
    folder = home.path / "simulated" / f"after-{list_id}"
    with shell.step(f"Contacting the target group, then {months} months pass"):
        advance_bank(folder, home.truth, contacts, months=months, tell=shell.tell)
    import_summary(shell, folder, None, append=True)
    with shell.step("Importing outcomes"):
        return import_outcomes(folder / "outcomes.csv", home.decisions_db, shell.tell)
