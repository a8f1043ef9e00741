"""The tables of a report as plain text cells, built once for Markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from recsys.eval.debiased import PREFIX
from recsys.eval.frontier import CONTROLS, front, timed
from recsys.eval.letters import ALPHA, comparisons, letters, significance
from recsys.eval.results import LOWER_IS_BETTER, EffectSize, Results, Row
from recsys.eval.stages import RECOMMENDING, RERANKED, SEARCHING, Step, best_single, stages, step_between, whole

NONE = "–"
NEITHER = "unjudged"  # a metric of which more is neither better nor worse


@dataclass(frozen=True, slots=True)
class Cell:
    """One value: ``note`` is the small print beside it, ``best`` marks the best of its column, ``marks`` are letters.

    In the first column the note is the row's own letter, to which the ``marks`` of other rows refer.
    """

    text: str
    note: str = ""
    best: bool = False
    marks: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; the first cell of every line is its heading.

    ``marked`` is the heading of the line to stress, ``lettered`` the column whose cells may have marks.
    """

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    legend: tuple[str, ...] = ()
    marked: str | None = None
    lettered: int | None = None


def clean(text: str) -> str:
    """Return ``text`` on one line, without control characters and without marks that turn the writing direction."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def number(value: float | None, digits: int = 4) -> str:
    """Return a fixed number of decimals, a dash for None."""
    return NONE if value is None else f"{value:.{digits}f}"


def compact(value: float | None) -> str:
    """Return three significant digits without an exponent, a dash for None."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):g}"


