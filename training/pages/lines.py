"""Curves as inline SVG, in the manner of the pages' bars: light, sharp in print, readable by machines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from features.pages.colours import BLUE, GREY, INK
from training.artifact import Matrix

__all__ = ["Axis", "Curve", "line_chart", "percent"]

_WIDTH, _HEIGHT = 460, 270
_LEFT, _RIGHT, _TOP, _FOOT = 58, 22, 30, 40
_LETTER, _POINTS = 6.0, 240


def percent(share: float) -> str:
    """A tick of a share.

    >>> percent(0.05), percent(0.005)
    ('5%', '0.5%')
    """
    return f"{share * 100:.4g}%"


@dataclass(frozen=True)
class Curve:
    """One line.

    x, y
        Shape (m,), in rising order of x; a value that is not finite is left out.
    dots
        Whether each point is marked.
    low, high
        Shape (m,) or empty: the ends of an upright interval at each point.
    """

    name: str
    x: Matrix
    y: Matrix
    colour: str = BLUE
    dots: bool = False
    dashed: bool = False
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Axis:
    """What an axis shows; both ends are drawn, and `form` writes its ticks."""

    label: str
    low: float
    high: float
    form: Callable[[float], str]


def line_chart(curves: Sequence[Curve], x: Axis, y: Axis, says: str) -> Markup:
    """Curves over a plain grid, with their names above.

    Parameters
    ----------
    says
        The picture in words, for who cannot see it.
    """
    x, y = _spread(x), _spread(y)
    across = _scale(x, _LEFT, _WIDTH - _RIGHT)
    up = _scale(y, _HEIGHT - _FOOT, _TOP)
    parts: list[Markup] = []
    for tick in _ticks(y):
        parts.append(_line(_LEFT, up(tick), _WIDTH - _RIGHT, up(tick), "#dfe4e8"))
        parts.append(_text(_LEFT - 6, up(tick) + 4, y.form(tick), "end"))
    parts += [_text(across(t), _HEIGHT - _FOOT + 15, x.form(t), "middle") for t in _ticks(x)]
    parts.append(_line(_LEFT, _HEIGHT - _FOOT, _WIDTH - _RIGHT, _HEIGHT - _FOOT, GREY))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, x.label, "middle"))
    place = float(_LEFT)
    for curve in curves:
        parts += _drawn(curve, across, up)
        if curve.name:
            parts += [_stroke(f"M{place:.0f} 10h16", curve), _text(place + 20, 14, curve.name)]
            place += 20 + len(curve.name) * _LETTER + 16
    parts.append(_text(_WIDTH - 2, 14, y.label, "end"))
    opening = Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" font-size="11" '
        'font-family="system-ui, DejaVu Sans, sans-serif" xmlns="http://www.w3.org/2000/svg">'
    ).format(_WIDTH, _HEIGHT, says)
    return opening + Markup("").join(parts) + Markup("</svg>")


def _spread(axis: Axis) -> Axis:
    high = axis.high if axis.high > axis.low else axis.low + 1.0
    return Axis(axis.label, axis.low, high, axis.form)


def _scale(axis: Axis, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (value - axis.low) / (axis.high - axis.low) * (end - start)


def _ticks(axis: Axis) -> list[float]:
    """Round numbers inside the axis, about five."""
    rough = (axis.high - axis.low) / 5
    size = 10.0 ** np.floor(np.log10(rough))
    step = size * next(m for m in (1, 2, 5, 10) if m * size >= rough * 0.999)
    first = np.ceil(axis.low / step - 1e-9)
    last = np.floor(axis.high / step + 1e-9)
    return [float(n * step) + 0.0 for n in np.arange(first, last + 1)]  # + 0.0 turns -0.0 into 0.0


def _drawn(curve: Curve, across: Callable[[float], float], up: Callable[[float], float]) -> list[Markup]:
    kept = np.unique(np.linspace(0, len(curve.x) - 1, min(_POINTS, len(curve.x))).astype(int))
    points = [
        (across(float(curve.x[i])), up(float(curve.y[i])), i)
        for i in kept
        if np.isfinite(curve.x[i]) and np.isfinite(curve.y[i])
    ]
    if not points:
        return []
    parts = [_stroke("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points), curve)]
    for x, y, i in points if curve.dots else ():
        if len(curve.low):
            parts.append(_line(x, up(curve.low[i]), x, up(curve.high[i]), curve.colour))
        shape = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>')
        parts.append(shape.format(x, y, curve.colour))
    return parts


def _stroke(path: str, curve: Curve) -> Markup:
    dashes = Markup(' stroke-dasharray="4 4"') if curve.dashed else Markup("")
    shape = Markup('<path d="{}" fill="none" stroke="{}" stroke-width="{}"{}/>')
    return shape.format(path, curve.colour, 1 if curve.dashed else 1.8, dashes)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> Markup:
    shape = Markup('<path d="M{:.1f} {:.1f}L{:.1f} {:.1f}" stroke="{}"/>')
    return shape.format(x1, y1, x2, y2, colour)


def _text(x: float, y: float, text: str, anchor: str = "start") -> Markup:
    shape = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" fill="{}">{}</text>')
    return shape.format(x, y, anchor, INK, text)
