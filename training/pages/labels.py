"""The comparison of definitions as one page: base rates over time, and how far they overlap."""

import math
from typing import TYPE_CHECKING

import numpy as np

from features.labels import CHURN_DEFINITIONS, MONTH_DAYS
from features.pages.colours import INK
from features.pages.render import canvas, picture, render
from training.labels import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["labels_page"]

_COLOURS = ("#3b6ea5", "#b5544d", "#4a7c59", "#c28f2c", "#7d5ba6", "#3d4852")


def labels_page(found: Comparison) -> str:
    """Write the page.

    Returns
    -------
    str
        One self-contained HTML page; equal comparisons give equal bytes.
    """
    return render(
        "labels.html.j2",
        found=found,
        definitions=CHURN_DEFINITIONS,
        months=math.ceil(found.horizon_days / MONTH_DAYS),
        rates=picture(_rates(found)),
        overlap=picture(_overlap(found)),
    )


def _rates(found: Comparison) -> "Figure":
    figure = canvas(7.0, 3.0)
    axes = figure.axes[0]
    moments = np.array([windows.as_of.date() for windows in found.snapshots], dtype="datetime64[D]")
    for nth, (name, counted) in enumerate(found.by_snapshot.items()):
        shares = [float("nan") if c.rate is None else 100 * c.rate for c in counted]
        # Later lines are thinner and dashed, so that two that agree are both seen.
        (line,) = axes.plot(moments, shares, color=_COLOURS[nth % len(_COLOURS)], label=name)
        line.set(linewidth=2.6 - 0.3 * nth, linestyle="--" if nth > 1 else "-")
    axes.set_ylabel("% who leave")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _overlap(found: Comparison) -> "Figure":
    figure = canvas(7.0, 4.0)
    axes = figure.axes[0]
    names = list(found.overlap)
    shares = [[found.overlap[one][other] for other in names] for one in names]
    axes.imshow([[s or 0.0 for s in row] for row in shares], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for y, row in enumerate(shares):
        for x, share in enumerate(row):
            text = "–" if share is None else f"{share:.0%}"
            axes.text(x, y, text, ha="center", va="center", color="white" if (share or 0) > 0.6 else INK)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure
