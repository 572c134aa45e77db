"""Verbs on target lists."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.errors import InputError
from serving.cli.clock import now
from serving.cli.console import Shell, on_home, table_text, who

if TYPE_CHECKING:
    from serving.lists.book import FairBy, FairIn
    from serving.lists.export import ListManifest, ListRow
    from serving.lists.plan import MadePlan
    from serving.lists.pull import PulledList

__all__ = ["lists", "plan_text", "pull_list", "rows_text"]


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


@lists.command()
@click.option(
    "--out", type=click.Path(path_type=Path), help="CSV file, or folder, to write beside the home's copy."
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="NAME=AMOUNT",
    help='Money of this plan, "total" or by channel, instead of the policy\'s; may be repeated.',
)
@click.option("--fair-by", type=click.Choice(["tier", "segment", "region"]), help="Groups to treat alike.")
@click.option(
    "--fair-in",
    type=click.Choice(["benefit", "contacts"]),
    default="benefit",
    show_default=True,
    help="What they are to get alike: what their offers are worth in money, or contacts.",
)
@click.option(
    "--delta",
    type=click.FloatRange(min=0.0),
    help="With --fair-by: how much of it a customer of the worst-off group may get less than the others.",
)
@click.option("--purpose", default="plan", show_default=True, help="Why; goes into the manifest.")
@on_home
def plan(
    shell: Shell,
    out: Path | None,
    budgets: tuple[str, ...],
    fair_by: "FairBy | None",
    fair_in: "FairIn",
    delta: float | None,
    purpose: str,
) -> None:
    """Decide for every customer within budgets, capacities and volumes, and write whom to contact."""
    from serving.lists.allotment import Fair
    from serving.lists.plan import make_plan

    if (fair_by is None) != (delta is None):
        raise InputError("--fair-by and --delta belong together; cure: give both, such as --delta 0.5")
    with shell.step("Planning for every customer"):
        made = make_plan(
            shell.home,
            out,
            budgets=dict(map(_amount, budgets)),
            fair=Fair(fair_by, delta, fair_in) if fair_by and delta is not None else None,
            settings=shell.settings,
            purpose=purpose,
            pulled_by=who(),
            now=now(),
            tell=shell.tell,
        )
    shell.result(made.manifest.to_dict(), plan_text(made))


def _amount(text: str) -> tuple[str, float]:
    """`total=20000` as a name and an amount."""
    name, _, amount = text.partition("=")
    try:
        return name, float(amount)
    except ValueError:
        raise InputError(f"budget '{text}' is none; cure: write it as total=20000") from None


def _short(manifest: "ListManifest") -> str:
    """Why a list is shorter than asked for, if it is."""
    if manifest.rows >= manifest.size:
        return ""
    most = sorted(manifest.removed.items(), key=lambda rule: -rule[1])
    removed = ", ".join(f"{count:,} {rule}" for rule, count in most if count)
    return f"\n{manifest.rows} rows, not {manifest.size}: of {manifest.considered:,} customers {removed}"


def pull_list(shell: Shell, product: str, size: int, out: Path, purpose: str) -> "PulledList":
    """Pull a list in the name of whoever runs the command."""
    from serving.lists.pull import pull as pull_to

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


def plan_text(made: "MadePlan") -> str:
    """What a plan does, uses and costs, for the console."""
    m = made.manifest
    uses = [
        (u.row, u.unit, *(f"{x:,.2f}" for x in (u.limit, u.plan, u.experiment, u.before, u.price)))
        for u in m.uses
    ]
    columns = ("limit", "unit", "most", "plan", "experiment", "before", "price")
    limits = f"{table_text(columns, uses)}\n" if uses else ""
    said = "".join(f"{sentence}\n" for sentence in m.words)
    return (
        f"{rows_text(made.rows[:5])}\n{limits}{said}"
        f"plan {m.plan_id}: {m.contacted:,} contacts and {m.control:,} held out of {m.considered:,} "
        f"customers; expected {m.expected_value:,.2f} {m.currency}; within {m.gap:.4%} of the best plan\n"
        f"written to {made.file}, manifest beside it"
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def rows_text(rows: "tuple[ListRow, ...]") -> str:
    """The rows of a list as a table for the console."""
    columns = ("rank", "customer", "arm", "channel", "chance", "expected", "tier", "segment", "reason 1")
    cells = [
        (
            *(
                r.rank,
                r.customer_id,
                r.arm,
                r.channel,
                _percent(r.probability),
                f"{r.expected_value:.2f}",
            ),
            *(r.tier, r.segment, r.reasons[0] if r.reasons else ""),
        )
        for r in rows
    ]
    return table_text(columns, cells)
