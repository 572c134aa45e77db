"""Bars as inline SVG: a page of counts needs no more, and draws in no time."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from features.pages.colours import BLUE, INK

__all__ = ["lying_bars", "upright_bars"]

_WIDTH, _BAR, _LETTER = 460, 22, 7.0
_HEIGHT, _TOP, _FOOT = 150, 18, 34


def lying_bars(
    values: Mapping[str, float], texts: Sequence[str], says: str, most: float = 0.0, colour: str = BLUE
) -> Markup:
    """Horizontal bars, one a line: label, bar, text.

    Parameters
    ----------
    texts
        What stands behind each bar, such as '12,345' or '3%'.
    says
        The picture in words, for who cannot see it.
    most
        The value of a bar of full length; the largest if 0.
    """
    full = most or max(values.values(), default=0) or 1
    left = max((len(label) for label in values), default=0) * _LETTER + 14
    room = _WIDTH - left - max((len(text) for text in texts), default=0) * _LETTER - 10
    parts = []
    for nth, ((label, value), text) in enumerate(zip(values.items(), texts, strict=True)):
        y, length = nth * _BAR, round(value / full * room, 1)
        parts.append(_text(left - 8, y + 15, label, "end"))
        if value:
            parts.append(_bar(left, y + 4, max(length, 0.8), _BAR - 8, colour))
        parts.append(_text(left + length + 6, y + 15, text))
    return _picture(len(values) * _BAR + 4, parts, says)


def upright_bars(
    series: Mapping[str, Sequence[float]],
    labels: Mapping[int, str],
    says: str,
    colours: Sequence[str] = (BLUE,),
) -> Markup:
    """Vertical bars side by side, with the largest value as the only height that is named.

    Parameters
    ----------
    series
        Values by name of the series, all of one length; several are drawn beside each other, and named.
    labels
        What stands below, by position of the bar.
    """
    count = max((len(values) for values in series.values()), default=0) or 1
    most = max((max(values, default=0) for values in series.values()), default=0) or 1
    step, floor = _WIDTH / count, _HEIGHT - _FOOT
    width = step * 0.85 / len(series)
    parts = [_text(0, 11, f"{most:,}"), _line(0, _TOP, "#dfe4e8"), _line(0, floor, "#9aa5b1")]
    for place, ((name, values), colour) in enumerate(zip(series.items(), colours, strict=True)):
        for nth, value in enumerate(values):
            height = round(value / most * (floor - _TOP), 1)
            if value:
                x = nth * step + step * 0.075 + place * width
                parts.append(_bar(x, floor - max(height, 0.8), width, max(height, 0.8), colour))
        if len(series) > 1:
            parts.append(_bar(_WIDTH - 180 + 90 * place, 3, 9, 9, colour))
            parts.append(_text(_WIDTH - 166 + 90 * place, 11, name))
    for nth, label in labels.items():
        for line, text in enumerate(label.split("\n")):
            half = len(text) * _LETTER / 2
            middle = min(max((nth + 0.5) * step, half), _WIDTH - half)
            parts.append(_text(middle, floor + 13 + 12 * line, text, "middle"))
    return _picture(_HEIGHT, parts, says)


def _picture(height: float, parts: Sequence[Markup], says: str) -> Markup:
    opening = Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" font-size="11" '
        'font-family="system-ui, DejaVu Sans, sans-serif" xmlns="http://www.w3.org/2000/svg">'
    ).format(_WIDTH, round(height), says)
    return opening + Markup("").join(parts) + Markup("</svg>")


def _bar(x: float, y: float, width: float, height: float, colour: str) -> Markup:
    shape = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>')
    return shape.format(x, y, width, height, colour)


def _line(x: float, y: float, colour: str) -> Markup:
    return Markup('<path d="M{} {}H{}" stroke="{}"/>').format(x, y, _WIDTH, colour)


def _text(x: float, y: float, text: str, anchor: str = "start") -> Markup:
    shape = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" fill="{}">{}</text>')
    return shape.format(x, y, anchor, INK, text)
