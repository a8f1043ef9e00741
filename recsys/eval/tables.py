"""The tables of a report as plain text cells, built once for Markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from recsys.eval.debiased import PREFIX
from recsys.eval.results import EffectSize, Results, Row

ALPHA = 0.05
NONE = "–"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Cell:
    """One value: ``note`` is the small print beside it, ``best`` marks the best of its column."""

    text: str
    note: str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; the first cell of every line is its heading. ``marked`` is the heading of the line to stress."""

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    legend: tuple[str, ...] = ()
    marked: str | None = None


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


def label(metric: str) -> str:
    """Return "NDCG@10" of "ndcg@10"."""
    if metric.startswith(PREFIX):
        return f"Debiased {label(metric.removeprefix(PREFIX))}"
    name, at, k = clean(metric).partition("@")
    known = {"hr": "HR", "ndcg": "NDCG", "mrr": "MRR", "map": "MAP"}
    return known.get(name, name.replace("_", " ").capitalize()) + at + k


def significance(results: Results, row: Row) -> str:
    """Return "▲a ▼b": significantly better than baseline a, worse than b; letters as in `letters`."""
    marks = []
    for base, letter in letters(results).items():
        p, effect = row.p_vs.get(base), row.effect.get(base)
        if p is not None and p < ALPHA:
            other = next((r for r in results.rows if r.name == base), None)
            gain = effect.difference if effect else _gain(row, other, results.metric)
            marks.append(("▲" if gain > 0 else "▼") + letter)
    return " ".join(marks)


def letters(results: Results) -> dict[str, str]:
    """Return a letter for each baseline."""
    return {base: LETTERS[i] if i < len(LETTERS) else f"z{i}" for i, base in enumerate(results.baselines)}


def _gain(row: Row, other: Row | None, metric: str) -> float:
    return row.metrics.get(metric, 0.0) - (other.metrics.get(metric, 0.0) if other else 0.0)


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
    for base, effect in best.effect.items():
        text += f"; {percent(effect.relative)} against {base}"
        if base in best.p_vs:
            text += f", {p_text(best.p_vs[base])}"
    return clean(text) + "."


def tables(results: Results) -> list[Table]:
    """Return every table that has something in it, the main one first."""
    found = [accuracy(results), *(against(results, base) for base in results.baselines), slices(results)]
    found += [debiased(results), ceiling(results), beyond(results), cost(results)]
    return [table for table in found if table.lines]


def accuracy(results: Results) -> Table:
    """Return all metrics with their intervals, but for the debiased ones."""
    metrics = [m for m in _keys(row.metrics for row in results.rows) if not m.startswith(PREFIX)]
    lines = _measured(results, metrics, [significance(results, row) for row in results.rows])
    legend = [f"Beside each mean its 95 % bootstrap interval over {results.users:,} requests."]
    legend += [
        f"▲{letter} significantly better, ▼{letter} worse than {clean(base)} on {label(results.metric)} "
        f"(paired randomisation test, Holm-corrected, p < {ALPHA})."
        for base, letter in letters(results).items()
    ]
    return Table("Ranking quality", ("Row", *map(label, metrics)), lines, tuple(legend), _best(results))


def _measured(results: Results, metrics: Sequence[str], marks: Sequence[str]) -> tuple[tuple[Cell, ...], ...]:
    """Return a line a row: its name with its mark, then each metric with its interval."""
    top = {m: max(row.metrics[m] for row in results.rows if m in row.metrics) for m in metrics}
    lines = []
    for row, mark in zip(results.rows, marks, strict=True):
        cells = [Cell(clean(row.name), mark)]
        for m in metrics:
            value, interval = row.metrics.get(m), row.ci95.get(m)
            note = f"{number(interval[0])}–{number(interval[1])}" if interval else ""
            cells.append(Cell(number(value), note, value is not None and value == top[m]))
        lines.append(tuple(cells))
    return tuple(lines)


def debiased(results: Results) -> Table:
    """Return the debiased metrics, each beside the plain one; no lines where nothing was debiased."""
    names = [m for m in _keys(row.metrics for row in results.rows) if m.startswith(PREFIX)]
    metrics = [m for name in names for m in (name.removeprefix(PREFIX), name)]
    lines = _measured(results, metrics, [""] * len(results.rows)) if names else ()
    legend = (
        "Debiased: each target counts by 1 / (1 + its events in the fitted log), divided by the sum of these weights "
        "(Yang et al. 2018, gamma = 1): what would be left if rare and popular items were chosen equally often.",
    )
    return Table("Without the pull of popular targets", ("Row", *map(label, metrics)), lines, legend, _best(results))


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
    p = Cell(p_text(row.p_vs[base]).removeprefix("p ").removeprefix("= "))
    if effect is None:
        return (Cell(clean(row.name)), *(Cell(NONE),) * 4, p)
    interval = f"{effect.ci95[0]:+.4f} to {effect.ci95[1]:+.4f}"
    counts = f"{effect.wins:,} / {effect.ties:,} / {effect.losses:,}"
    return (
        Cell(clean(row.name)), Cell(f"{effect.difference:+.4f}", interval), Cell(percent(effect.relative)),
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
    legend = ("In brackets the number of requests. A request belongs to the slice of its rarest target.",)
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
