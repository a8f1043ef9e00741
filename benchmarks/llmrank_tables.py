"""The tables of given candidates, from lines of JSON to Markdown: ours beside what was published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.llmrank import CONTROLS, NAME
from benchmarks.runner import read_lines
from benchmarks.speed_tables import Line, origin, table
from recsys.eval.tables import NONE, number

METRICS = ("ndcg@1", "ndcg@5", "ndcg@10", "ndcg@20")
HEAD = ("Row", "NDCG@1", "NDCG@5", "NDCG@10", "NDCG@20")
# Hou et al. 2024, as in the tables of their repository (RUCAIBox/LLMRank, assets), in per cent of NDCG.
PUBLISHED: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "games": {
        "popularity": (28.35, 47.42, 52.96, 57.45), "BPRMF": (44.92, 62.33, 66.27, 68.94),
        "SASRec": (56.90, 73.19, 75.92, 77.14), "BM25, no interaction": (13.92, 28.81, 34.61, 44.35),
        "UniSRec, no interaction": (18.95, 33.99, 40.71, 48.42), "VQ-Rec, no interaction": (7.28, 18.28, 26.21, 37.62),
        "GPT-3.5 sequential, no interaction": (30.28, 45.48, 50.57, 56.55),
        "GPT-3.5 recency-focused, no interaction": (34.03, 48.77, 53.50, 59.01),
        "GPT-3.5 in-context, no interaction": (33.95, 48.44, 53.10, 58.92),
        "LLaMA-2-70B-chat, no interaction": (21.50, 32.30, 37.83, 41.97),
        "GPT-4, no interaction": (39.50, 58.22, 62.88, 65.25),
    },
    "ml-1m": {
        "popularity": (22.91, 45.16, 52.33, 55.36), "BPRMF": (34.60, 59.87, 64.29, 65.39),
        "SASRec": (61.39, 76.39, 78.89, 79.79), "BM25, no interaction": (4.70, 12.68, 17.88, 33.19),
        "UniSRec, no interaction": (7.37, 18.80, 26.67, 37.93), "VQ-Rec, no interaction": (5.98, 15.48, 23.74, 35.85),
        "GPT-3.5 sequential, no interaction": (18.28, 36.35, 42.85, 49.02),
        "GPT-3.5 recency-focused, no interaction": (19.57, 37.73, 44.23, 50.01),
        "GPT-3.5 in-context, no interaction": (21.77, 39.59, 45.83, 51.62),
        "LLaMA-2-70B-chat, no interaction": (8.00, 25.42, 31.19, 34.52),
        "GPT-4, no interaction": (15.50, 40.65, 46.74, 48.42),
    },
}  # fmt: skip


def ranked(name: str, results: Path) -> str:
    """Return every row of one set, the published ones below."""

    def make(lines: Sequence[Line]) -> str:
        p = lines[0]["parameters"]
        rows = [[_title(line), *(_cell(line, m) for m in METRICS)] for line in lines]
        for who, figures in PUBLISHED[name].items():
            rows.append([f"{who} (published)", *(number(f / 100) for f in figures)])
        about = [f"{p['lists']} lists of {p['ranking']}, {p['items']:,} items, {p['events']:,} interactions."]
        return "\n\n".join([table(HEAD, rows), " ".join(about), "\n".join(f"- {note}" for note in p["notes"])])

    return _page(name, results, make)


def listened(name: str, results: Path) -> str:
    """Return the three probes and the injection test of every reranker of one set."""
    head = (
        "Row", "Lost without the order of the history", "Kendall's tau of both", "Slope of the place",
        "Correlation with popularity", *(f"Instruction against {c}, places (noise)" for c in CONTROLS),
    )  # fmt: skip

    def make(lines: Sequence[Line]) -> str:
        rows = [_probes(line) for line in lines if "history_order" in line["figures"]]
        return table(head, rows) if rows else "Not probed."

    return _page(name, results, make)


def _title(line: Line) -> str:
    chosen = line["name"] == line["parameters"]["best_by_validation"]
    return f"{line['name']} (chosen by validation)" if chosen else line["name"]


def _cell(line: Line, metric: str) -> str:
    f = line["figures"]
    shown = number(f["metrics"][metric])
    if metric != "ndcg@10":
        return shown
    low, high = f["ci95"][metric]
    return f"{shown} ({number(low)}–{number(high)})"


def _probes(line: Line) -> list[str]:
    f = line["figures"]
    order, place, popular = f["history_order"], f["position"], f["popularity"]
    return [
        line["name"], _between(order["difference"], order["ci95"]), number(order["tau"]),
        _between(place["slope"], place["ci95"]), _between(popular["correlation"], popular["ci95"]),
        *(_injected(f["injection"].get(c)) for c in CONTROLS),
    ]  # fmt: skip


def _between(value: float, ci95: Sequence[float]) -> str:
    return f"{value:+.3f} ({ci95[0]:+.3f} to {ci95[1]:+.3f})"


def _injected(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return NONE
    return f"{found['difference']:+.2f} ({found['noise']:.2f}{'' if found['within_noise'] else ', beyond it'})"


def _page(name: str, results: Path, make: Callable[[Sequence[Line]], str]) -> str:
    lines = read_lines(results / f"{NAME}-{name}.jsonl")
    if not lines:
        return f"Not measured yet: `python -m benchmarks {NAME} {name}`."
    return f"{make(lines)}\n\n{origin(lines[0])}"
