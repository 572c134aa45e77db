"""Render a page: one self-contained HTML file, its pictures inside, nothing fetched from anywhere."""

import base64
import io
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from features.pages.colours import GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["canvas", "picture", "render"]

_STYLE = {
    "svg.hashsalt": "tenure",  # the same figure gives the same bytes
    "font.size": 9,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "xtick.color": INK,
    "ytick.color": INK,
}


def canvas(width: float = 7.0, height: float = 2.2) -> "Figure":
    """An empty figure in the pages' style, `width` by `height` inches."""
    import matplotlib as mpl  # half a second, which a page without such figures need not wait
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.add_subplot()
    return figure


def picture(figure: "Figure") -> str:
    """A figure as the `src` of an image: SVG in a data address; figures drawn alike give the same text."""
    import matplotlib as mpl

    held = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(held, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(held.getvalue()).decode("ascii")


def render(template: str, **values: object) -> str:
    """Render a template of this folder, such as 'quality.html.j2'; every value is escaped.

    A page extends `base.html.j2` and fills its blocks `title`, `lead` and `content`. Filters:
    `count` (12,345), `share` (0.0123 as 1.2%), `day` (a datetime as 2024-01-31, none as a dash).
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("features", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "share": _share, "day": _day}
    return environment


def _count(number: float) -> str:
    return f"{number:,}"


def _share(share: float) -> str:
    """A share in percent; what is there but rounds to nothing is not shown as nothing.

    >>> [_share(share) for share in (0.0, 0.00001, 0.0123, 1.0)]
    ['0%', '<0.1%', '1.2%', '100%']
    """
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{share:.1%}".replace(".0%", "%")


def _day(moment: Any) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "–"
