"""The tables of speed and memory, from lines of JSON to Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.runner import read_lines
from recsys.eval.report import markdown_table
from recsys.eval.tables import NONE, Cell, Table, compact

Line = Mapping[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    return markdown_table(Table("", tuple(head), tuple(tuple(Cell(cell) for cell in row) for row in rows)))


def page(benchmark: str, results: Path, make: Any) -> str:
    """Return what ``make`` makes of a benchmark's lines and where they come from, or how to get them."""
    lines = read_lines(results / f"{benchmark}.jsonl")
    if not lines:
        return f"Not measured yet: `python -m benchmarks {benchmark}`."
    return f"{make(lines)}\n\n{origin(lines[0])}"


def origin(line: Line) -> str:
    """Return the hardware, versions and commit of a measurement in one sentence."""
    h = line["hardware"]
    return (
        f"Measured {line['date']} at commit {line['commit'] or 'unknown'}: {h['cpu']}, {h['cores']} cores, "
        f"{h['memory_gib']:.0f} GiB, {h['system']}, Python {line['versions']['python']}."
    )


def times(value: float | None) -> str:
    """Return "12.3x", a dash for None."""
    return NONE if value is None else f"{compact(value)}x"


def share(value: float | None) -> str:
    """Return a percentage, never rounded up to 100."""
    return NONE if value is None else f"{int(value * 1000) / 10:g} %"


def bm25(results: Path) -> str:
    head = (
        "Back end", "Documents", "Method", "Build, s", "Queries/s", "p50, ms", "p95, ms", "x rank-bm25",
        "Queries/s, batch", "x rank-bm25", "Overlap@100", "Largest score difference", "Peak memory, MiB",
    )  # fmt: skip

    def row(line: Line) -> list[str]:
        f, p = line["figures"], line["parameters"]
        difference = f"{f['max_difference']:.0e}" if "max_difference" in f else NONE
        return [
            line["name"], f"{p['documents']:,}", p["method"], compact(f["build_s"]), compact(f["qps"]),
            compact(f["p50_ms"]), compact(f["p95_ms"]), times(f.get("x_reference")), compact(f.get("batch_qps")),
            times(f.get("batch_x_reference")), share(f.get("overlap")), difference, compact(f["peak_rss_mb"]),
        ]  # fmt: skip

    return page("bm25", results, lambda lines: table(head, map(row, lines)))


def implicit(results: Path) -> str:
    head = (
        "Model", "Who answers", "Lists/s, one by one", "p50, ms", "recsys / this", "Lists/s, batch",
        "recsys / this", "Items in common",
    )  # fmt: skip
    who = {
        "recsys": "recsys, folded in from history",
        "implicit_recalculated": "implicit, recalculate_user=True",
        "implicit": "implicit, factors of known users",
    }

    def rows(lines: Sequence[Line]) -> Iterable[list[str]]:
        for line in lines:
            f = line["figures"]
            for key, name in who.items():
                if f"{key}_qps" in f:
                    label = "implicit" if line["name"] == "item-knn" and key == "implicit" else name
                    label = "recsys" if line["name"] == "item-knn" and key == "recsys" else label
                    yield [
                        line["name"], label, compact(f[f"{key}_qps"]), compact(f[f"{key}_p50_ms"]),
                        times(f.get(f"x_{key}")), compact(f[f"{key}_batch_qps"]), times(f.get(f"batch_x_{key}")),
                        share(f.get(f"overlap_{key}")),
                    ]  # fmt: skip

    return page("implicit", results, lambda lines: table(head, rows(lines)))


def by_size(lines: Sequence[Line], step: str) -> dict[int, Line]:
    """Return the lines of one step of the funnel by number of items."""
    return {line["parameters"]["items"]: line for line in lines if line["name"] == step}


def funnel(results: Path) -> str:
    def make(lines: Sequence[Line]) -> str:
        fits, serves = by_size(lines, "fit"), by_size(lines, "serve")
        head = ("", *(f"{items:,} items" for items in fits))
        rows: list[list[str]] = [
            ["Shoppers", *(f"{line['parameters']['shoppers']:,}" for line in fits.values())],
            ["Events", *(f"{line['figures']['events']:,}" for line in fits.values())],
        ]
        for label, group, key in (
            ("One request, p50, ms", serves, "p50_ms"),
            ("One request, p95, ms", serves, "p95_ms"),
            ("First request, ms", serves, "first_ms"),
            ("Load the bundle, s", serves, "load_s"),
            ("Peak memory, serving, MiB", serves, "peak_rss_mb"),
            ("Bundle, MiB", fits, "bundle_mb"),
            ("Fit, s", fits, "fit_s"),
            ("Peak memory, fit, MiB", fits, "peak_rss_mb"),
        ):
            rows.append([label, *(compact(group[i]["figures"][key]) if i in group else NONE for i in fits)])
        generators = [", ".join(line["parameters"]["generators"]) for line in fits.values()]
        used = "; ".join(f"{items:,} items: {names}" for items, names in zip(fits, generators, strict=True))
        return f"{table(head, rows)}\n\nGenerators before LightGBM: {used}."

    return page("funnel", results, make)


