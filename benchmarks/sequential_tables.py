"""The tables of SASRec's speed, from lines of JSON to Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.sequential import NAME
from benchmarks.speed_tables import Line, page, share, table, times
from recsys.eval.tables import NONE, compact

TRAINED = (
    ("Epochs", "fit", "parameters", "epochs"),
    ("Steps", "fit", "figures", "steps"),
    ("One epoch, s", "fit", "figures", "epoch_s"),
    ("Fit, what reads texts included, s", "fit", "figures", "fit_s"),
    ("Peak memory, fit, MiB", "fit", "figures", "peak_rss_mb"),
    ("Numbers trained", "fit", "figures", "trained"),
    ("Files, MiB", "fit", "figures", "files_mb"),
    ("Load, s", "serve", "figures", "load_s"),
    ("First list, ms", "serve", "figures", "first_ms"),
    ("A shopper's first list, p50, ms", "serve", "figures", "p50_ms"),
    ("Peak memory, serving, MiB", "serve", "figures", "peak_rss_mb"),
)


def trained(results: Path) -> str:
    """Return what the training took, and a process that serves what it made."""

    def make(lines: Sequence[Line]) -> str:
        found = {line["name"]: line for line in lines}
        size = found["fit"]["parameters"]
        head = ("", f"{size['shoppers']:,} shoppers, {size['events']:,} events, {size['items']:,} items")
        return table(head, ([label, compact(found[name][part][key])] for label, name, part, key in TRAINED))

    return page(NAME, results, make)


def answered(results: Path) -> str:
    """Return lists a second of every way, by the length of histories."""
    head = (
        "Who answers", "Events of a history", "Lists/s, one by one", "p50, ms", "x torch", "x whole history",
        "Items in common", "Lists/s, batch", "x torch", "Items in common",
    )  # fmt: skip

    def row(line: Line) -> list[str]:
        f = line["figures"]
        return [
            line["name"], str(line["parameters"]["history"]), compact(f["qps"]), compact(f["p50_ms"]),
            times(f["x_torch"]), times(f["x_whole"]), share(f["overlap"]), compact(f.get("batch_qps")),
            times(f.get("batch_x_torch")), share(f["batch_overlap"]) if "batch_overlap" in f else NONE,
        ]  # fmt: skip

    return page(NAME, results, lambda lines: table(head, (row(li) for li in lines if "x_whole" in li["figures"])))
