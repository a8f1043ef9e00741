"""The plots of a report as inline SVG: matplotlib draws, the page's style sheet colours them for light and dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

from recsys.eval.results import Results, Row
from recsys.eval.tables import clean, compact, label, number
from recsys.registry import import_optional

# Drawn in these colours, which are then replaced by the CSS variables of their names.
INK, MUTED, GRID, ACCENT, SECOND, PLAIN = "#010101", "#010102", "#010103", "#010104", "#010105", "#010106"
SERIES = ("#010111", "#010112", "#010113", "#010114", "#010115")
VARIABLES = {
    INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", ACCENT: "var(--accent)", SECOND: "var(--second)",
    PLAIN: "var(--plain)", **{colour: f"var(--s{i + 1})" for i, colour in enumerate(SERIES)},
}  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v")
MAX_NAME = 30
WIDTH = 8.6  # inches at 72 units each: the width of the page's column


def require_matplotlib() -> None:
    """Raise `PluginUnavailable` with the line to type where matplotlib is missing: ask before a long evaluation."""
    import_optional("matplotlib")


def quality_bars(results: Results) -> str:
    """Return bars of the main metric with 95 % whiskers, best first; "" if no row has it."""
    rows = sorted(_measured(results), key=lambda r: r.metrics[results.metric])
    if not rows:
        return ""

    def draw(axes: Any) -> None:
        names, values = [_short(r.name) for r in rows], [r.metrics[results.metric] for r in rows]
        axes.barh(range(len(rows)), values, height=0.62, color=[_role(results, r) for r in rows])
        reach = []
        for at, row in enumerate(rows):
            low, high = row.ci95.get(results.metric, (values[at], values[at]))
            axes.plot([low, high], [at, at], color=INK, linewidth=1.4, solid_capstyle="butt")
            reach.append(high)
        span = max(reach) or 1.0
        for at, high in enumerate(reach):
            axes.text(high + 0.012 * span, at, number(values[at]), va="center", ha="left", color=INK, fontsize=9.5)
        axes.set_xlim(0, span * 1.12)
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlabel(f"{label(results.metric)}, whiskers: 95 % interval")
        axes.grid(axis="x")

    return _figure(draw, 0.9 + 0.3 * len(rows), f"Bar chart: {label(results.metric)} of {len(rows)} rows", "bars")


def quality_latency(results: Results) -> str:
    """Return the main metric against latency p50 on a log axis; "" if no row has both."""
    rows = [r for r in _measured(results) if r.latency_ms.get("p50", 0) > 0]
    if not rows:
        return ""

    def draw(axes: Any) -> None:
        for row in rows:
            x, y, colour = row.latency_ms["p50"], row.metrics[results.metric], _role(results, row)
            low, high = row.ci95.get(results.metric, (y, y))
            axes.plot([x, x], [low, high], color=PLAIN, linewidth=1.2)
            axes.plot([x, max(x, row.latency_ms.get("p95", x))], [y, y], color=PLAIN, linewidth=1.2)
            axes.plot([x], [y], "o", color=MUTED if colour == PLAIN else colour, markersize=7)
        axes.set_xscale("log")
        left, right = axes.get_xlim()
        axes.set_xlim(left / 1.3, right * 2.5)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]), top=axes.get_ylim()[1] * 1.05 or 1.0)
        axes.xaxis.set_major_formatter(lambda value, _: compact(value))
        axes.set_xlabel("latency of one request, ms: dot = p50, line to p95")
        axes.set_ylabel(label(results.metric))
        axes.grid(axis="both")
        _place_labels(axes, [(r.latency_ms["p50"], r.metrics[results.metric], _short(r.name)) for r in rows])

    return _figure(draw, 4.6, f"Scatter plot: {label(results.metric)} against latency of {len(rows)} rows", "latency")


def slice_dots(results: Results) -> str:
    """Return the main metric by slice for up to five rows: the best, the baselines, then the strongest; "" if none."""
    rows = [r for r in _measured(results) if any(results.metric in s for s in r.slices.values())]
    first = [results.best_by_validation, *results.baselines]
    rows.sort(key=lambda r: (first.index(r.name) if r.name in first else len(first), -r.metrics[results.metric]))
    rows = rows[: len(SERIES)]
    names = list(dict.fromkeys(name for r in rows for name in r.slices))
    if not names:
        return ""

    def draw(axes: Any) -> None:
        for at in range(len(names)):
            axes.axhline(at, color=GRID, linewidth=0.8, zorder=0)
        step = 0.5 / max(1, len(rows) - 1)
        for i, row in enumerate(rows):
            points = [(n, row.slices[n][results.metric]) for n in names if results.metric in row.slices.get(n, {})]
            y = [names.index(n) - 0.25 + i * step if len(rows) > 1 else names.index(n) for n, _ in points]
            axes.plot(
                [v for _, v in points], y, MARKERS[i], color=SERIES[i], markersize=6.5, label=_short(row.name),
                linestyle="none",
            )  # fmt: skip
        counts = [next(r.slices[n].get("requests") for r in rows if n in r.slices) for n in names]
        ticks = [_short(n) + ("" if c is None else f"  ({c:,.0f})") for n, c in zip(names, counts, strict=True)]
        axes.set_yticks(range(len(names)), ticks)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
        axes.set_xlabel(f"{label(results.metric)}; in brackets the number of requests")
        axes.grid(axis="x")
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=min(3, len(rows)), frameon=False, labelcolor=INK,
            handletextpad=0.2, columnspacing=1.4, borderaxespad=0.2,
        )  # fmt: skip

    height = 1.35 + 0.42 * len(names)
    return _figure(draw, height, f"Dot plot: {label(results.metric)} of {len(rows)} rows by slice", "slices")


def ceiling_dots(results: Results) -> str:
    """Return, per row, the candidate recall at each depth and how much of it the first ten hold; "" if none."""
    rows = [r for r in results.rows if r.ceiling]
    if not rows:
        return ""
    depths = list(dict.fromkeys(name for r in rows for name in r.ceiling))[: len(SERIES) - 1]
    found = next((m for m in ("recall@10", "hr@10") if all(m in r.metrics for r in rows)), None)
    rows.sort(key=lambda r: r.ceiling.get(depths[-1], 0.0))

    def draw(axes: Any) -> None:
        series: list[tuple[str, list[float | None]]] = []
        if found:
            series.append((found, [r.metrics[found] for r in rows]))
        series += [(name, [r.ceiling.get(name) for r in rows]) for name in depths]
        for at in range(len(rows)):
            values = [v for _, column in series if (v := column[at]) is not None]
            axes.plot([min(values), max(values)], [at, at], color=GRID, linewidth=2.4, zorder=0)
        for i, (name, column) in enumerate(series):
            known = [j for j, v in enumerate(column) if v is not None]
            axes.plot(
                [column[j] for j in known], known, MARKERS[i], color=SERIES[i], markersize=6.5, linestyle="none",
                label=_short(label(name)),
            )  # fmt: skip
        axes.set_yticks(range(len(rows)), [_short(r.name) for r in rows])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlim(left=0)
        axes.set_xlabel("share of targets found")
        axes.grid(axis="x")
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(series), frameon=False, labelcolor=INK,
            handletextpad=0.2, columnspacing=1.4, borderaxespad=0.2,
        )  # fmt: skip

    return _figure(draw, 1.2 + 0.3 * len(rows), f"Dot plot: candidate recall of {len(rows)} rows", "ceiling")


def _short(name: str) -> str:
    """Return a name that leaves room for the plot; the tables have it in full."""
    name = clean(name)
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


def _measured(results: Results) -> list[Row]:
    return [r for r in results.rows if results.metric in r.metrics]


def _role(results: Results, row: Row) -> str:
    if row.name == results.best_by_validation:
        return ACCENT
    return SECOND if row.name in results.baselines else PLAIN


def _place_labels(axes: Any, points: list[tuple[float, float, str]]) -> None:
    """Write each name beside its point, at the first place where it covers no other name and no point."""
    axes.figure.canvas.draw()
    pixels = [axes.transData.transform((x, y)) for x, y, _ in points]
    taken = [(px - 5, py - 5, px + 5, py + 5) for px, py in pixels]
    frame = axes.get_window_extent()
    scale = axes.figure.dpi / 72
    # Above the line to p95 first, then below it, then further away and on the left.
    offsets = [(dx, dy) for dx in (6, -6) for dy in (8, -9, 19, -20, 30, -31, 41, -42)]
    for (x, y, name), (px, py) in sorted(zip(points, pixels, strict=True), key=lambda p: -p[0][1]):
        width, height = 5.6 * len(name) * scale, 11 * scale
        chosen = offsets[0]
        for dx, dy in offsets:
            left = px + dx * scale - (width if dx < 0 else 0)
            box = (left, py + dy * scale - height / 2, left + width, py + dy * scale + height / 2)
            inside = box[0] >= frame.x0 and box[2] <= frame.x1 and box[1] >= frame.y0 and box[3] <= frame.y1
            if inside and not any(_overlap(box, other) for other in taken):
                chosen = (dx, dy)
                taken.append(box)
                break
        axes.annotate(
            name, (x, y), xytext=chosen, textcoords="offset points", va="center", fontsize=9, color=INK,
            ha="right" if chosen[0] < 0 else "left",
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
            if abs(chosen[1]) > 9 else None,
        )  # fmt: skip


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


def _figure(draw: Callable[[Any], None], height: float, title: str, prefix: str) -> str:
    with _style():
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
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
