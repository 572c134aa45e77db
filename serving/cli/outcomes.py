"""Verbs on what became of decisions: outcomes come in, and reports say what they mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from serving.cli.console import Shell, on_home, table_text
from serving.log.decisions import TARGET

if TYPE_CHECKING:
    from serving.results.campaigns import EarnedByModels
    from serving.results.earned import Earned
    from serving.results.evaluation import PolicyReport

__all__ = ["earned_text", "outcomes"]


@click.group()
def outcomes() -> None:
    """What became of decisions."""


@outcomes.command(name="import")
@click.option("--from", "source", type=click.Path(dir_okay=False, path_type=Path), required=True)
@on_home
def import_(shell: Shell, source: Path) -> None:
    """Add outcomes from a CSV file: outcome_id, decision_id, customer_id, at, kind, known_at."""
    from dataclasses import asdict

    from features.tombstones import Tombstones
    from serving.log.outcome_file import import_outcomes

    log, limit = shell.home.decisions_db, shell.settings.max_quarantined
    stones = Tombstones.of(shell.home, shell.settings.salt)
    summary = import_outcomes(source, log, shell.tell, max_quarantined=limit, erased=stones.among)
    shell.result(asdict(summary), f"{summary.rows:,} outcomes, {summary.new:,} of them new, in {log}")


@outcomes.command()
@click.option("--campaign", "--list", help="Id of a list or plan, or 'live'; by default the latest.")
@click.option(
    "--by",
    type=click.Choice(["campaign", "arm", "model"]),
    help="Every campaign, the arms of one, or the models behind them all.",
)
@on_home
def report(shell: Shell, campaign: str | None, by: str | None) -> None:
    """Say what a list or plan earned against those who were left alone."""
    from serving.log.decisions import latest_campaign
    from serving.results.campaigns import earned_by_arm, earned_by_campaign, earned_by_models
    from serving.results.campaigns import report as report_on

    log = shell.home.decisions_db
    if by == "model":
        models = earned_by_models(log, shell.tell)
        shell.result({"by": by, "groups": [e.to_dict() for e in models]}, _models_text(models))
    elif by:
        of_one = campaign or (latest_campaign(log) if by == "arm" else None)
        found = (
            earned_by_arm(log, of_one) if of_one and by == "arm" else earned_by_campaign(log, shell.tell)
        )
        shell.result({"by": by, "groups": [e.to_dict() for e in found]}, _groups_text(found))
    else:
        earned = report_on(log, campaign or latest_campaign(log))
        shell.result(earned.to_dict(), earned_text(earned))


@outcomes.command()
@click.option("--campaign", help="Id of a list or plan, or 'live'; by default the latest.")
@on_home
def policy(shell: Shell, campaign: str | None) -> None:
    """Estimate what other ways to decide would have earned, from the log of one campaign."""
    from features.errors import TenureError
    from serving.log.decisions import latest_campaign
    from serving.results.evaluation import evaluate
    from serving.results.followed import followed
    from serving.results.ways import other_ways

    log = shell.home.decisions_db
    name = campaign or latest_campaign(log)
    ways: dict[str, dict[str, str]] = {}
    if followed(log, name)["kind"].eq("plan").all():
        try:
            ways = other_ways(shell.home, name)
        except TenureError as error:
            shell.tell(str(error))
    found = evaluate(log, name, ways)
    shell.result(found.to_dict(), _policy_text(found))


def earned_text(e: "Earned") -> str:
    """What one arm earned against another, for the console."""
    rows = (
        (e.arm, f"{e.target:,}", f"{e.target_takers:,}", f"{e.target_rate:.2%}"),
        (e.against, f"{e.control:,}", f"{e.control_takers:,}", f"{e.control_rate:.2%}"),
    )
    lines = [
        table_text(("arm", "customers", "takers", "rate"), rows),
        f"difference {e.difference:+.2%} (95%: {e.difference_low:+.2%} to {e.difference_high:+.2%}), "
        f"{e.incremental_takers:,.1f} takers because of the {'list' if e.arm == TARGET else 'arm'}",
        f"profit {e.profit:,.2f} {e.currency} (95%: {e.profit_low:,.2f} to {e.profit_high:,.2f}), "
        f"after {e.contact_cost:,.2f} for {e.contacts:,} contacts; sample ratio p = {e.sample_ratio_p:.2f}",
        f"complaints {e.complaints:,} (without: {e.control_complaints:,}), "
        f"opt-outs {e.opt_outs:,} (without: {e.control_opt_outs:,})",
        _power_text(e),
    ]
    return "\n".join([*lines, *(f"! {words}" for words in e.cautions)])


def _power_text(e: "Earned") -> str:
    found = (
        f"groups of these sizes find a difference of {e.rate_power.smallest:.2%} in takers, and of "
        f"{e.profit_power.smallest:,.2f} {e.currency} a customer, in four of five cases"
    )
    needed = e.profit_power.needed
    if needed is None or needed <= e.target + e.control:
        return found
    return f"{found}; for the profit seen here {needed:,} customers would be needed"


def _groups_text(found: Sequence["Earned"]) -> str:
    columns = ("campaign", "arm", "against", "customers", "", "takers", "", "profit", "95%", "contacts")
    rows = [
        (
            *(e.campaign, e.arm, e.against, f"{e.target:,}", f"{e.control:,}"),
            *(f"{e.target_rate:.2%}", f"{e.control_rate:.2%}", f"{e.profit:,.2f} {e.currency}"),
            *(f"{e.profit_low:,.2f} to {e.profit_high:,.2f}", f"{e.contacts:,}"),
        )
        for e in found
    ]
    cautions = [
        f"! {e.campaign}, {e.arm} against {e.against}: {words}" for e in found for words in e.cautions
    ]
    return "\n".join([table_text(columns, rows), *cautions])


def _models_text(found: Sequence["EarnedByModels"]) -> str:
    columns = ("campaigns", "customers", "", "contacts", "takers because of it", "profit", "95%", "models")
    rows = [
        (
            *(len(e.campaigns), f"{e.target:,}", f"{e.control:,}", f"{e.contacts:,}"),
            *(f"{e.incremental_takers:,.1f}", f"{e.profit:,.2f} {e.currency}"),
            *(f"{e.profit_low:,.2f} to {e.profit_high:,.2f}", e.models),
        )
        for e in found
    ]
    return table_text(columns, rows)


def _policy_text(found: "PolicyReport") -> str:
    columns = ("way to decide", "contacts", "", f"{found.currency} a decision", "95%", "worth decisions")
    point, low, high = found.logged
    rows = [("as it was", f"{found.contacts:.1%}", "", f"{point:,.3f}", f"{low:,.3f} to {high:,.3f}", "")]
    for way in found.alternatives:
        for e in way.estimates:
            between = f"{e.value.low:,.3f} to {e.value.high:,.3f}"
            worth = f"{e.overlap.effective_rows:,.0f} of {found.decisions:,}"
            rows.append(
                (way.name, f"{way.contacts:.1%}", e.method, f"{e.value.point:,.3f}", between, worth)
            )
    words = [f"! {way.name}: {said}" for way in found.alternatives for said in way.words]
    words = [*(f"! {said}" for said in found.cautions), *words]
    return "\n".join([table_text(columns, rows), *words])
