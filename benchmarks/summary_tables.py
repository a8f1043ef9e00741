"""The table of review summaries, from lines of JSON to Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality_tables import p_value
from benchmarks.speed_tables import Line, page, table
from benchmarks.summary import COMPARED, LEAD, NAME
from recsys.eval.tables import NONE

ROUGE = {"rouge-1": "ROUGE-1", "rouge-2": "ROUGE-2", COMPARED: "ROUGE-L"}
BLEU = {"bleu-2": "BLEU-2", "bleu-4": "BLEU-4"}


def summaries(results: Path) -> str:
    """Return every row of every set."""

    def make(lines: Sequence[Line]) -> str:
        measures = (*BLEU.values(), *ROUGE.values())
        head = ("Set", "Headline", *measures, "ROUGE-L against the lead (p)", "Words of the review", "Words")
        return table(head, [_cells(line) for line in lines])

    return page(NAME, results, make)


def _cells(line: Line) -> list[str]:
    f, p = line["figures"], line["parameters"]
    name = f"{line['name']}, the first {p['lead']}" if line["name"] == LEAD else line["name"]
    against = NONE
    if LEAD in f["effect"]:
        against = f"{f['effect'][LEAD]['difference']:+.1f} ({p_value(f['p_vs'][LEAD])})"
    return [
        f"{p['set']}, {p['test']:,}", name, *(f"{f['bleu'][m]:.1f}" for m in BLEU), *(_rouge(f, m) for m in ROUGE),
        against, f"{100 * f['own_words']:.0f} %", f"{f['words']:.1f}",
    ]  # fmt: skip


def _rouge(figures: Mapping[str, Any], metric: str) -> str:
    low, high = figures["ci95"][metric]
    return f"{figures['metrics'][metric]:.1f} ({low:.1f}–{high:.1f})"
