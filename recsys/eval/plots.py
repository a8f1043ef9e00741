"""The plots of a report as inline SVG: matplotlib draws, the page's style sheet colours them for light and dark."""

from __future__ import annotations

from typing import Any

from recsys.eval.frontier import front, timed
from recsys.eval.letters import comparisons
from recsys.eval.results import Results, Row
from recsys.eval.runs import Pair
from recsys.eval.stages import Step, stages, whole
from recsys.eval.svg import ACCENT, GRID, INK, MUTED, PLAIN, SECOND, SERIES, figure, place_labels, short
from recsys.eval.tables import compact, label, number, percent

MARKERS = ("o", "s", "^", "D", "v")


def quality_bars(results: Results) -> str:
    """Return bars of the main metric with 95 % whiskers, best first; "" if no row has it."""
    rows = sorted(_measured(results), key=lambda r: r.metrics[results.metric])
    if not rows:
        return ""

    def draw(axes: Any) -> None:
        names, values = [short(r.name) for r in rows], [r.metrics[results.metric] for r in rows]
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

    return figure(draw, 0.9 + 0.3 * len(rows), f"Bar chart: {label(results.metric)} of {len(rows)} rows", "bars")


def waterfall(results: Results) -> str:
    """Return the main metric from the best single generator to the last stage, with what each adds; "" if none."""
    steps = stages(results)
    if not steps:
        return ""
    total = whole(results, steps)
    bars = [*steps, *([total] if total else [])]

    def draw(axes: Any) -> None:
        reach = [step.value for step in steps]
        for at, step in enumerate(bars):
            floats = step.gain is not None and step is not total
            start = steps[at - 1].value if floats else 0.0
            colour = PLAIN if not floats else ACCENT if step.value >= start else SECOND
            axes.barh(at, step.value - start, left=start, height=0.6, color=colour)
            if at + 1 < len(bars):
                axes.plot([step.value] * 2, [at + 0.3, at + 0.7], color=MUTED, linewidth=0.9)
            if step.ci95:
                base = step.value - (step.gain or 0.0)
                axes.plot([base + step.ci95[0], base + step.ci95[1]], [at, at], color=INK, linewidth=1.4)
                reach.append(base + step.ci95[1])
            right = max(start, step.value, reach[-1] if step.ci95 else 0.0)
            text = f"{number(step.value)}: {_step_text(step)}" if step is total else _step_text(step)
            axes.annotate(
                text, (right, at), xytext=(6, 0), textcoords="offset points", va="center", color=INK,
                fontsize=9.5,
            )  # fmt: skip
        axes.set_xlim(0, (max(reach) or 1.0) * 1.36)
        axes.set_yticks(range(len(bars)), ["all together" if s is total else short(s.name) for s in bars])
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlabel(f"{label(results.metric)}, whiskers: 95 % interval of what the stage adds")
        axes.grid(axis="x")

    title = f"Waterfall: {label(results.metric)} after each of {len(steps)} stages"
    return figure(draw, 0.9 + 0.42 * len(bars), title, "stages")


def _step_text(step: Step) -> str:
    return number(step.value) if step.gain is None else f"{step.gain:+.4f} ({percent(step.relative)})"


