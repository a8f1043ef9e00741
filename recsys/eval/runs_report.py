"""Evaluations side by side as tables: for a terminal, as Markdown, as LaTeX, and as an HTML page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recsys.eval import latex, page, plots
from recsys.eval.letters import ALPHA
from recsys.eval.report import markdown_table, md
from recsys.eval.results import Row
from recsys.eval.runs import Difference, Pair
from recsys.eval.tables import NONE, Cell, Table, clean, compact, label, number, p_text, percent, signed

TITLE = "Evaluations side by side"


def to_dict(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return plain values for JSON."""
    return {"metric": pairs[0].metric, "comparisons": [pair.to_dict() for pair in pairs]}


def to_markdown(pairs: Sequence[Pair]) -> str:
    """Return the comparisons as GitHub-flavoured Markdown."""
    parts = [f"# {TITLE}"]
    for pair in pairs:
        table = pair_table(pair)
        warned = [f"**{md(line)}**" for line in warnings(pair)]
        parts += [f"## {md(table.title)}", *warned, markdown_table(table), *map(md, (*table.legend, *remarks(pair)))]
    return "\n\n".join(parts) + "\n"


def to_latex(pairs: Sequence[Pair]) -> str:
    """Return the comparisons as LaTeX for ``\\input``, with booktabs; warnings are in the legends."""
    return latex.document([pair_table(pair, (*warnings(pair), *remarks(pair))) for pair in pairs], "")


def to_html(pairs: Sequence[Pair]) -> str:
    """Return the comparisons as one HTML file that loads nothing.

    Raises:
        PluginUnavailable: matplotlib is not installed.
    """
    names = ", ".join([pairs[0].a.name, *(pair.b.name for pair in pairs)])
    parts = []
    for place, pair in enumerate(pairs):
        table = pair_table(pair)
        parts.append("".join(page.box("Careful:", line, warning=True) for line in warnings(pair)))
        caption = f"Right of the line {pair.b.name} is better, left of it {pair.a.name}; filled where that is clear."
        parts.append(page.section(table.title, table, plots.differences(pair, f"differences{place}"), (caption,)))
        parts.append("".join(f"<p class=legend>{page.text(line)}</p>" for line in remarks(pair)))
    return page.page(TITLE, names, parts)


def pair_table(pair: Pair, more: Sequence[str] = ()) -> Table:
    """Return the rows of two evaluations beside one another; ``more`` lines end the legend."""
    rows, a, b = pair.rows, clean(pair.a.name), clean(pair.b.name)
    timed = any(_times(row) is not None for row in rows)
    tested = ("p (Holm)", "Wins / ties / losses") if pair.paired else ("Interval without 0",)
    head = ("Row", a, b, "Difference", "Relative", *tested, *(["Time"] if timed else []))
    lines = tuple((*_line(row, pair), *([Cell(_ratio(row))] if timed else [])) for row in rows)
    return Table(f"{label(pair.metric)}: {b} against {a}", head, lines, (*_legend(pair, timed), *more))


def _line(row: Difference, pair: Pair) -> tuple[Cell, ...]:
    better = row.clear and (row.gain or 0.0) > 0
    worse = row.clear and (row.gain or 0.0) < 0
    effect = row.effect
    tested: tuple[Cell, ...] = (Cell(NONE if row.clear is None else "yes" if row.clear else "no"),)
    if pair.paired:
        p = NONE if row.p is None else p_text(row.p).removeprefix("p ").removeprefix("= ")
        counts = NONE if effect is None else f"{effect.wins:,} / {effect.ties:,} / {effect.losses:,}"
        tested = (Cell(p), Cell(counts))
    return (
        Cell(clean(row.name)), _figure(row.a, pair.metric, bool(worse)), _figure(row.b, pair.metric, bool(better)),
        Cell(NONE if row.gain is None else f"{row.gain:+.4f}", signed(row.ci95)), Cell(percent(row.relative)), *tested,
    )  # fmt: skip


def _figure(row: Row | None, metric: str, best: bool) -> Cell:
    if row is None:
        return Cell(NONE)
    interval = row.ci95.get(metric)
    return Cell(number(row.metrics[metric]), f"{number(interval[0])}–{number(interval[1])}" if interval else "", best)


def _times(row: Difference) -> float | None:
    """Return the latency p50 of b over that of a, None where one was not timed."""
    sides = [side.latency_ms.get("p50", 0.0) if side else 0.0 for side in (row.a, row.b)]
    return sides[1] / sides[0] if all(sides) else None


def _ratio(row: Difference) -> str:
    times = _times(row)
    return NONE if times is None else f"{compact(times)} times"


def _legend(pair: Pair, timed: bool) -> list[str]:
    a, b, of = clean(pair.a.name), clean(pair.b.name), pair.a.results
    what = f"{clean(of.data)}, {clean(of.split)}: {of.users:,} requests, {of.items:,} items."
    if pair.paired:
        how = (
            f"Difference: {b} minus {a} over the same {len(pair.a.users):,} users, with the 95 % bootstrap interval of "
            f"the paired differences. p: paired randomisation test, Holm-corrected over the rows that both have. "
            f"Marked: the better one where p < {ALPHA}."
        )
    else:
        how = (
            f"Difference: {b} minus {a}, with the 95 % interval as if each had users of its own, from the intervals of "
            "the two: of the same users it would be narrower. Paired tests need the per-user tables of both "
            "(evaluate --per-user, compare --per-user). Marked: the better one where the interval is without 0."
        )
    return [
        *([] if pair.protocol else [what]),
        how,
        *([f"Time: latency p50 of {b} over that of {a}."] if timed else []),
    ]


def warnings(pair: Pair) -> list[str]:
    """Return why the figures of two evaluations do not compare, if they do not."""
    if not pair.protocol:
        return []
    return [f"{pair.a.name} and {pair.b.name} are two protocols: {_both(pair.protocol)}. Their figures do not compare."]


def remarks(pair: Pair) -> list[str]:
    """Return what else differs between two evaluations, and what that means for the reader."""
    out = [f"Also differs: {_both(pair.others)}."] if pair.others else []
    if any(name.startswith("machine.") for name in pair.others):
        out.append("They ran on different machines: the times do not compare.")
    return [clean(line) for line in out]


def _both(found: Any) -> str:
    return "; ".join(f"{name.replace('_', ' ')} {_plain(a)} and {_plain(b)}" for name, (a, b) in found.items())


def _plain(value: Any) -> str:
    if value in (None, ""):
        return "none"
    return compact(value) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