def p_text(p: float) -> str:
    """Return "p < 0.001" or "p = 0.012"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def percent(value: float | None) -> str:
    """Return a signed percentage, a dash for None."""
    return NONE if value is None else f"{100 * value:+.1f} %"


def signed(interval: tuple[float, float] | None) -> str:
    """Return "-0.0010 to +0.0020", "" for None."""
    return f"{interval[0]:+.4f} to {interval[1]:+.4f}" if interval else ""


def label(metric: str) -> str:
    """Return "NDCG@10" of "ndcg@10"."""
    if metric.startswith(PREFIX):
        return f"Debiased {label(metric.removeprefix(PREFIX))}"
    name, at, k = clean(metric).partition("@")
    known = {"hr": "HR", "ndcg": "NDCG", "mrr": "MRR", "map": "MAP", "rmse": "RMSE", "mae": "MAE"}
    return known.get(name, name.replace("_", " ").capitalize()) + at + k


def facts(results: Results) -> list[tuple[str, str]]:
    """Return the protocol and the environment as (name, value) pairs."""
    found = [
        ("Data", results.data), ("Split", results.split), ("Shoppers", f"{results.users:,}"),
        ("Items", f"{results.items:,}"), ("Main metric", label(results.metric)), ("Seed", str(results.seed)),
        ("Settings", results.settings_hash), ("Best by validation", results.best_by_validation or NONE),
    ]  # fmt: skip
    for name, value in results.protocol.items():
        text = ("yes" if value else "no") if isinstance(value, bool) else value
        words = name.replace("_", " ")
        found.append((words[:1].upper() + words[1:], compact(text) if isinstance(text, float) else str(text)))
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items() if version)
    found.append(("Versions", versions))
    if results.machine:
        found.append(("Machine", ", ".join(f"{name} {value}" for name, value in results.machine.items())))
    return [(clean(name), clean(value)) for name, value in found]


def headline(results: Results) -> str:
    """Return the best row in one sentence, or "" when none was chosen."""
    best = results.best
    if best is None or results.metric not in best.metrics:
        return ""
    text = f"{best.name} reaches {label(results.metric)} {number(best.metrics[results.metric])}"
    interval = best.ci95.get(results.metric)
    if interval:
        text += f" (95 % interval {number(interval[0])} to {number(interval[1])})"
    # What it stands on says most: the other baselines have their tables.
    below = [base for base in (best_single(results), *RECOMMENDING, *SEARCHING) if base in best.effect]
    for base in dict.fromkeys(below or best.effect):
        effect = best.effect[base]
        gain = f"{effect.difference:+.4f}" if effect.relative is None else percent(effect.relative)
        text += f"; {gain} against {base}"
        if base in best.p_vs:
            text += f", {p_text(best.p_vs[base])}"
    return clean(text) + "."


def tables(results: Results) -> list[Table]:
    """Return every table that has something in it, the main one first."""
    found = [accuracy(results), gains(results), *(against(results, base) for base in comparisons(results))]
    found += [frontier(results), slices(results), debiased(results)]
    found += [ceiling(results), beyond(results), cost(results)]
    return [table for table in found if table.lines]


def accuracy(results: Results) -> Table:
    """Return all metrics but the debiased ones with their intervals, and beside the main one what is significant."""
    metrics = [m for m in _keys(row.metrics for row in results.rows) if not m.startswith(PREFIX)]
    named = letters(results)
    lines = _measured(results, metrics, lettered=True)
    legend = [f"Beside each mean its 95 % bootstrap interval over {results.users:,} requests; the best is marked."]
    if named:
        rows = ", ".join(f"{letter} = {clean(base)}" for base, letter in named.items())
        legend.append(
            f"Letters beside {label(results.metric)}: ▲ significantly better, ▼ significantly worse than the rows of "
            f"these letters; without one there is no significant difference, or no comparison. {rows}."
        )
        legend.append(
            f"Significant: p < {ALPHA} of the paired randomisation test on {label(results.metric)}, after Holm's "
            "correction over all rows that are compared with the row of that letter."
        )
    lettered = 1 + metrics.index(results.metric) if results.metric in metrics else None
    head = ("Row", *map(label, metrics))
    title = "Rating errors, lower is better" if results.metric in LOWER_IS_BETTER else "Ranking quality"
    return Table(title, head, lines, tuple(legend), _best(results), lettered)


def _measured(results: Results, metrics: Sequence[str], lettered: bool = False) -> tuple[tuple[Cell, ...], ...]:
    """Return a line a row: its name, then each metric with its interval; with the letters of what is significant."""
    top = {m: _top(m, [row.metrics[m] for row in results.rows if m in row.metrics]) for m in metrics}
    named = letters(results) if lettered else {}
    lines = []
    for row in results.rows:
        cells = [Cell(clean(row.name), named.get(row.name, ""))]
        for m in metrics:
            value, interval = row.metrics.get(m), row.ci95.get(m)
            note = f"{number(interval[0])}–{number(interval[1])}" if interval else ""
            marks = significance(results, row) if lettered and m == results.metric else ""
            best = value is not None and value == top[m] and not m.startswith(NEITHER)
            cells.append(Cell(number(value), note, best, marks))
        lines.append(tuple(cells))
    return tuple(lines)


def _top(metric: str, values: Sequence[float]) -> float:
    return min(values) if metric in LOWER_IS_BETTER else max(values)


def debiased(results: Results) -> Table:
    """Return the debiased metrics, each beside the plain one; no lines where nothing was debiased."""
    names = [m for m in _keys(row.metrics for row in results.rows) if m.startswith(PREFIX)]
    metrics = [m for name in names for m in (name.removeprefix(PREFIX), name)]
    lines = _measured(results, metrics) if names else ()
    legend = (
        "Debiased: each target counts by 1 / (1 + its events in the fitted log), divided by the sum of these weights "
        "(Yang et al. 2018, gamma = 1): what would be left if rare and popular items were chosen equally often.",
    )
    return Table("Without the pull of popular targets", ("Row", *map(label, metrics)), lines, legend, _best(results))


def gains(results: Results) -> Table:
    """Return what each stage of the funnel adds to the one before it, and all of them to the first."""
    steps = stages(results)
    total = whole(results, steps)
    lines = [_step_line(step) for step in steps] + ([_step_line(total)] if total else [])
    head = ("Row after the stage", label(results.metric), "Added", "Relative", "p (Holm)")
    legend = [
        f"What each stage adds to the mean {label(results.metric)} of the stage before it, with the 95 % interval of "
        "the paired difference."
    ]
    if any(step.gain is not None and step.ci95 is None for step in steps):
        legend.append(f"{NONE}: these results hold no paired comparison of that row with the one before it.")
    rerankers = [r.name for r in results.rows if r.name.startswith(RERANKED)]
    if steps and rerankers and not steps[-1].name.startswith(RERANKED):
        legend.append(f"Validation chose no reranker: {', '.join(map(clean, rerankers))} are in the other tables.")
    return Table("Gain by stage", head, tuple(lines), tuple(legend))


def _step_line(step: Step) -> tuple[Cell, ...]:
    first = (Cell(clean(step.name), step.stage), Cell(number(step.value)))
    if step.gain is None:
        return (*first, *(Cell(NONE),) * 3)
    return (
        *first, Cell(f"{step.gain:+.4f}", signed(step.ci95)), Cell(percent(step.relative)), _p_cell(step.p),
    )  # fmt: skip


def _p_cell(p: float | None) -> Cell:
    return Cell(NONE if p is None else p_text(p).removeprefix("p ").removeprefix("= "))


def frontier(results: Results) -> Table:
    """Return the rows of the Pareto front of quality and latency, and what each gains and costs."""
    rows = front(results)
    lines = []
    for before, row in zip([None, *rows], rows, strict=False):
        took = row.latency_ms["p50"]
        first = (Cell(clean(row.name)), Cell(number(row.metrics[results.metric])), Cell(compact(took)))
        if before is None:
            lines.append((*first, *(Cell(NONE),) * 3))
            continue
        step = step_between(results, before, row, "")
        times = f"{compact(took / before.latency_ms['p50'])} times"
        lines.append((*first, Cell(f"{step.gain:+.4f}", signed(step.ci95)), _p_cell(step.p), Cell(times)))
    dominated = [clean(row.name) for row in timed(results) if row not in rows and row.name not in CONTROLS]
    legend = [
        "On the front: no other row is both at least as fast and at least as good, by p50 and mean. "
        + (f"Dominated: {', '.join(dominated)}." if dominated else "No row is dominated."),
        "Better: than the row above, with the interval and p of their paired comparison where these results hold one; "
        "without a significant difference the faster row may be as good.",
    ]
    head = ("Row on the front", label(results.metric), "Latency p50, ms", "Better", "p (Holm)", "Slower")
    return Table("Quality against latency", head, tuple(lines), tuple(legend), _best(results))


def against(results: Results, base: str) -> Table:
    """Return the size of every difference to one baseline."""
    lines = [_effect_line(row, base, row.effect.get(base)) for row in results.rows if base in row.p_vs]
    head = ("Row", "Difference", "Relative", "Cohen's d_z", "Wins / ties / losses", "p (Holm)")
    legend = (
        f"Difference in mean {label(results.metric)} over the same requests. With this many requests small differences "
        "are significant too: read the size first. d_z is the mean difference over its standard deviation.",
    )
    return Table(f"Against {clean(base)}", head, tuple(lines), legend, _best(results))


def _effect_line(row: Row, base: str, effect: EffectSize | None) -> tuple[Cell, ...]:
    p = _p_cell(row.p_vs[base])
    if effect is None:
        return (Cell(clean(row.name)), *(Cell(NONE),) * 4, p)
    counts = f"{effect.wins:,} / {effect.ties:,} / {effect.losses:,}"
    return (
        Cell(clean(row.name)), Cell(f"{effect.difference:+.4f}", signed(effect.ci95)), Cell(percent(effect.relative)),
        Cell(number(effect.d_z, 3)), Cell(counts), p,
    )  # fmt: skip


def slices(results: Results) -> Table:
    """Return the main metric by group of requests, with the size of each group in its heading."""
    rows = [row for row in results.rows if row.slices]
    found = [(row, {name: group.get(results.metric) for name, group in row.slices.items()}) for row in rows]
    table = _plain(f"{label(results.metric)} by slice", found, results, best=True)
    sizes = {name: group["requests"] for row in rows for name, group in row.slices.items() if "requests" in group}
    names = _keys(group for _, group in found)
    head = ("Row", *(clean(name) + (f" ({sizes[name]:,.0f})" if name in sizes else "") for name in names))
    rarest = (
        " A request belongs to the slice of its rarest target." if any(n.startswith("target ") for n in names) else ""
    )
    legend = (f"In brackets the number of requests.{rarest}",)
    return replace(table, head=head, legend=legend)


def ceiling(results: Results) -> Table:
    """Return candidate recall: what the best possible ranker could reach on each row's candidates."""
    legend = ("Share of targets among the first n candidates: no ranking of them can find more.",)
    rows = [(row, row.ceiling) for row in results.rows]
    return _plain("Candidate ceiling", rows, results, legend, best=True)


