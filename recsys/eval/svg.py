"""Drawings of matplotlib as inline SVG, coloured for light and dark by the style sheet of the page around them."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

from recsys.eval.tables import clean
from recsys.registry import import_optional

# Drawn in these colours, which are then replaced by the CSS variables of their names.
INK, MUTED, GRID, ACCENT, SECOND, PLAIN = "#010101", "#010102", "#010103", "#010104", "#010105", "#010106"
SERIES = ("#010111", "#010112", "#010113", "#010114", "#010115")
VARIABLES = {
    INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", ACCENT: "var(--accent)", SECOND: "var(--second)",
    PLAIN: "var(--plain)", **{colour: f"var(--s{i + 1})" for i, colour in enumerate(SERIES)},
}  # fmt: skip
MAX_NAME = 30
WIDTH = 8.6  # inches at 72 units each: the width of the page's column


def require_matplotlib() -> None:
    """Raise `PluginUnavailable` with the line to type where matplotlib is missing: ask before a long evaluation."""
    import_optional("matplotlib")


def short(name: str) -> str:
    """Return a name that leaves room for the plot; the tables have it in full."""
    name = clean(name)
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


def place_labels(axes: Any, points: Sequence[tuple[float, float, str, bool]]) -> None:
    """Write names beside their points (x, y, name, important) where they cover no other name and no point.

    Important names come first and may lie further off; a name for which there is no place is left out.
    """
    axes.figure.canvas.draw()
    pixels = [axes.transData.transform(point[:2]) for point in points]
    taken = [(px - 5, py - 5, px + 5, py + 5) for px, py in pixels]
    frame = axes.get_window_extent()
    scale = axes.figure.dpi / 72
    # Above the line to p95 first, then below it, then further away and on the left.
    near = [(dx, dy) for dx in (6, -6) for dy in (8, -9, 19, -20)]
    far = [(dx, dy) for dx in (6, -6) for dy in (30, -31, 41, -42, 52, -53)]
    order = sorted(zip(points, pixels, strict=True), key=lambda p: (not p[0][3], -p[0][1]))
    for (x, y, name, important), (px, py) in order:
        width, height = 5.6 * len(name) * scale, 11 * scale
        for dx, dy in near + far * important:
            left = px + dx * scale - (width if dx < 0 else 0)
            box = (left, py + dy * scale - height / 2, left + width, py + dy * scale + height / 2)
            inside = box[0] >= frame.x0 and box[2] <= frame.x1 and box[1] >= frame.y0 and box[3] <= frame.y1
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                leader = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
                axes.annotate(
                    name, (x, y), xytext=(dx, dy), textcoords="offset points", va="center", fontsize=9,
                    color=INK if important else MUTED, ha="right" if dx < 0 else "left",
                    arrowprops=leader if abs(dy) > 9 else None,
                )  # fmt: skip
                break


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@contextmanager
def _style() -> Iterator[None]:
    import_optional("matplotlib")
    import matplotlib

    settings = {
        "svg.fonttype": "none", "svg.hashsalt": "recsys", "text.parse_math": False, "font.size": 10,
        "font.family": "DejaVu Sans", "axes.edgecolor": MUTED, "axes.labelcolor": INK, "xtick.color": MUTED,
        "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK, "grid.color": GRID,
        "grid.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
        "axes.linewidth": 0.8, "ytick.major.size": 0,
    }  # fmt: skip
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Names in any script: the browser's own fonts draw them, only the measured widths are a guess.
        warnings.filterwarnings("ignore", message=".*missing from font.*")
        yield


def figure(draw: Callable[[Any], None], height: float, title: str, prefix: str) -> str:
    """Return what ``draw`` draws on a pair of axes as an SVG element: ``height`` in inches, `WIDTH` wide.

    ``title`` is its label for those who do not see it; ``prefix`` sets its ids apart from those of other drawings.

    Raises:
        PluginUnavailable: matplotlib is not installed.
    """
    with _style():
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        drawing = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(drawing)
        draw(drawing.add_subplot())
        buffer = io.BytesIO()
        drawing.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), title, prefix)


def _inline(svg: bytes, title: str, prefix: str) -> str:
    """Return the drawing as an element for HTML: no namespaces, unique ids, page colours and fonts."""
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        element.attrib.clear()
        for key, value in attributes.items():
            element.set(key, _attribute(key, value, prefix))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    return ElementTree.tostring(root, encoding="unicode", method="html")


def _attribute(key: str, value: str, prefix: str) -> str:
    """Return an attribute with this drawing's own ids, the page's colours and its font."""
    if key == "id":
        return f"{prefix}-{value}"
    if key == "href":
        return f"#{prefix}-{value.removeprefix('#')}"
    value = value.replace("url(#", f"url(#{prefix}-")
    value = re.sub("|".join(VARIABLES), lambda found: VARIABLES[found[0]], value)
    # matplotlib up to 3.10 writes "font: 10px 'DejaVu Sans'", later ones the size and the family apart.
    value = re.sub(r"font: ([\d.]+px)[^;]*", r"font-size: \1", value)
    return re.sub(r"font-family: [^;]*(; )?", "", value)
