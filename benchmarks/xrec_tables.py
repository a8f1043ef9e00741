"""The tables of explanations of XRec's pairs, from lines of JSON to Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.explain_xrec import CLOSED, MODELS, NAME
from benchmarks.speed_tables import Line, page, table
from recsys.eval.explained_pairs import EXTRACTIVE, OTHERS, PUBLISHED, REFERENCE, TEMPLATE
from recsys.eval.tables import NONE

# Rows in the order of the table, and what they are called in it.
ROWS = {
    OTHERS: "control: another pair's reference", TEMPLATE: TEMPLATE, EXTRACTIVE: EXTRACTIVE,
    **{row: row for name in MODELS.values() for row in (name, CLOSED[name])}, PUBLISHED: "XRec, published texts",
    REFERENCE: "the references themselves",
}  # fmt: skip
OURS = (*CLOSED, *CLOSED.values())
# Figure -> its column, and its digits.
COLUMNS = {
    "bleu-1": ("BLEU-1", 1), "bleu-4": ("BLEU-4", 1), "rouge-1": ("ROUGE-1", 1), "rouge-2": ("ROUGE-2", 1),
    "rouge-l": ("ROUGE-L", 1), "similarity": ("Similarity", 3), "usr": ("USR", 3), "distinct-2": ("Distinct-2", 3),
    "support": ("Evidence support", 3), "checked": ("Statements checked", 3), "aspects": ("Reference agreement", 3),
    "words": ("Words", 0),
}  # fmt: skip
INTERVALS = ("rouge-l", "support", "aspects")
ALONE = ("usr", "distinct-2", "support", "checked", "words")  # what a reference can be measured by


def explanations(results: Path) -> str:
    """Return every system on the same rows, a group of rows after another."""
    head = ("Rows", "Texts by", *(name for name, _ in COLUMNS.values()))

    def make(lines: Sequence[Line]) -> str:
        ordered = [line for group in _groups(lines) for name in ROWS for line in group if line["name"] == name]
        rows = [[_group_name(line), ROWS[line["name"]], *(_cell(line, f) for f in COLUMNS)] for line in ordered]
        return table(head, rows)

    return page(NAME, results, make)


def tests(results: Path) -> str:
    """Return our models against the published texts and against extracts: differences and p after Holm."""
    metrics = {m: COLUMNS[m] for m in ("rouge-l", "similarity", "support", "aspects")}
    head = ("Rows", "Texts by", "Against", *(name for name, _ in metrics.values()))

    def make(lines: Sequence[Line]) -> str:
        rows = [
            [_group_name(line), ROWS[line["name"]], ROWS[base],
             *(_difference(beside[m], digits) for m, (_, digits) in metrics.items())]
            for group in _groups(lines) for name in ROWS for line in group if line["name"] == name
            for base, beside in line["figures"]["versus"].items()
            if line["name"] in OURS or (line["name"], base) == (EXTRACTIVE, PUBLISHED)
        ]  # fmt: skip
        return table(head, rows)

    return page(NAME, results, make)


def _loss(model: dict[str, Any]) -> str:
    found = model["validation_loss"]
    return f"{found['loss']:.2f}" if found else NONE


def _groups(lines: Sequence[Line]) -> list[list[Line]]:
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((line["parameters"]["domain"], line["parameters"]["rows"]), []).append(line)
    return list(groups.values())


def _group_name(line: Line) -> str:
    p = line["parameters"]
    some = ", with a published text" if p["rows"] == "published" and p["domain"] == "yelp" else ""
    return f"{p['domain']}, {p['n']:,}{some}"


def _cell(line: Line, figure: str) -> str:
    if line["name"] == REFERENCE and figure not in ALONE:
        return NONE
    found, digits = line["figures"][figure], COLUMNS[figure][1]
    shown = f"{found['value']:.{digits}f}"
    if figure not in INTERVALS:
        return shown
    low, high = found["ci95"]
    return f"{shown} ({low:.{digits}f}–{high:.{digits}f})"


def _difference(one: dict[str, Any], digits: int) -> str:
    p = "< 0.001" if one["p_holm"] < 0.001 else f"{one['p_holm']:.3f}"
    return f"{one['difference']:+.{digits}f} (p {p})"


def models(results: Path) -> str:
    """Return what was trained on how much, for how long, and how fast it writes."""
    head = (
        "Domain", "Model", "Pairs", "Parameters, M", "Steps", "Minutes", "Ended by", "Validation loss a token",
        "Texts/s",
    )  # fmt: skip

    def make(lines: Sequence[Line]) -> str:
        told = {
            (p["domain"], line["name"]): p["model"] for line in lines for p in [line["parameters"]] if p.get("model")
        }  # fmt: skip
        if not told:
            return "No language model was trained: `python -m benchmarks.xrec_train DOMAIN this|others`."
        return table(head, [
            [domain, name, f"{m['pairs']:,}", f"{m['parameters'] / 1e6:.2f}", f"{m['steps']:,}",
             f"{m['seconds'] / 60:.0f}", m["stopped"], _loss(m), f"{m['texts_s']:g}"]
            for (domain, name), m in told.items()
        ])  # fmt: skip

    return page(NAME, results, make)