def quality_latency(results: Results) -> str:
    """Return the main metric against latency p50 on a log axis, with the Pareto front; "" if no row has both."""
    rows = timed(results)
    if not rows:
        return ""
    best = {row.name for row in front(results)}
    points = [(r.latency_ms["p50"], r.metrics[results.metric], r) for r in rows]

    def draw(axes: Any) -> None:
        for x, y, row in points:
            low, high = row.ci95.get(results.metric, (y, y))
            on, colour = row.name in best, _role(results, row)
            colour = MUTED if colour == PLAIN else colour
            axes.plot([x, x], [low, high], color=PLAIN, linewidth=1.2)
            axes.plot([x, max(x, row.latency_ms.get("p95", x))], [y, y], color=PLAIN, linewidth=1.2)
            axes.plot([x], [y], "o", color=colour, markersize=8 if on else 5.5, fillstyle="full" if on else "none")
        axes.set_xscale("log")
        left, right = axes.get_xlim()
        axes.set_xlim(left / 1.3, right * 2.5)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]), top=axes.get_ylim()[1] * 1.08 or 1.0)
        # What is reached within a time: it stays where it is until the next row of the front.
        edge = [(x, y) for x, y, row in points if row.name in best]
        edge += [(axes.get_xlim()[1], y) for _, y in edge[-1:]]
        dashed = {"linestyle": (0, (4, 3)), "color": INK, "linewidth": 0.9, "zorder": 0}
        axes.step([x for x, _ in edge], [y for _, y in edge], where="post", **dashed)
        axes.xaxis.set_major_formatter(lambda value, _: compact(value))
        axes.set_xlabel("latency of one request, ms: dot = p50, line to p95; filled and dashed: the front")
        axes.set_ylabel(label(results.metric))
        axes.grid(axis="both")
        place_labels(axes, [(x, y, short(row.name), row.name in best) for x, y, row in points])

    return figure(draw, 5.0, f"Scatter plot: {label(results.metric)} against latency of {len(rows)} rows", "latency")


def differences(pair: Pair, prefix: str = "differences") -> str:
    """Return the difference of every row that both runs have, with its interval, around a line at 0; "" if none."""
    rows = [row for row in pair.rows if row.gain is not None][::-1]
    if not rows:
        return ""

    def draw(axes: Any) -> None:
        axes.axvline(0, color=MUTED, linewidth=1.0)
        for at, row in enumerate(rows):
            gain = row.gain or 0.0
            colour = MUTED if not row.clear else ACCENT if gain > 0 else SECOND
            if row.ci95:
                axes.plot(row.ci95, [at, at], color=colour, linewidth=1.6, solid_capstyle="butt")
            axes.plot([gain], [at], "o", color=colour, markersize=6.5, fillstyle="full" if row.clear else "none")
        axes.set_yticks(range(len(rows)), [short(row.name) for row in rows])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -0.05 * high), max(high, -0.05 * low))
        name = f"{short(pair.b.name)} minus {short(pair.a.name)}"
        axes.set_xlabel(f"{label(pair.metric)}: {name}, with 95 % intervals")
        axes.grid(axis="x")

    title = f"Dot plot: differences in {label(pair.metric)} of {len(rows)} rows"
    return figure(draw, 0.9 + 0.3 * len(rows), title, prefix)


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
                [v for _, v in points], y, MARKERS[i], color=SERIES[i], markersize=6.5, label=short(row.name),
                linestyle="none",
            )  # fmt: skip
        counts = [next(r.slices[n].get("requests") for r in rows if n in r.slices) for n in names]
        ticks = [short(n) + ("" if c is None else f"  ({c:,.0f})") for n, c in zip(names, counts, strict=True)]
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
    return figure(draw, height, f"Dot plot: {label(results.metric)} of {len(rows)} rows by slice", "slices")


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
                label=short(label(name)),
            )  # fmt: skip
        axes.set_yticks(range(len(rows)), [short(r.name) for r in rows])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlim(left=0)
        axes.set_xlabel("share of targets found")
        axes.grid(axis="x")
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(series), frameon=False, labelcolor=INK,
            handletextpad=0.2, columnspacing=1.4, borderaxespad=0.2,
        )  # fmt: skip

    return figure(draw, 1.2 + 0.3 * len(rows), f"Dot plot: candidate recall of {len(rows)} rows", "ceiling")


def _measured(results: Results) -> list[Row]:
    return [r for r in results.rows if results.metric in r.metrics]


def _role(results: Results, row: Row) -> str:
    if row.name == results.best_by_validation:
        return ACCENT
    return SECOND if row.name in comparisons(results)[:1] else PLAIN