def funnel_stages(results: Path) -> str:
    def make(lines: Sequence[Line]) -> str:
        serves = by_size(lines, "serve")
        took = {items: line["figures"]["stages_p50_ms"] for items, line in serves.items()}
        names = list(dict.fromkeys(name for stages in took.values() for name in stages))
        return table(
            ("Stage, median ms", *(f"{items:,} items" for items in took)),
            ([name, *(compact(stages.get(name)) for stages in took.values())] for name in names),
        )

    return page("funnel", results, make)


def batch(results: Path) -> str:
    head = ("", "Items", "Shoppers asked for", "At a time", "Shoppers/s", "Peak memory, MiB")

    def row(line: Line) -> list[str]:
        f, p = line["figures"], line["parameters"]
        counts = [f"{p[key]:,}" for key in ("items", "requests", "chunk")]
        return [line["name"], *counts, compact(f["users_per_s"]), compact(f["peak_rss_mb"])]

    return page("batch", results, lambda lines: table(head, map(row, lines)))


def startup(results: Path) -> str:
    head = ("A fresh process", "Median, s", "Slowest, s", "torch imported")

    def row(line: Line) -> list[str]:
        f = line["figures"]
        torch = {True: "yes", False: "no"}.get(f.get("torch_imported"), NONE)
        return [line["name"], f"{f['median_s']:.2f}", f"{f['max_s']:.2f}", torch]

    return page("import", results, lambda lines: table(head, map(row, lines)))


def search(results: Path) -> str:
    head = (
        "", "Products", "Build, s", "First query, ms", "Queries/s", "p50, ms", "p95, ms", "p50 of misspelt, ms",
        "x rank-bm25", "Right", "Right of misspelt", "Index, MiB", "Peak memory, MiB",
    )  # fmt: skip

    def row(line: Line) -> list[str]:
        f = line["figures"]
        numbers = [
            compact(f.get(key))
            for key in ("build_s", "first_ms", "qps", "p50_ms", "p95_ms", "misspelt_p50_ms")
        ]  # fmt: skip
        rights = [share(f[key]) if key in f else NONE for key in ("right", "right_misspelt")]
        last = [compact(f.get("index_mb")), compact(f["peak_rss_mb"])]
        name = "recsys, build" if line["name"] == "build" else line["name"]
        return [name, f"{line['parameters']['products']:,}", *numbers, times(f.get("x_reference")), *rights, *last]

    return page("search", results, lambda lines: table(head, map(row, lines)))


EXPLAIN = (
    ("One list without reasons, p50, ms", "whole list", "plain_p50_ms"),
    ("One list with reasons, p50, ms", "whole list", "explained_p50_ms"),
    ("One list without reasons, p95, ms", "whole list", "plain_p95_ms"),
    ("One list with reasons, p95, ms", "whole list", "explained_p95_ms"),
    ("First list with reasons, ms", "whole list", "first_ms"),
    ("Reviews of an item, read once, ms", "parts", "reviews_ms_item"),
    ("Facts, ms an item", "parts", "facts_ms_item"),
    ("Text, ms an item", "parts", "text_ms_item"),
    ("Check, ms an item", "parts", "check_ms_item"),
    ("Facts, text and check, ms an item", "parts", "explanation_ms_item"),
    ("Causal rerun, p50, ms a list", "parts", "causal_ms_list"),
    ("Causal rerun, p95, ms a list", "parts", "causal_p95_ms_list"),
    ("Histories tried, a list", "parts", "reruns_per_list"),
)


def explain(results: Path) -> str:
    def make(lines: Sequence[Line]) -> str:
        groups = {name: by_size(lines, name) for name in ("whole list", "parts")}
        sizes = list(groups["whole list"])
        head = ("", *(f"{items:,} items" for items in sizes))
        rows = [["Shoppers", *(f"{groups['parts'][i]['parameters']['shoppers']:,}" for i in sizes)]]
        rows += [[label, *(compact(groups[name][i]["figures"][key]) for i in sizes)] for label, name, key in EXPLAIN]
        rows.append(["Items with a reason", *(share(groups["whole list"][i]["figures"]["with_reason"]) for i in sizes)])
        return table(head, rows)

    return page("explain", results, make)
