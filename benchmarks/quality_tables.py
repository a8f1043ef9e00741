"""The tables of quality, from the JSON of ``recsys evaluate`` to Markdown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys.eval.report import markdown_table
from recsys.eval.results import Results, Row
from recsys.eval.stages import best_single
from recsys.eval.tables import NONE, Cell, Table, compact, number, p_text, percent

SHOWN = ("hr@10", "ndcg@10")
SEARCHED = ("ndcg@10", "judged_ndcg@10", "mrr@10", "recall@100")
LEXICAL = "bm25"  # what every way to search is compared with


def read(name: str, results: Path) -> Results | None:
    """Return the evaluation of one set, None when it has not been measured."""
    path = results / f"evaluate-{name}.json"
    return Results.from_dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def with_interval(row: Row, metric: str) -> Cell:
    """Return the mean with its interval as small print."""
    interval = row.ci95.get(metric)
    note = f"{number(interval[0])}–{number(interval[1])}" if interval else ""
    return Cell(number(row.metrics.get(metric)), note)


def versus(row: Row, base: str | None) -> tuple[Cell, Cell]:
    """Return the relative difference to a baseline, and its p."""
    if base is None or base not in row.p_vs:
        return Cell(NONE), Cell(NONE)
    effect = row.effect.get(base)
    return Cell(percent(effect.relative if effect else None)), Cell(p_value(row.p_vs[base]))


def p_value(p: float) -> str:
    """Return "< 0.001" or "0.012", for a column that says what it is."""
    return p_text(p).removeprefix("p ").removeprefix("= ")


def of_set(name: str, folder: Path) -> str:
    """Return every row of one set."""
    found = read(name, folder)
    if found is None:
        return f"Not measured yet: `python -m benchmarks evaluate {name}`."
    base = best_single(found)
    lines = []
    for row in found.rows:
        speed = tuple(Cell(compact(row.latency_ms.get(q))) for q in ("p50", "p95"))
        title = Cell(row.name, "chosen by validation" if row.name == found.best_by_validation else "")
        lines.append((title, *(with_interval(row, m) for m in SHOWN), *versus(row, base), *speed))
    head = ("Row", "HR@10", "NDCG@10", "Against it", "p (Holm)", "p50, ms", "p95, ms")
    repeats = found.protocol.get("repeats")
    about = [
        f"`{found.data}`, {found.split}: {found.users:,} requests, {found.items:,} items"
        + (f", items chosen before are {repeats}" if repeats else "")
        + f"; settings {found.settings_hash}, seed {found.seed}.",
        f"“Against it” is the NDCG@10 relative to {base}, the best single generator on validation." if base else "",
    ]
    return "\n\n".join([markdown_table(Table("", head, tuple(lines))), " ".join(filter(None, about))])


def of_search(name: str, folder: Path) -> str:
    """Return every way to search one catalogue with judged queries, and what one typo costs each."""
    found = read(name, folder)
    if found is None:
        return f"Not measured yet: `python -m benchmarks evaluate {name}`."
    lines = []
    for row in found.rows:
        title = Cell(row.name, "best by validation" if row.name == found.best_by_validation else "")
        lost = getattr(row, "typo_loss", None)
        loss = Cell(NONE if lost is None else f"{100 * lost:.1f} %")
        speed = tuple(Cell(compact(row.latency_ms.get(q))) for q in ("p50", "p95"))
        means = [Cell(number(row.metrics.get(m))) for m in SEARCHED[1:]]
        lines.append((title, with_interval(row, SEARCHED[0]), *means, *versus(row, LEXICAL), loss, *speed))
    head = (
        "Row", "NDCG@10", "Judged items alone", "MRR@10", "Recall@100", "NDCG@10 against bm25", "p (Holm)",
        "Lost by a typo", "p50, ms", "p95, ms",
    )  # fmt: skip
    about = (
        f"`{found.data}`, {found.split}: {found.users:,} queries with a relevant item of "
        f"{int(found.protocol['queries']):,}, {int(found.protocol['judgements']):,} judgements, {found.items:,} items; "
        f"settings {found.settings_hash}, seed {found.seed}."
    )
    return "\n\n".join([markdown_table(Table("", head, tuple(lines))), about])


def summary(names: Sequence[str], folder: Path) -> str:
    """Return one line a set: the best single generator, the whole funnel, and what lies between them."""
    lines = []
    for name in names:
        found = read(name, folder)
        rows = {row.name: row for row in found.rows} if found else {}
        if found is None or "cascade" not in rows:
            continue
        base = best_single(found)
        single = Cell(number(rows[base].metrics.get("ndcg@10")), base) if base in rows else Cell(NONE)
        popular = rows.get("popularity")
        lines.append(
            (
                Cell(name), Cell(found.split), Cell(f"{found.users:,}"),
                Cell(number(popular.metrics.get("ndcg@10") if popular else None)), single,
                with_interval(rows["cascade"], "ndcg@10"), *versus(rows["cascade"], base),
                with_interval(rows["cascade"], "hr@10"),
            )
        )  # fmt: skip
    if not lines:
        return "Not measured yet: `python -m benchmarks evaluate`."
    head = (
        "Set", "Split", "Requests", "NDCG@10 popularity", "NDCG@10 best single", "NDCG@10 cascade", "Gain", "p (Holm)",
        "HR@10 cascade",
    )  # fmt: skip
    return markdown_table(Table("", head, tuple(lines)))


def seeds(sets: Mapping[str, Sequence[str]], folder: Path) -> str:
    """Return what the parts of the cascade reach with each seed, and how far these lie apart."""
    lines = []
    for name, others in sets.items():
        found = [read(one, folder) for one in (name, *others)]
        if any(one is None for one in found):
            continue
        runs = [{row.name: row.metrics for row in one.rows} for one in found if one is not None]
        for row in ("transitions", "als", "ease", "fusion", "cascade"):
            for metric in SHOWN:
                values = [run[row][metric] for run in runs]
                about = (number(statistics.fmean(values)), number(statistics.stdev(values)))
                lines.append((name, row, metric.upper(), *map(number, values), *about))
    if not lines:
        return f"Not measured yet: `python -m benchmarks evaluate {' '.join(o for n in sets.values() for o in n)}`."
    head = ("Set", "Row", "Metric", "Seed 0", "Seed 1", "Seed 2", "Mean", "Standard deviation")
    return markdown_table(Table("", head, tuple(tuple(map(Cell, line)) for line in lines)))


def reranked(names: Sequence[str], folder: Path) -> str:
    """Return one line a reranker of a set: what it adds to the cascade, and to the controls of the fine-tuned one."""
    lines = []
    for name in names:
        found = read(name, folder)
        rows = {row.name: row for row in found.rows} if found else {}
        for row in (r for r in rows if r.startswith("cascade+")):
            against = ("cascade", "cascade+text-permuted", "cascade+no-text")
            cells = [cell for base in against for cell in versus(rows[row], base)]
            lines.append((Cell(name), Cell(row), with_interval(rows[row], "ndcg@10"), *cells))
    if not lines:
        return "Not measured yet: `python -m benchmarks evaluate`."
    head = (
        "Set", "Row", "NDCG@10", "Against the cascade", "p (Holm)", "Against permuted texts", "p (Holm)",
        "Against no texts", "p (Holm)",
    )  # fmt: skip
    return markdown_table(Table("", head, tuple(lines)))


def search_summary(names: Sequence[str], folder: Path) -> str:
    """Return one line a searched catalogue: BM25, text and meaning, the same with the learned ranker, one typo."""
    head = (
        "Catalogue", "Queries", "NDCG@10 bm25", "NDCG@10 text index", "NDCG@10 hybrid+ranker", "Gain over bm25",
        "p (Holm)", "Lost by a typo (bm25)",
    )  # fmt: skip
    lines = []
    for name in names:
        found = read(name, folder)
        rows = {row.name: row for row in found.rows} if found is not None else {}
        if found is None or not {LEXICAL, "text", "hybrid+ranker"} <= set(rows):
            continue
        base, best = rows[LEXICAL], rows["hybrid+ranker"]
        means = (Cell(number(rows[row].metrics[SEARCHED[0]])) for row in (LEXICAL, "text"))
        lost = (f"{100 * getattr(row, 'typo_loss', 0):.1f} %" for row in (best, base))
        lines.append(
            (Cell(name), Cell(f"{found.users:,}"), *means, with_interval(best, SEARCHED[0]), *versus(best, LEXICAL),
             Cell("{} ({})".format(*lost)))
        )  # fmt: skip
    if not lines:
        return "Not measured yet: `python -m benchmarks evaluate`."
    return markdown_table(Table("", head, tuple(lines)))


def of_shop_search(folder: Path) -> str:
    """Return the orders of the sample shop's searches: later choices of known shoppers and guests, judged queries."""
    path = folder / "shop-search.json"
    if not path.exists():
        return "Not measured yet: `python -m benchmarks.shop_search`."
    found = json.loads(path.read_text(encoding="utf-8"))
    tasks = ("known", "guests", "judged")

    def cell(figures: dict[str, Any] | None) -> Cell:
        if figures is None:
            return Cell(NONE)
        low, high = figures["ndcg@10_ci"]
        return Cell(f"{figures['ndcg@10']:.3f} ({low:.3f}–{high:.3f})")

    head = ("Order", "Later choices, known", "Later choices, guests", "Judged queries")
    lines = [(Cell(name), *(cell(row.get(task)) for task in tasks)) for name, row in found["test"].items()]
    counts = ", ".join(f"{found['test']['text'][task]['n']:,} {task}" for task in tasks)
    weights = ", ".join(f"{name} {weight:g}" for name, weight in found["weights"].items())
    about = (
        f"NDCG@10 with 95 % intervals of {counts}; weights {weights}. "
        f"Measured {found['date']} at commit {found['commit']}."
    )
    return "\n\n".join([markdown_table(Table("", head, tuple(lines))), about])
