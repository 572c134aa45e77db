"""What a model of contacts must show before it is believed, and what is told of it as numbers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from training.checks import Check, slope
from training.specs import Gates

if TYPE_CHECKING:
    from training.uplift.model import UpliftFit

__all__ = ["UPLIFT", "uplift_checks", "uplift_metrics", "uplift_summary"]

UPLIFT = "uplift"
"""The one answer of a model of contacts that is judged."""

_CHANCE = 0.01


def uplift_metrics(fit: "UpliftFit") -> dict[str, float]:
    """A fit as finite numbers; of customers that its learners had not seen."""
    curve, average = fit.curve, fit.line.average
    promised = float(np.mean([d.score for d in curve.deciles]))
    qini = fit.order
    found = {
        "rows": fit.rows,
        "contacted": fit.contacted,
        "positives": fit.positives,
        "positives_contacted": fit.positives_contacted,
        "average": average.point,
        "average_low": average.low,
        "average_high": average.high,
        "promised": promised,
        "qini": qini.point,
        "qini_low": qini.low,
        "qini_high": qini.high,
        "believed": fit.line.slope,
        "calibration_slope": fit.slope.point,
        "calibration_slope_error": fit.slope.error,
        "explained": fit.explained,
    }
    return {name: float(number) for name, number in found.items() if np.isfinite(number)}


def uplift_checks(name: str, m: Mapping[str, float], gates: Gates) -> list[Check]:
    """Overlap, order and level of what contacts are said to change."""
    low, high = m.get("average_low", np.nan), m.get("average_high", np.nan)
    shrunk = m.get("believed", 0.0) == 0.0
    order = f"{m.get('qini_low', np.nan):.5f} to {m.get('qini_high', np.nan):.5f}"
    explained, promised = m.get("explained", np.nan), m.get("promised", np.nan)
    checks = [
        Check(
            *(name, "share of who was contacted that features explain"),
            *(f"{explained:.2%}", f"at most {_CHANCE:.0%}, else it was not left to chance"),
            passed=bool(explained <= _CHANCE),
        ),
        Check(
            *(name, "95% interval of the Qini"),
            f"{order}{', but every customer is told the average effect' if shrunk else ''}",
            "above 0, or the average effect for everybody",
            passed=bool(shrunk or m.get("qini_low", -1.0) > 0),
        ),
        Check(
            *(name, "mean of what is promised", f"{promised:+.5f}"),
            f"within the 95% interval of the average effect, {low:+.5f} to {high:+.5f}",
            passed=bool(low <= promised <= high),
        ),
    ]
    return checks if shrunk else [*checks, slope(name, m, gates)]


def uplift_summary(name: str, m: Mapping[str, float]) -> str:
    """What speaks for it, in words."""
    return (
        f"{name}: average effect {m['average']:+.4f} "
        f"({m['average_low']:+.4f} to {m['average_high']:+.4f}), "
        f"Qini {m['qini']:.5f} ({m['qini_low']:.5f} to {m['qini_high']:.5f}), "
        f"{m['contacted']:.0f} contacts, {m['positives_contacted']:.0f} outcomes among them"
    )