def beyond(results: Results) -> Table:
    """Return what accuracy does not see."""
    legend = (
        "Coverage: share of the catalogue in some list. Novelty: mean bits of surprise of a shown item. Gini: 0 = all "
        "items shown equally often, 1 = one item alone. Popularity lift: popularity of shown items over that of the "
        "targets, 1 = alike. Diversity: mean pairwise distance of the categories in a list.",
    )
    return _plain("Beyond accuracy", [(row, row.beyond) for row in results.rows], results, legend)


def cost(results: Results) -> Table:
    """Return time and memory."""
    lines = []
    for row in results.rows:
        values = (row.fit_s, row.latency_ms.get("p50"), row.latency_ms.get("p95"), row.peak_rss_mb, row.size_mb)
        if any(v is not None for v in values):
            lines.append((Cell(clean(row.name)), *(Cell(compact(v)) for v in values)))
    head = ("Row", "Fit, s", "Latency p50, ms", "Latency p95, ms", "Peak memory, MiB", "Size, MiB")
    return Table("Cost", head, tuple(lines), ("Latency is that of one request at a time.",), _best(results))


def _plain(
    title: str,
    rows: Sequence[tuple[Row, Mapping[str, float | None]]],
    results: Results,
    legend: tuple[str, ...] = (),
    best: bool = False,
) -> Table:
    columns = _keys(values for _, values in rows)
    top = {c: max((v for _, values in rows if (v := values.get(c)) is not None), default=None) for c in columns}
    lines = tuple(
        (Cell(clean(row.name)), *(Cell(number(v := values.get(c)), best=best and v == top[c]) for c in columns))
        for row, values in rows
        if values
    )
    return Table(title, ("Row", *map(label, columns)), lines, legend, _best(results))


def _best(results: Results) -> str | None:
    return None if results.best_by_validation is None else clean(results.best_by_validation)


def _keys(groups: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(key for group in groups for key in group))
