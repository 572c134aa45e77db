"""A head's test as curves and a table of tenths."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from features.pages.colours import BLUE, GREY, RED
from training.artifact import Matrix
from training.evaluate import HeadResult
from training.pages.lines import Axis, Curve, line_chart, percent
from training.profit import Campaign

__all__ = ["Tenth", "amount_pictures", "probability_pictures", "profit_picture", "tenths"]

Picture = tuple[str, Markup, str]
"""Heading, drawing, caption."""

_TENTHS = 10
_Z = 1.96
_SHARES = Axis("share of customers, highest score first", 0.0, 1.0, percent)


@dataclass(frozen=True)
class Tenth:
    """A tenth of the test by score: what was predicted and what happened, on average.

    found
        Share of all that happened that lies in this tenth and those above it.
    lift
        Mean outcome of this tenth and those above it over that of everybody.
    """

    rows: int
    predicted: float
    actual: float
    found: float
    lift: float


def tenths(head: HeadResult) -> tuple[Tenth, ...]:
    """The test in tenths of equal count, highest score first; fewer if there are fewer rows."""
    order = np.argsort(-head.predicted, kind="stable")
    parts = [part for part in np.array_split(order, _TENTHS) if len(part)]
    total, mean = float(head.actual.sum()), float(head.actual.mean())
    found, seen, rows = 0.0, 0, []
    for part in parts:
        found, seen = found + float(head.actual[part].sum()), seen + len(part)
        rows.append(
            Tenth(
                len(part),
                float(head.predicted[part].mean()),
                float(head.actual[part].mean()),
                found / total if total else float("nan"),
                found / seen / mean if mean else float("nan"),
            )
        )
    return tuple(rows)


def probability_pictures(head: HeadResult) -> list[Picture]:
    """ROC, precision and recall, calibration, and cumulative lift of a probability."""
    hits = head.actual[np.argsort(-head.predicted, kind="stable")]
    found, missed = np.append(0.0, np.cumsum(hits)), np.append(0.0, np.cumsum(1 - hits))
    recall, false = found / max(found[-1], 1), missed / max(missed[-1], 1)
    seen = np.arange(1, len(hits) + 1)
    rate = float(head.actual.mean())
    share = Axis("", 0.0, 1.0, percent)
    roc = line_chart(
        (Curve("model", false, recall), _diagonal("chance")),
        Axis("share of the others approached", 0.0, 1.0, percent),
        Axis("share found", 0.0, 1.0, percent),
        f"ROC curve, area {head.metrics.get('auc', float('nan')):.3f}",
    )
    precision = line_chart(
        (
            Curve("model", recall[1:], found[1:] / seen),
            Curve("base rate", np.array([0.0, 1.0]), np.array([rate, rate]), GREY, dashed=True),
        ),
        Axis("share found", 0.0, 1.0, percent),
        share,
        f"Precision and recall, average precision {head.metrics.get('pr_auc', float('nan')):.3f}",
    )
    return [
        ("Ranking (ROC)", roc, "The further above the dashed line, the better the order."),
        ("Precision and recall", precision, "Of those approached, how many were right, by share found."),
        _calibration(head),
        _lift(seen / len(hits), found[1:] / seen / rate if rate else np.full(len(hits), np.nan)),
    ]


def amount_pictures(head: HeadResult) -> list[Picture]:
    """Calibration and cumulative gains of an amount, beside a plain method and the perfect order."""
    x = np.arange(1, len(head.actual) + 1) / len(head.actual)
    total = float(head.actual.sum()) or float("nan")
    orders = {"model": head.predicted, "perfect": head.actual, **dict(list(head.baselines.items())[:1])}
    colours = (BLUE, GREY, RED)
    curves = [
        Curve(name, x, np.cumsum(head.actual[np.argsort(-score, kind="stable")]) / total, colour)
        for (name, score), colour in zip(orders.items(), colours, strict=False)
    ]
    most = max((float(np.nanmax(c.y)) for c in curves if np.isfinite(c.y).any()), default=1.0)
    gains = line_chart(curves, _SHARES, Axis("share of the total", 0.0, max(most, 1.0), percent), "Gains")
    return [
        _calibration(head),
        ("Who brings it", gains, "Share of the total brought by the customers ranked highest."),
    ]


def profit_picture(curves: dict[str, tuple[Campaign, Matrix]], currency: str) -> Picture:
    """What approaching the first customers of each ranking brings; campaign and its profits by name."""
    drawn = [
        Curve(name, c.approached / c.approached[-1], profit, colour)
        for (name, (c, profit)), colour in zip(curves.items(), (BLUE, RED), strict=False)
    ]
    campaign, profit = next(iter(curves.values()))
    ends = np.array([0.0, 1.0])
    drawn.append(Curve("at random", ends, np.array([0.0, profit[-1]]), GREY, dashed=True))
    highest = max(float(c.y.max()) for c in drawn)
    lowest = min(float(c.y.min()) for c in drawn)
    # What lies far below zero is lost anyway; the page shows where there is something to win.
    y = Axis(f"profit, {currency}", max(lowest, -1.5 * max(highest, 1.0)), max(highest, 0.0), _money)
    drawn = [
        Curve(c.name, c.x, np.where(c.y >= y.low, c.y, np.nan), c.colour, dashed=c.dashed) for c in drawn
    ]
    return (
        "Profit of a campaign",
        line_chart(drawn, _SHARES, y, "Profit by share of customers approached"),
        f"Of all {campaign.approached[-1]:,.0f} customers of the test, the best are approached first.",
    )


def _calibration(head: HeadResult) -> Picture:
    rows = tenths(head)[::-1]
    predicted, actual = np.array([t.predicted for t in rows]), np.array([t.actual for t in rows])
    low = high = actual
    if head.kind == "probability":
        ends = [_wilson(t.actual, t.rows) for t in rows]
        low, high = np.array([e[0] for e in ends]), np.array([e[1] for e in ends])
    form = percent if head.kind == "probability" else _money
    least = min(0.0, float(low.min()), float(predicted.min()))
    most = max(float(high.max()), float(predicted.max()))
    ends_of = np.array([least, most])
    curves = (
        Curve("what happened", predicted, actual, dots=True, low=low.tolist(), high=high.tolist()),
        Curve("as predicted", ends_of, ends_of, GREY, dashed=True),
    )
    chart = line_chart(
        curves, Axis("predicted", least, most, form), Axis("", least, most, form), "Calibration by tenths"
    )
    each = f"{min(t.rows for t in rows):,}"
    more = ", with its 95% interval" if head.kind == "probability" else ""
    return "Calibration", chart, f"Each dot is a tenth of the test, {each} customers or one more{more}."


def _lift(x: Matrix, lift: Matrix) -> Picture:
    start = max(0, int(len(x) * 0.005))  # the first few customers are noise
    most = float(np.nanmax(lift[start:])) if np.isfinite(lift).any() else 1.0
    chart = line_chart(
        (
            Curve("model", x[start:], lift[start:]),
            Curve("chance", np.array([0.0, 1.0]), np.array([1.0, 1.0]), GREY, dashed=True),
        ),
        _SHARES,
        Axis("times the base rate", 0.0, most, lambda tick: f"{tick:g}"),
        "Cumulative lift",
    )
    return "Lift", chart, "How many times more often it happens among those ranked highest."


def _diagonal(name: str) -> Curve:
    return Curve(name, np.array([0.0, 1.0]), np.array([0.0, 1.0]), GREY, dashed=True)


def _wilson(rate: float, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a rate."""
    middle, spread = rate + _Z**2 / (2 * n), _Z * (rate * (1 - rate) / n + _Z**2 / (4 * n * n)) ** 0.5
    return (middle - spread) / (1 + _Z**2 / n), (middle + spread) / (1 + _Z**2 / n)


def _money(amount: float) -> str:
    return f"{amount:,.0f}"
