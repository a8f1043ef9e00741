"""The tables of language models: candidates scored, texts written, memory, and the real size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed_tables import Line, page, share, table, times
from recsys.eval.tables import NONE, compact


def rerank(results: Path) -> str:
    head = (
        "", "Model", "Candidates", "ms a list", "x torch", "x torch, shared prefix", "Largest score difference",
        "Kendall's tau", "Share of matrix rate",
    )  # fmt: skip

    def row(line: Line) -> list[str]:
        f, p = line["figures"], line["parameters"]
        difference = f"{f['max_difference']:.0e}" if "max_difference" in f else NONE
        return [
            line["name"], p["model"], f"{p['candidates']}", compact(f["ms"]), times(f["x_torch"]),
            times(f["x_torch_shared"]), difference, compact(f.get("kendall")), share(f.get("share_of_matmul_rate")),
        ]  # fmt: skip

    return page("decode", results, lambda lines: table(head, map(row, having(lines, "ms"))))


def texts(results: Path) -> str:
    head = ("", "Model", "Tokens/s", "x transformers", "Same text")

    def row(line: Line) -> list[str]:
        f = line["figures"]
        same = {True: "yes", False: "no"}.get(f.get("same_text"), NONE)
        return [line["name"], line["parameters"]["model"], compact(f["tokens_per_s"]), times(f["x_transformers"]), same]

    return page("decode", results, lambda lines: table(head, map(row, having(lines, "tokens_per_s"))))


def memory(results: Path) -> str:
    head = ("", "Model", "Files, MiB", "Peak memory, MiB")

    def row(line: Line) -> list[str]:
        f = line["figures"]
        return [
            line["name"].removeprefix("memory, "), line["parameters"]["model"], compact(f["files_mb"]),
            compact(f["peak_rss_mb"]),
        ]  # fmt: skip

    return page("decode", results, lambda lines: table(head, map(row, having(lines, "files_mb"))))


REAL_SIZE = (
    ("Export, s", "export", "seconds"),
    ("Export, peak memory, MiB", "export", "peak_rss_mb"),
    ("Files, GB", "export", "files_gb"),
    ("Check and load, s", "serve", "load_s"),
    ("20 candidates, first time, s", "serve", "first_score_s"),
    ("20 candidates, s", "serve", "score_s"),
    ("A text of 16 tokens, s", "serve", "generate_s"),
    ("Serving, peak memory, MiB", "serve", "peak_rss_mb"),
)


def real_size(results: Path) -> str:
    def make(lines: Sequence[Line]) -> str:
        found = {(line["name"], line["parameters"]["precision"]): line["figures"] for line in lines}
        precisions = [p for name, p in found if name == "serve"]
        rows = [[label, *(compact(found[step, p][key]) for p in precisions)] for label, step, key in REAL_SIZE]
        return table(("", *precisions), rows)

    return page("real-size", results, make)


def having(lines: Sequence[Line], figure: str) -> list[Line]:
    return [line for line in lines if figure in line["figures"]]
