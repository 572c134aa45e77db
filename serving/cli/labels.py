"""Verbs on labels: the definitions of churn, and how they compare on this bank."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from features.home import write_whole
from serving.cli.console import Shell, on_home, table_text

if TYPE_CHECKING:
    from training.labels import Comparison, Counted

__all__ = ["labels"]


@click.group()
def labels() -> None:
    """What counts as leaving."""


@labels.command(name="list")
@on_home
def list_(shell: Shell) -> None:
    """List the definitions of churn: what counts, and who gets no label."""
    from features.labels import CHURN_DEFINITIONS, STANDING

    found = {
        name: {
            "says": d.says,
            "observed_days": d.observed_days,
            "needs": [f"{need.table}: {need.says}" for need in d.needs],
            "excluded": [*STANDING, *d.excluded],
            "monthly": d.monthly,
        }
        for name, d in CHURN_DEFINITIONS.items()
    }
    rows = [(name, d["says"], "yes" if d["monthly"] else "no") for name, d in found.items()]
    shell.result(found, table_text(("definition", "who has left", "by month"), rows))


@labels.command()
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write an HTML page with pictures to this file as well.",
)
@on_home
def compare(shell: Shell, page: Path | None) -> None:
    """Compare the definitions of churn on this bank: base rates, exclusions, overlap."""
    from training.labels import compare as compare_labels
    from training.specs import CHURN

    with shell.step("Comparing definitions of churn"):
        found = compare_labels(shell.home, CHURN, shell.settings, shell.tell)
    if page is not None:
        from training.pages.labels import labels_page

        with write_whole(page) as part:
            part.write_text(labels_page(found))
    shell.result({**_told(found), "page": page}, _text(found, page))


def _told(found: "Comparison") -> dict[str, Any]:
    definitions = {
        name: {
            **_counted(found.total(name)),
            "by_snapshot": [_counted(c) for c in counted],
            "excluded": found.excluded[name],
            "by_month": found.months[name],
            "lacking": found.lacking[name],
            "overlap": found.overlap[name],
            "phi": found.phi[name],
        }
        for name, counted in found.by_snapshot.items()
    }
    return {
        "generation": found.generation,
        "gap_days": found.gap_days,
        "horizon_days": found.horizon_days,
        "snapshots": [asdict(windows) for windows in found.snapshots],
        "definitions": definitions,
        "lines": {product: _counted(counted) for product, counted in sorted(found.lines.items())},
    }


def _counted(counted: "Counted") -> dict[str, float | None]:
    return {"rows": counted.rows, "positives": counted.positives, "rate": counted.rate}


def _text(found: "Comparison", page: Path | None) -> str:
    rows = []
    for name in found.by_snapshot:
        total, left_out = found.total(name), sum(found.excluded[name].values())
        rate = "-" if total.rate is None else f"{total.rate:.2%}"
        rows.append((name, f"{total.rows:,}", f"{total.positives:,}", rate, f"{left_out:,}"))
    shares = [
        (one, *("-" if share is None else f"{share:.0%}" for share in others.values()))
        for one, others in found.overlap.items()
    ]
    lines = [f"{name}: {reason}" for name, reasons in found.lacking.items() for reason in reasons]
    if page is not None:
        lines.append(f"the page is {page}")
    return "\n".join(
        (
            table_text(("definition", "rows", "leave", "share", "no label"), rows),
            "",
            "Of those who leave by the definition of the line, the share who leave by that of the column:",
            table_text(("", *found.overlap), shares),
            *lines,
        )
    )
