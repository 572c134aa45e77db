"""Verbs on target lists and on what they earned."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from serving.cli.clock import now
from serving.cli.console import Shell, on_home, table_text, who

if TYPE_CHECKING:
    from serving.export import ListManifest, ListRow
    from serving.lists import PulledList
    from serving.outcomes import Earned

__all__ = ["earned_text", "lists", "outcomes", "pull_list", "rows_text"]


@click.group()
def lists() -> None:
    """Whom to offer what."""


@lists.command()
@click.option("--product", required=True, help="Name of an offered product of the catalogue.")
@click.option("--size", default=500, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="CSV file to write."
)
@click.option("--purpose", default="campaign", show_default=True, help="Why; goes into the manifest.")
@on_home
def pull(shell: Shell, product: str, size: int, out: Path, purpose: str) -> None:
    """Write the customers with the most to gain from one offer, with a control group."""
    pulled = pull_list(shell, product, size, out, purpose)
    manifest = pulled.manifest
    text = (
        f"{rows_text(pulled.rows[:5])}\n"
        f"list {manifest.list_id}: {manifest.target} target, {manifest.control} control; expected "
        f"{manifest.expected_value:,.2f} {manifest.currency}\nwritten to {out}, manifest beside it"
        f"{_short(manifest)}"
    )
    shell.result(manifest.to_dict(), text)


def _short(manifest: "ListManifest") -> str:
    """Why a list is shorter than asked for, if it is."""
    if manifest.rows >= manifest.size:
        return ""
    most = sorted(manifest.removed.items(), key=lambda rule: -rule[1])
    removed = ", ".join(f"{count:,} {rule}" for rule, count in most if count)
    return f"\n{manifest.rows} rows, not {manifest.size}: of {manifest.considered:,} customers {removed}"


@click.group()
def outcomes() -> None:
    """What became of decisions."""


@outcomes.command(name="import")
@click.option("--from", "source", type=click.Path(dir_okay=False, path_type=Path), required=True)
@on_home
def import_(shell: Shell, source: Path) -> None:
    """Add outcomes from a CSV file: outcome_id, decision_id, customer_id, at, kind, known_at."""
    from serving.outcomes import import_outcomes

    summary = import_outcomes(source, shell.home.decisions_db, shell.tell)
    shell.result(
        {"rows": summary.rows, "new": summary.new, "kinds": dict(summary.kinds)},
        f"{summary.rows:,} outcomes, {summary.new:,} of them new, in {shell.home.decisions_db}",
    )


@outcomes.command()
@click.option("--list", "list_id", help="Id of a list; by default the latest.")
@on_home
def report(shell: Shell, list_id: str | None) -> None:
    """Say what a list earned against its control group."""
    from serving.decisions import latest_list
    from serving.outcomes import report as report_on

    log = shell.home.decisions_db
    earned = report_on(log, list_id or latest_list(log))
    shell.result(earned.to_dict(), earned_text(earned))


def pull_list(shell: Shell, product: str, size: int, out: Path, purpose: str) -> "PulledList":
    """Pull a list in the name of whoever runs the command."""
    from serving.lists import pull as pull_to

    with shell.step(f"Pulling a list of {size} for {product}"):
        return pull_to(
            shell.home,
            product,
            size,
            out,
            settings=shell.settings,
            purpose=purpose,
            pulled_by=who(),
            now=now(),
            tell=shell.tell,
        )


def rows_text(rows: "tuple[ListRow, ...]") -> str:
    """The rows of a list as a table for the console."""
    columns = ("rank", "customer", "arm", "channel", "chance", "expected", "tier", "segment", "reason 1")
    cells = [
        (
            *(r.rank, r.customer_id, r.arm, r.channel, f"{r.probability:.1%}", f"{r.expected_value:.2f}"),
            *(r.tier, r.segment, r.reasons[0] if r.reasons else ""),
        )
        for r in rows
    ]
    return table_text(columns, cells)


def earned_text(e: "Earned") -> str:
    """What a list earned, for the console."""
    rows = (
        ("target", f"{e.target:,}", f"{e.target_takers:,}", f"{e.target_rate:.2%}"),
        ("control", f"{e.control:,}", f"{e.control_takers:,}", f"{e.control_rate:.2%}"),
    )
    trust = "" if e.sample_ratio_p >= 0.001 else "; the arms are not as planned: do not trust this"
    return (
        f"{table_text(('arm', 'customers', 'takers', 'rate'), rows)}\n"
        f"difference {e.difference:+.2%} (95%: {e.difference_low:+.2%} to {e.difference_high:+.2%}), "
        f"{e.incremental_takers:,.1f} takers because of the list\n"
        f"profit {e.profit:,.2f} {e.currency} (95%: {e.profit_low:,.2f} to {e.profit_high:,.2f}), "
        f"after {e.contact_cost:,.2f} for contacts; sample ratio p = {e.sample_ratio_p:.2f}{trust}"
    )
