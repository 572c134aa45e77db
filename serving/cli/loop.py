"""Let the simulated bank live on after a list or a plan, and bring back what became of it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from features.catalogue import load_catalogue
from features.errors import NotReadyError
from serving.cli.console import Shell, on_home
from serving.cli.history import import_summary
from serving.log.decisions import latest_campaign, read_decisions

if TYPE_CHECKING:
    from serving.log.outcome_file import OutcomeSummary

__all__ = ["advance", "live_on"]


@click.command()
@click.option("--list", "list_id", help="List or plan whose contacts are made; by default the latest.")
@click.option("--months", default=3, show_default=True, type=click.IntRange(min=1))
@on_home
def advance(shell: Shell, list_id: str | None, months: int) -> None:
    """Let the simulated bank live on after a list or a plan, and import history and outcomes."""
    summary = live_on(shell, list_id or latest_campaign(shell.home.decisions_db), months)
    shell.result(
        {"rows": summary.rows, "new": summary.new, "kinds": dict(summary.kinds)},
        f"{months} months later: {summary.new:,} new outcomes; next: tenure outcomes report",
    )


def live_on(shell: Shell, list_id: str, months: int) -> "OutcomeSummary":
    """Contact whom a list or a plan contacts in the simulated bank, and import what followed.

    Raises
    ------
    NotReadyError
        If this home is not a simulated bank's, or the list is unknown.
    """
    import pandas as pd

    from features.simulate import advance as advance_bank
    from serving.log.outcome_file import import_outcomes

    home = shell.home
    if not home.truth.is_dir():
        raise NotReadyError(f"{home.truth}: not a simulated bank; cure: run `tenure simulate`")
    decisions = read_decisions(home.decisions_db, list_id)
    offers = load_catalogue(home.catalogue).offers
    retention = {name for name, offer in offers.items() if offer.kind == "retention"}
    contacts = pd.DataFrame([asdict(d) for d in decisions])
    contacts["contacted"] = contacts["action"] != ""
    # The simulated bank knows the other offers by their product.
    contacts["offer"] = contacts["offer"].where(contacts["offer"].isin(retention), "")
    folder = home.path / "simulated" / f"after-{list_id}"
    with shell.step(f"Contacting whom it says, then {months} months pass"):
        advance_bank(folder, home.truth, contacts, months=months, tell=shell.tell)
    import_summary(shell, folder, None, append=True)
    with shell.step("Importing outcomes"):
        return import_outcomes(folder / "outcomes.csv", home.decisions_db, shell.tell)
